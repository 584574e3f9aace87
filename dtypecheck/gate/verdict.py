"""From findings and gaps to one word: deploy, do not deploy, or not proven; and because of what."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from ..checks.words import listed, size
from ..findings import SEVERITIES, Finding, Where
from ..policy import CLEAN, FOUND, NOTHING
from ..report import Report
from ..rule import find
from ..subjects.gated import Gate
from .missing import Kind, Missing


def gate_code(report: Report, fail_on: str = "error") -> int:
    """0 deploy, or not proven; 1 do not deploy, or not proven where what is missing was required; 3 nothing was looked at.

    With `never` it is never 1.
    """
    gate = report.gate
    looked = any(report.seen[what] for what in ("pipelines", "watched", "scripts"))
    if gate is None or not (looked or report.findings):
        return NOTHING
    stops = gate.verdict == "do not deploy" or bool(gate.lacking)
    return FOUND if stops and fail_on != "never" else CLEAN


def for_gate(report: Report) -> Report:
    """The report without the notes that a gate leaves out."""
    return replace(report, findings=tuple(f for f in report.findings if (rule := find(f.code)) is None or rule.in_gate))


def judged(report: Report, missing: Collection[Missing], required: Collection[Kind], fail_on: str = "error") -> Report:
    """The report with its verdict. required: what must have been seen. fail_on: as in `policy.exit_code`; never means error here.

    Unmuted findings at or above `fail_on` forbid it, the worst first; without any, what is missing leaves it open.
    """
    limit = SEVERITIES.index(next((word for word in SEVERITIES if word == fail_on), "error"))
    worst = [finding for finding in report.counted if SEVERITIES.index(finding.severity) <= limit]
    lacking = tuple(gap.text for gap in missing if gap.kind in required)
    open_ = tuple(gap.text for gap in missing if gap.open and gap.kind not in required)
    texts = tuple(gap.text for gap in missing)
    if worst:
        return replace(report, gate=Gate("do not deploy", _because(worst), texts, lacking))
    if lacking or open_:
        first, more = (lacking or open_)[0], len(lacking) + len(open_) - 1
        others = f" (and {more} more)" if more else ""
        because = f"{first}, and that is required{others}" if lacking else f"nothing speaks against it, but {first}{others}"
        return replace(report, gate=Gate("not proven", because, texts, lacking))
    return replace(report, gate=Gate("deploy", ", ".join(_seen(report)), texts, lacking))


def _because(worst: list[Finding]) -> str:
    first, more = worst[0], len(worst) - 1
    place = Where(first.where.path) if first.where.at and first.where.at in first.message else first.where
    told = first.message if first.where.path in first.message else f"{place}: {first.message}"
    return told + (f" (and {more} more)" if more else "")


def _seen(report: Report) -> Iterator[str]:
    """What speaks for it."""
    for pipeline in report.pipelines:
        parts = [component for component in pipeline.components if component.loads().dtype]
        dtypes = listed(component.loads().dtype.short for component in parts if component.loads().dtype)  # type: ignore[union-attr]
        total = size(sum(component.loads().nbytes for component in parts))
        yield f"{len(parts)} component{'s' * (len(parts) != 1)} in {dtypes} ({total})"
    for run in report.runs:
        if run.how == "rehearsed":
            yield f"{run.script or 'it'} runs on {run.device} in a rehearsal"
        else:
            yield f"{run.script or 'a watched run'} ran on {run.device}" + f", {len(run.pictures)} sound pictures" * bool(
                run.pictures
            )
    if elements := report.seen["numbers"]:
        yield f"{elements:,} numbers in the weights are sound"
    if scripts := report.seen["scripts"]:
        yield f"{scripts} script{'s' * (scripts != 1)}"
