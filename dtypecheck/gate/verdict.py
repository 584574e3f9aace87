"""From findings and gaps to one word: deploy, do not deploy, or not proven; and because of what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace

from ..checks.words import listed, size
from ..findings import SEVERITIES, Finding, Where
from ..policy import CLEAN, FOUND, NOTHING
from ..render.words import plural
from ..report import Report
from ..rule import find
from ..subjects.gated import Gate
from .missing import Kind, Missing


def gate_code(report: Report, fail_on: str = "error") -> int:
    """0 deploy, or not proven; 1 do not deploy, or not proven where what is missing was required; 3 nothing was looked at.

    With `never` it is never 1.
    """
    gate = report.gate
    if gate is None or not (_looked(report) or report.findings):
        return NOTHING
    stops = gate.verdict == "do not deploy" or bool(gate.lacking)
    return FOUND if stops and fail_on != "never" else CLEAN


def _looked(report: Report) -> bool:
    return any(report.seen[what] for what in ("pipelines", "watched", "scripts"))


def for_gate(report: Report) -> Report:
    """The report without the notes that a gate leaves out."""
    return replace(report, findings=tuple(f for f in report.findings if (rule := find(f.code)) is None or rule.in_gate))


def judged(report: Report, missing: Collection[Missing], required: Collection[Kind], fail_on: str = "error") -> Report:
    """The report with its verdict. required: what must have been seen. fail_on: as in `policy.exit_code`; never means error here.

    Unmuted findings at or above `fail_on` forbid it, the worst first; without any, what is missing leaves it open.
    """
    limit = SEVERITIES.index(next((word for word in SEVERITIES if word == fail_on), "error"))
    told = {finding.fingerprint for finding in report.counted}
    missing = [gap for gap in missing if not gap.of or gap.of in told]
    worst = [finding for finding in report.counted if SEVERITIES.index(finding.severity) <= limit]
    aside = _aside(report, limit)
    lacking = tuple(gap.text for gap in missing if gap.kind in required)
    open_ = tuple(gap.text for gap in missing if gap.open and gap.kind not in required)
    texts = tuple(gap.text for gap in missing)
    if worst:
        return replace(report, gate=Gate("do not deploy", _because(worst, report), texts, lacking))
    if not _looked(report):
        return replace(report, gate=Gate("not proven", (*lacking, *open_, "nothing was looked at")[0], texts, lacking))
    if lacking or open_:
        first, more = (lacking or open_)[0], len(lacking) + len(open_) - 1
        others = f" (and {more} more)" if more else ""
        against = f"nothing but {aside} speaks against it" if aside else "nothing speaks against it"
        because = f"{first}, and that is required{others}" if lacking else f"{against}, but {first}{others}"
        return replace(report, gate=Gate("not proven", because, texts, lacking))
    return replace(report, gate=Gate("deploy", ", ".join(_seen(report)) + (f"; but {aside}" if aside else ""), texts, lacking))


def _aside(report: Report, limit: int) -> str:
    """What speaks against it and does not count: findings that are muted, and those that are not as bad as what counts."""
    muted = sum(SEVERITIES.index(finding.severity) <= limit for finding in report.findings if finding.muted is not None)
    milder = [plural(report.count(severity), severity) for severity in SEVERITIES[limit + 1 : -1] if report.count(severity)]
    return " and ".join([*milder, *([f"{plural(muted, 'finding')} that {'is' if muted == 1 else 'are'} muted"] if muted else [])])


def _because(worst: list[Finding], report: Report) -> str:
    """The first of the worst; of equals one at a line of a script before one in files, which would be right without that line."""
    equals = [finding for finding in worst if finding.severity == worst[0].severity]
    unreadable = any(finding.code < "DT1" for finding in equals)
    first = worst[0] if unreadable else next((finding for finding in equals if finding.where in report.lines), worst[0])
    more = len(worst) - 1
    place = Where(first.where.path) if first.where.at and first.where.at in first.message else first.where
    told = first.message if first.where.path in first.message else f"{place}: {first.message}"
    loaded = [load for load in report.loaded if not load.adapter]
    asked = loaded or not report.pipelines or any(pipeline.request.dtypes for pipeline in report.pipelines)
    by_dtype = not asked and first.code[:3] in ("DT1", "DT3")
    how = "; it was judged without torch_dtype, and --dtype says how else it is loaded" if by_dtype else ""
    return told + (f" (and {more} more)" if more else "") + how


def _seen(report: Report) -> Iterator[str]:
    """What speaks for it."""
    for pipeline in report.pipelines:
        loads = [component.loads() for component in pipeline.components]
        dtypes = [load.dtype.short for load in loads if load.dtype]
        total = size(sum(load.nbytes for load in loads if load.dtype))
        yield f"{len(dtypes)} component{'s' * (len(dtypes) != 1)} in {listed(dtypes)} ({total})"
    rehearsed = Counter((run.script or "it", run.device) for run in report.runs if run.how == "rehearsed")
    for (what, device), ways in rehearsed.items():
        yield f"{what} runs on {device} in a rehearsal" if ways == 1 else f"{what} runs on {device} in {ways} rehearsals"
    for run in report.runs:
        if run.how != "rehearsed":
            yield f"{run.script or 'a watched run'} ran on {run.device}" + f", {len(run.pictures)} sound pictures" * bool(
                run.pictures
            )
    if elements := report.seen["numbers"]:
        yield f"{elements:,} numbers in the weights are sound"
    if scripts := report.seen["scripts"]:
        yield f"{scripts} script{'s' * (scripts != 1)}"
