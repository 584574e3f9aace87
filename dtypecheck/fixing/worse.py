"""Whether a target got worse: the findings of a scan after some edits, held against those of the scan before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..findings import SEVERITIES, Finding
from ..read.formats import READERS, suffix_of
from ..report import Report

_Key = tuple[str, str, str]


def new(before: Report, then: Report) -> list[Finding]:
    """The findings that were not there: of a rule about a component there are more than before, or they are worse.

    Places are no measure: a finding moves with the weights when their file gets another name. A note that is told once a
    pipeline may move to another component when the first one is mended. What is found in a component that could not be loaded
    before is not new either: it could not be seen.
    """
    unseen = _unloaded(before)
    counts: dict[tuple[_Key, str], int] = Counter((_noted(finding), finding.severity) for finding in before.counted)
    found = []
    for finding in then.counted:
        if (bare(finding.pipeline), finding.component) in unseen:
            continue
        for severity in SEVERITIES[: SEVERITIES.index(finding.severity) + 1]:
            if counts[_noted(finding), severity] > 0:
                counts[_noted(finding), severity] -= 1
                break
        else:
            found.append(finding)
    return found


def _unloaded(report: Report) -> set[tuple[str, str]]:
    """The components that the loaders would not load."""
    return {
        (bare(pipeline.path), component.name)
        for pipeline in report.pipelines
        for component in pipeline.components
        if component.loads().dtype is None
    }


def _noted(finding: Finding) -> _Key:
    code, pipeline, component = _about(finding)
    return code, pipeline, "" if finding.severity == "note" else component


def answered(finding: Finding, before: Iterable[Finding], then: Iterable[Finding]) -> bool:
    """True when there are fewer findings of its rule about its component than before."""

    def count(findings: Iterable[Finding]) -> int:
        return sum(_about(other) == _about(finding) for other in findings)

    return count(then) < count(before)


def helped(finding: Finding, before: Iterable[Finding], then: Iterable[Finding]) -> bool:
    """True when the finding is gone, or tells less than it did: a step may mend some of what it names."""
    if answered(finding, before, then):
        return True
    return finding.message not in [other.message for other in then if _about(other) == _about(finding)]


def _about(finding: Finding) -> _Key:
    return finding.code, bare(finding.pipeline), finding.component or finding.where.path.rpartition("/")[0]


def bare(path: str) -> str:
    """A path without a weight file's suffix: a pickle that becomes safetensors is the same model."""
    return path.removesuffix(suffix_of(path)) if suffix_of(path) in READERS else path
