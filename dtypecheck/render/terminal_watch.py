"""What people see of a watched run: its findings with the script's own names, what was not seen, with -v all the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from ..report import Report
from ..subjects.shown import Run
from .options import Look
from .words import clean, network, plural
from .words_watch import OURS, departed, dtypes_of, magnitude, ranked

ROWS: Final = 15
"""Modules in the table of headroom."""


def show_watched(console: Console, run: Run, look: Look, speak: Callable[[str], str]) -> None:
    """With -v what was seen: components, casts by design, pictures, and the modules with the least room."""
    if look.verbosity <= 0:
        return
    alone = network(run.pipeline) if run.pipeline and not run.script else None
    what = f"{alone[0]}   {alone[1]}, " if alone else f"{run.script or 'watched'}   "
    title = f"{what}watched on {run.device}" + (f", {run.called}" if run.called else "")
    console.print(Text(clean(title), style="bold"))
    for line in _asides(run):
        console.print(Text(clean(f"   {speak(line)}"), style="dim"))
    for line in _table(run, speak):
        console.print(Text(clean(line), style="dim"))
    console.print()


def _asides(run: Run) -> Iterator[str]:
    for name, dtype in dtypes_of(run).items():
        part = run.pipeline.named(name) if run.pipeline else None
        klass = f" {part.klass}" if part and part.klass else ""
        steps = run.steps.get(name, 0)
        yield f"{name}{klass} in {dtype.short}" + (f", {plural(steps, 'step')}" if steps else "")
    designed = [event for event in run.events if event.by_design]
    if designed:
        places = len({event.module for event in designed})
        kinds = ", ".join(dict.fromkeys(event.kind for event in designed))
        yield f"by design: {plural(sum(event.times for event in designed), 'event')} ({kinds}) in {plural(places, 'module')}"
    for picture in run.pictures:
        path = f" ({picture.path})" if picture.path else ""
        yield f"image {picture.number} of {picture.of}{path}: {picture.verdict}" + (f", {picture.colour}" * bool(picture.colour))


def _table(run: Run, speak: Callable[[str], str]) -> Iterator[str]:
    """The modules with the least room, a line each, in columns."""
    rows = ranked(run)[:ROWS]
    if not rows:
        return
    cells = [("least headroom", "class", "largest", "doublings left", "calls")]
    cells += [
        (speak(row.module) or "-", row.klass, magnitude(row), f"{row.headroom_bits or 0:.1f}", f"{row.calls:,}") for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "   " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def show_limits(console: Console, run: Run, report: Report, look: Look, speak: Callable[[str], str]) -> None:
    """How far the components are from float32, where that was measured; what could not be seen, under findings or with -v."""
    for text in departed(run) if look.verbosity >= 0 else ():
        console.print(Text(clean(f"{OURS}{speak(text)}")))
    if look.verbosity > 0 or (look.verbosity == 0 and report.worst in ("error", "warning")):
        for text in run.limits:
            console.print(Text(clean(f"not seen: {speak(text)}"), style="dim"))
