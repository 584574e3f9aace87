"""Words about watched runs that several formats share: the one line on a run, and how much was seen in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from ..checks.ranks import are_ranks, merged
from ..checks.shown import component_name
from ..checks.words import of_limit
from ..dtypes import DType
from ..findings import SEVERITIES
from ..report import Report
from ..subjects.shown import ModuleRow, Run
from .words import plural

OURS: Final = "dtypecheck: "
"""In front of a line that stands among what a script prints."""
NAMED: Final = 6
"""Components that are named in a line."""
SMALL: Final = 1e10
"""Limits below this are worth naming beside a magnitude; bf16 and float32 end at 3e+38."""


def watched_runs(report: Report) -> tuple[Run, ...]:
    """The watched runs of a report, those of several processes as one."""
    seen = [run for run in report.runs if run.how == "watched"]
    return (merged(seen),) if are_ranks(seen) else tuple(seen)


def found(report: Report, without: Sequence[str] = ()) -> str:
    """How many errors and warnings there are, in words, those of some rules left out; "" for none."""
    counts = Counter(finding.severity for finding in report.counted if finding.name not in without)
    return ", ".join(plural(counts[word], word) for word in SEVERITIES[:2] if counts[word])


def of_watched(run: Run, said: str = "", more: str = "") -> str:
    """A watched run in one line. said: errors and warnings in words, "" for none; a crash is not among them.

    more: what is shown with -v alone, in words.
    """
    name = run.script or run.variable or "the run"
    rest = f"; {more}" if more else ""
    if run.verdict == "crashes":
        at = (run.crash.module or run.crash.glue) if run.crash else ""
        return f"{name} crashes on {run.device}" + (f" in {at}" if at else "") + (f"; {said}" if said else "") + rest
    if not (run.modules or run.steps or said):
        return f"nothing was watched: {name} called no torch module{rest}"
    stopped = f" before it stopped ({run.reason})" if run.verdict == "unknown" and run.reason else ""
    stopped = stopped or (f" (it ended with code {run.code})" if run.code else "")
    seen = ", ".join(_seen(run))
    if said:
        return f"{name}: {said}{stopped} in {seen}{rest}"
    return f"no dtype fault in {name}{stopped}: {seen}{_largest(run)}{rest}"


def _seen(run: Run) -> list[str]:
    """How much was seen: components with their dtypes, modules, steps, processes."""
    dtypes = dtypes_of(run)
    parts = [f"{plural(len(dtypes), 'component')}{_named(dtypes)}"] if dtypes else []
    parts += [plural(len(run.modules), "module")] * bool(run.modules)
    parts += [plural(sum(run.steps.values()), "step")] * bool(run.steps)
    parts += [plural(len(run.pictures), "image")] * bool(run.pictures)
    parts += [f"{len(run.ranks)} processes"] * (len(run.ranks) > 1)
    return parts or ["what ran"]


def dtypes_of(run: Run) -> dict[str, DType]:
    """The dtype of each component: what its parameters have, else that of most of its modules."""
    held = {part.name: dtype for part in (run.pipeline.components if run.pipeline else ()) if (dtype := part.loads().dtype)}
    if held:
        return held
    votes: dict[str, Counter[DType]] = {}
    for row in run.modules:
        if dtype := row.weights or row.dtype_out:
            votes.setdefault(component_name(run, row.module), Counter())[dtype] += 1
    return {name or "the model": count.most_common(1)[0][0] for name, count in votes.items()}


def _named(dtypes: dict[str, DType]) -> str:
    """` (unet, vae fp16; text_encoder bf16)`."""
    groups: dict[DType, list[str]] = {}
    for name, dtype in dtypes.items():
        groups.setdefault(dtype, []).append(name)
    if len(dtypes) > NAMED:
        return " (" + ", ".join(f"{len(names)} {dtype.short}" for dtype, names in groups.items()) + ")"
    return " (" + "; ".join(f"{', '.join(names)} {dtype.short}" for dtype, names in groups.items()) + ")"


def ranked(run: Run) -> list[ModuleRow]:
    """The modules by how little room they have left, the least first; those of unknown room are left out."""
    rows = [(bits, row) for row in run.modules if (bits := row.headroom_bits) is not None]
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _largest(run: Run) -> str:
    """The magnitude that came nearest to its limit; what stands exactly at it is a mask, or a finding."""
    worst = next((row for row in ranked(run) if row.headroom_bits), None)
    if worst is None or worst.absmax is None or worst.dtype_out is None:
        return ""
    return f"; largest {magnitude(worst)} in {worst.module or 'the model'}"


def magnitude(row: ModuleRow) -> str:
    """A module's largest output: beside the limit of fp16, or with the dtype where that has no limit worth naming."""
    dtype, largest = row.dtype_out, row.absmax or 0.0
    if dtype is None:
        return "unknown"
    text = of_limit(largest, dtype)
    return text if dtype.largest < SMALL else f"{text.partition(' of ')[0]} ({dtype.short})"


def departed(run: Run) -> tuple[str, ...]:
    """What `--confirm` measured of a finite run: how far each component is from float32, and where it begins."""
    return tuple(
        f"{it.component} in {it.dtype.short} departs from fp32 by {100 * it.error:.2g} %"
        + (f", first in {it.module} ({100 * it.module_error:.2g} %)" if it.module else "")
        for it in run.departures
        if not any(producer.kind in ("nan", "inf") for producer in run.producers)
    )
