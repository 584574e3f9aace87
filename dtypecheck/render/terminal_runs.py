"""What people see of a rehearsal: the components with the bytes of their weights, what stood in, and the table of dtype plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..checks.words import size
from ..report import Report
from ..subjects import Component, Pipeline
from ..subjects.shown import Run, Tried
from .options import Look
from .words import clean, heading, loads_as, plural, requests
from .words_runs import answer, remark

STYLES: Final = {"error": "bold red", "warning": "yellow", "note": "cyan", "ok": "green"}
MARKS: Final = {"error": "x", "warning": "!", "note": " ", "ok": " "}
OUTCOMES: Final = {"runs": "green", "crashes": "bold red", "unknown": "yellow"}
MOST: Final = 5
"""Files that a script wanted to write which are named."""


def show_run(console: Console, run: Run, report: Report, look: Look, first: bool) -> None:
    """Heading, the table of components, and what stood in for something."""
    pipeline = run.pipeline
    if pipeline:
        console.print(Text(clean(heading(pipeline, report.label or ".", first, f"{run.how} on {run.device}")), style="bold"))
        _components(console, pipeline, run, report)
        if said := requests(pipeline, report):
            console.print(Text(f" {said}", style="dim"))
    else:
        console.print(Text(clean(f"{run.script or report.label}   {run.how} on {run.device}"), style="bold"))
    _asides(console, run, look)
    console.print()


def _components(console: Console, pipeline: Pipeline, run: Run, report: Report) -> None:
    if not pipeline.components:
        return
    rows = [_row(component, run, report) for component in pipeline.components]
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for i, name in enumerate(("", "component", "class", "loads as", "weights")):
        width = 6 if name == "class" else max(len(name), *(len(row[i]) for row in rows))
        justify: Literal["right", "left"] = "right" if name == "weights" else "left"
        table.add_column(name, header_style="dim", no_wrap=True, overflow="ellipsis", min_width=width, justify=justify)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _row(component: Component, run: Run, report: Report) -> tuple[Text, ...]:
    word = report.verdict(run.pipeline, component) if run.pipeline else "ok"
    nbytes = run.weight_bytes.get(component.name, component.loads().nbytes)
    cells = (component.name or "-", component.klass or "", loads_as(component), size(nbytes) if nbytes else "-")
    return Text(MARKS[word], style=STYLES[word]), *(Text(clean(cell)) for cell in cells)


def _asides(console: Console, run: Run, look: Look) -> None:
    """Lines under the table: stand-ins, files not written, and with -v what the libraries cast by design."""
    lines = []
    if run.substituted and look.verbosity > 0:
        lines += [f"substituted: {text}" for text in run.substituted]
    elif run.substituted:
        lines.append("substituted: " + ", ".join(dict.fromkeys(text.partition(":")[0] for text in run.substituted)))
    if run.written:
        rest = f" and {len(run.written) - MOST:,} more" if len(run.written) > MOST else ""
        lines.append(f"not written: {', '.join(run.written[:MOST])}{rest}")
    designed = [event for event in run.events if event.by_design]
    if designed and look.verbosity > 0:
        places = len({event.module for event in designed})
        lines.append(f"by design: {plural(sum(event.times for event in designed), 'cast')} in {plural(places, 'module')}")
    for line in lines:
        console.print(Text(clean(f"   {line}"), style="dim"))


def show_matrix(console: Console, pipeline: Pipeline | None, plans: Sequence[Tried], report: Report, first: bool) -> None:
    """One line a dtype plan, the recommended one first and marked."""
    device = report.request.device or (pipeline.request.device if pipeline else None)
    on = f" on {device}" if device else ""
    if pipeline:
        console.print(Text(clean(heading(pipeline, report.label or ".", first, f"rehearsed{on}", "")), style="bold"))
    groups = columns(plans, pipeline)
    rows = [["", *(_called(group, pipeline) for group in groups), f"runs{on}", "weights", ""]]
    for tried in plans:
        dtypes = [tried.dtypes[group[0]].short if group[0] in tried.dtypes else "-" for group in groups]
        nbytes = size(tried.weight_bytes) if tried.weight_bytes else "-"
        rows.append([">" * tried.recommended, *dtypes, answer(tried), nbytes, clean(remark(tried))])
    head, *lines = _aligned(rows)
    console.print(Text(head, style="dim"))
    for tried, line in zip(plans, lines, strict=True):
        console.print(Text(line, style="bold" if tried.recommended else "" if tried.verdict == "runs" else "dim"))
    console.print()


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    """Cells under each other; the last one, a remark, is as long as it is, for the terminal to wrap."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def columns(plans: Sequence[Tried], pipeline: Pipeline | None) -> list[tuple[str, ...]]:
    """The components, those together that have the same role and the same dtype in every plan."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for name in dict.fromkeys(name for tried in plans for name in tried.dtypes):
        role = part.role if (part := _part(name, pipeline)) else name
        groups.setdefault((role, *(tried.dtypes.get(name) for tried in plans)), []).append(name)
    return [tuple(names) for names in groups.values()]


def _called(group: tuple[str, ...], pipeline: Pipeline | None) -> str:
    if len(group) == 1:
        return group[0]
    part = _part(group[0], pipeline)
    return "text encoders" if part and part.role == "text_encoder" else ", ".join(group)


def _part(name: str, pipeline: Pipeline | None) -> Component | None:
    return pipeline.named(name) if pipeline else None
