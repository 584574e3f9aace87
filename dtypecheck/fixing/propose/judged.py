"""Whether a step may be offered: the same scan judges the files after it, and nothing in it may be worse than before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ...edits import Edit
from ...engine import scan
from ...files import Files
from ...findings import SEVERITIES, Finding
from ...knowledge import Knowledge
from ...read.formats import READERS, suffix_of
from ...report import Report
from ...subjects import Request
from ..overlay import after

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Judge:
    """The target as it is, and how it is judged."""

    files: Files
    request: Request
    known: Knowledge
    before: Report

    def after(self, edits: Iterable[Edit]) -> Report:
        """What a scan says after the edits. errors: Refusal where they do not fit the files."""
        return scan(after(self.files, edits), self.request, self.known)

    def worse(self, report: Report) -> str:
        """What a report has that the target does not have now, in words; nothing when it is no worse."""
        if found := new(self.before.findings, report.findings):
            return f"after it there would be {found[0].code}: {found[0].message}"
        now = {_bare(path): sound for path, sound in report.sound.items()}
        for path, sound in self.before.sound.items():
            lost = sorted(dtype.short for dtype in sound - now.get(_bare(path), frozenset()))
            if lost:
                return f"after it {path if path != '.' else 'the model'} would no longer run in {lost[0]}"
        return ""


def new(before: Iterable[Finding], then: Iterable[Finding]) -> list[Finding]:
    """The findings that were not there: of a rule about a component there are more than before, or they are worse."""
    counts: dict[tuple[_Key, str], int] = Counter((_about(finding), finding.severity) for finding in before)
    found = []
    for finding in sorted(then, key=lambda finding: finding.key):
        for severity in SEVERITIES[: SEVERITIES.index(finding.severity) + 1]:
            if counts[_about(finding), severity] > 0:
                counts[_about(finding), severity] -= 1
                break
        else:
            found.append(finding)
    return found


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
    return finding.code, _bare(finding.pipeline), finding.component or finding.where.path.rpartition("/")[0]


def _bare(path: str) -> str:
    """A path without a weight file's suffix: a pickle that becomes safetensors is the same model."""
    return path.removesuffix(suffix_of(path)) if suffix_of(path) in READERS else path
