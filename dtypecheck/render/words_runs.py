"""Words about runs that several formats share: the verdict in one line, and what a dtype plan came to."""

from __future__ import annotations

from collections.abc import Sequence

from ..checks.shown import dtype_plan
from ..checks.words import in_short, size
from ..findings import SEVERITIES
from ..report import Report
from ..subjects.shown import Run, Tried
from .words import clean, plural, verdict
from .words_gate import lines as gate_lines
from .words_watch import found, of_watched, watched_runs

LARGEST = 3
"""Components whose bytes are named in a verdict."""


def verdicts(report: Report) -> tuple[str, ...]:
    """The last lines of a report: one for each run or matrix of dtype plans, else the one on what was found; a gate's verdict."""
    if report.gate:
        return (verdict(report), *map(clean, gate_lines(report.gate)))
    watched, lines = watched_runs(report), []
    if len(watched) == 1 and not report.matrix and len(report.pipelines) <= 1:
        return (clean(of_watched(watched[0], *_beside(report, watched[0]))),)
    lines += [of_watched(run) for run in watched]
    rehearsed = [run for run in report.runs if run.how == "rehearsed"]
    lines += [f"{prefix(report, run.pipeline.path if run.pipeline else run.script)}{of_run(run)}" for run in rehearsed]
    lines += [f"{prefix(report, path)}{of_matrix(plans, report.request.device)}" for path, plans in report.matrix.items()]
    if not lines:
        return (verdict(report),)
    if len(lines) == 1 and (left := others(report)):
        lines = [f"{lines[0]}; {left}"]
    return tuple(map(clean, lines))


def _beside(report: Report, run: Run) -> tuple[str, str]:
    """What else there is to say of the only run of a report: errors and warnings, and what stands behind -v."""
    said = found(report, ("run-crashes",) if run.verdict == "crashes" else ())
    notes = report.count("note")
    hidden = bool(run.limits) and report.worst not in ("error", "warning")
    more = [plural(notes, "note")] * bool(notes) + [plural(len(run.limits), "limit")] * hidden
    return said, f"-v shows {' and '.join(more)}" if more else ""


def prefix(report: Report, path: str) -> str:
    """Which pipeline a line is about, where there are several."""
    return f"{path}: " if len(report.runs) + len(report.matrix) > 1 else ""


def others(report: Report) -> str:
    """How many findings there are besides the crash that the verdict tells anyway."""
    left = [finding for finding in report.counted if finding.name not in ("run-crashes", "run-undecided")]
    return ", ".join(plural(n, word) for word in SEVERITIES if (n := sum(finding.severity == word for finding in left)))


def of_run(run: Run) -> str:
    """What came of a run, where and why."""
    if run.how == "watched":
        return of_watched(run)
    if run.verdict == "crashes":
        crash = run.crash
        at = f" in {crash.module or crash.glue or 'the pipeline'}" if crash else ""
        return f"crashes on {run.device}{at}" + ("" if run.confirmed else " (expected, not confirmed)")
    if run.verdict == "unknown":
        where = run.module or run.component
        return (
            "undecided"
            + (f" in {where}" if where and not run.reason.startswith(where) else "")
            + (f": {run.reason}" if run.reason else "")
        )
    said = [weights(run)] * bool(run.weight_bytes) + [run.called] * bool(run.called)
    said += [text.partition(",")[0] + " stood in for" for text in run.substituted if "never executed" in text]
    return f"runs on {run.device}" + (f": {', '.join(said)}" if said else "")


def weights(run: Run) -> str:
    """How many components, and the bytes of their weights, the largest first."""
    total = sum(run.weight_bytes.values())
    ranked = sorted(run.weight_bytes.items(), key=lambda item: -item[1])
    named = ", ".join(f"{name} {size(nbytes)}" for name, nbytes in ranked[:LARGEST] if nbytes)
    named += ", ..." if len(ranked) > LARGEST else ""
    return f"{plural(len(ranked), 'component')}, {size(total)} of weights" + (f" ({named})" if len(ranked) > 1 and named else "")


def of_matrix(plans: Sequence[Tried], device: str | None) -> str:
    """How many dtype plans run, and the one to take."""
    good = sum(tried.verdict == "runs" for tried in plans)
    best = next((tried for tried in plans if tried.recommended), None)
    place = f" on {device}" if device else ""
    advice = f"; recommended: {dtype_plan(best.dtypes)}, {size(best.weight_bytes)}" if best else "; none is recommended"
    return f"{good} of {plural(len(plans), 'dtype plan')} run{'s' * (good == 1)}{place}" + advice


def answer(tried: Tried) -> str:
    """Does a dtype plan run: yes, slowly, no, or nobody knows."""
    return {"runs": "yes, slow" if tried.slow else "yes", "crashes": "no", "unknown": "unknown"}[tried.verdict]


def remark(tried: Tried) -> str:
    """What to know of a dtype plan: that it is the one to take, where it crashes, why nobody knows."""
    parts = ["recommended"] * tried.recommended
    if tried.crash:
        parts.append(in_short(tried.crash) + ("" if tried.crash.confirmed else " (expected, not confirmed)"))
    parts += [tried.reason] * bool(tried.reason and not tried.crash) + [tried.note] * bool(tried.note)
    return "; ".join(parts)
