"""What people see of a watched run: its findings with the script's own names, what was not seen, with -v all the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from rich.console import Console
from rich.text import Text

from ..report import Report
from ..subjects.shown import Run
from .options import Look
from .words import clean, plural
from .words_watch import OURS, departed, dtypes_of, magnitude, ranked

ROWS: Final = 15
"""Modules in the table of headroom."""
_BEFORE: Final = (" to ", " in ", " before ", "; ")
"""What stands in front of a module in the words of a finding."""
_PATH: Final = re.compile(r"(?<![\w./-])[A-Za-z_]\w*(?:\.\w+)*")


def speaker(runs: Iterable[Run]) -> Callable[[str], str]:
    """A function that puts the script's variable in front of the module paths in a text: `pipe.vae.decoder` for `vae.decoder`."""
    given = [
        partial(_spoken, variable=run.variable, paths=_paths(run), names=set(dtypes_of(run))) for run in runs if run.variable
    ]

    def speak(text: str) -> str:
        for spoken in given:
            text = _PATH.sub(spoken, text)
        return text

    return speak


def _spoken(found: re.Match[str], variable: str, paths: set[str], names: set[str]) -> str:
    """One path of a text: of a module that is known, or of a method of a component. A word alone may be just a word."""
    path, after = found.group(), found.string[found.end() : found.end() + 2]
    first, _, rest = path.partition(".")
    before = found.string[: found.start()]
    alone = (not before or after == " (" or before.endswith(_BEFORE)) and first not in names
    method = after[:1] == "(" and first in names and first != variable
    return f"{variable}.{path}" if (path in paths and (rest or alone)) or (rest and method) else path


def _paths(run: Run) -> set[str]:
    """Every module path that a finding may name; of a lone module whose paths begin at its own root those below it."""
    named = [row.module for row in run.modules] + [event.module for event in run.events]
    for producer in run.producers:
        named += [producer.module, producer.carried_to, producer.killed_by, producer.before_module]
        named += [frame.module for frame in producer.before]
    named += [picture.producer for picture in run.pictures] + [healing.module for healing in run.healed]
    named += [departure.module for departure in run.departures] + [run.module]
    if run.crash:
        named += [run.crash.module, *(operand.made for operand in run.crash.operands)]
    return {name for name in named if name and name != run.variable and not name.startswith(f"{run.variable}.")}


def show_watched(console: Console, run: Run, look: Look, speak: Callable[[str], str]) -> None:
    """With -v what was seen: components, casts by design, pictures, and the modules with the least room."""
    if look.verbosity <= 0:
        return
    title = f"{run.script or 'watched'}   watched on {run.device}" + (f", {run.called}" if run.called else "")
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
