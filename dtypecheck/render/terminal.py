"""What people see: the table of each pipeline, the findings from the worst, the verdict in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..findings import Finding, Where
from ..report import Report
from ..subjects import Component, Pipeline
from ..subjects.shown import Run
from .options import Look, Out
from .spoken import speaker
from .terminal_fix import show_fix
from .terminal_runs import MARKS, OUTCOMES, STYLES, show_matrix, show_run
from .terminal_values import show_values
from .terminal_watch import show_limits, show_watched
from .words import clean, heading, loads_as, plural, requests, size, stored
from .words_runs import of_matrix, of_run, verdicts
from .words_watch import OURS, watched_runs

GIVES_WAY = ("class", "stored")
"""The columns that are cut on a narrow terminal."""


def render(report: Report, out: Out, look: Look) -> None:
    """Tables, findings, verdict. Notes are counted, and shown with -v; -q shows one line a pipeline and the errors."""
    console = Console(
        file=out,  # type: ignore[arg-type]
        width=max(look.width, 60),
        force_terminal=look.colour,
        no_color=None if look.colour else True,
        highlight=False,
        soft_wrap=True,
    )
    if report.fix:
        show_fix(console, report.fix, report, look)
        return
    watched = watched_runs(report)
    speak, scripts = speaker(watched), {run.script or "." for run in watched}
    for number, pipeline in enumerate(report.pipelines):
        if (run := report.run_of(pipeline)) and run.how == "watched":
            continue
        if look.verbosity < 0:
            console.print(_short(pipeline, report, report.label or "."))
        else:
            _show(console, pipeline, report, look, first=number == 0)
    for run in (run for run in report.runs if run.pipeline is None and run.how == "rehearsed"):
        if look.verbosity < 0:
            console.print(_ran(run, run.script or report.label))
        else:
            show_run(console, run, report, look, first=True)
    for run in watched:
        show_watched(console, run, look, speak)
    shown = {-1: ("error",), 0: ("error", "warning")}.get(look.verbosity, ("error", "warning", "note"))
    findings = [finding for finding in report.counted if finding.severity in shown]
    for finding in findings:
        _finding(console, finding, speak, scripts, report.lines)
    for run in watched:
        show_limits(console, run, report, look, speak)
    if look.verbosity >= 0 and not watched:
        _notes(console, [finding for finding in report.counted if finding.severity not in shown])
    if look.verbosity >= 0 or watched or report.gate:
        first = next(iter(findings), None)
        more = f"   dtypecheck explain {first.code}" if first else ""
        ours = OURS if watched and not report.gate else ""
        lines = [Text(clean(ours + speak(text)), style=STYLES[report.worst or "ok"]) for text in verdicts(report)]
        lines[0 if report.gate else -1].append(more, style="default")
        for text in lines:
            console.print(text)


def _show(console: Console, pipeline: Pipeline, report: Report, look: Look, first: bool) -> None:
    """A pipeline as it was looked at: rehearsed, rehearsed under many dtype plans, or scanned."""
    run = report.run_of(pipeline)
    if run:
        show_run(console, run, report, look, first)
    if pipeline.path in report.matrix:
        show_matrix(console, pipeline, report.matrix[pipeline.path], report, first)
    elif run is None:
        _table(console, pipeline, report, heading(pipeline, report.label or ".", first))
        for survey in report.values:
            if survey.pipeline.path == pipeline.path:
                show_values(console, survey, look)


def _ran(run: Run, path: str) -> Text:
    return Text.assemble(clean(f"{path}: "), (clean(of_run(run)), OUTCOMES[run.verdict]))


def _short(pipeline: Pipeline, report: Report, label: str) -> Text:
    path = label if pipeline.path == "." else pipeline.path
    if pipeline.path in report.matrix:
        return Text(clean(f"{path}: {of_matrix(report.matrix[pipeline.path], report.request.device)}"))
    if run := report.run_of(pipeline):
        return _ran(run, path)
    word = report.verdict(pipeline)
    dtypes = dict.fromkeys(loads_as(component).split(",")[0] for component in pipeline.components)
    said = f"{plural(len(pipeline.components), 'component')} in {', '.join(dtypes)}" if pipeline.components else "no components"
    return Text.assemble(clean(f"{path}: "), (word, STYLES[word]), f" ({said})")


def _table(console: Console, pipeline: Pipeline, report: Report, title: str) -> None:
    console.print(Text(clean(title), style="bold"))
    if not pipeline.components:
        console.print()
        return
    declares = any(component.declared for component in pipeline.components)
    names = ["", "component", "class", "stored", *(["declared"] * declares), "loads as", "bytes"]
    rows = [list(_row(component, report.verdict(pipeline, component), declares)) for component in pipeline.components]
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for i, name in enumerate(names):
        width = max(len(name), *(len(row[i]) for row in rows))
        gives = name in GIVES_WAY
        justify: Literal["right", "left"] = "right" if name == "bytes" else "left"
        table.add_column(
            name, header_style="dim", no_wrap=True, overflow="ellipsis", min_width=6 if gives else width, justify=justify
        )
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if not pipeline.request.dtypes and pipeline.kind != "adapter" and (said := requests(pipeline, report)):
        console.print(Text(said, style="dim"))
    console.print()


def _row(component: Component, word: str, declares: bool) -> Iterable[Text]:
    declared = component.declared.dtype.short if component.declared else ""
    cells = [component.name or "-", component.klass or "", stored(component), *([declared] * declares), loads_as(component)]
    yield Text(MARKS[word], style=STYLES[word])
    for cell in cells:
        yield Text(_cut(clean(cell)))
    yield Text(size(component.loads().nbytes) if component.loads().dtype else "-")


LONGEST = 60
"""Letters of a name that are shown in a table."""
LONGEST_LINE = 100
"""Letters of a script's line that are shown under a finding."""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _finding(
    console: Console, finding: Finding, speak: Callable[[str], str], scripts: Set[str], lines: Mapping[Where, str]
) -> None:
    """The first line says what and where; the rest is indented under it. scripts: those that were watched; lines: of scripts."""
    style = STYLES[finding.severity]
    placed = finding.code.startswith("DT0") and finding.where.path not in finding.message
    message = f"{finding.where}: {finding.message}" if placed else finding.message
    told = finding.where.path in scripts and finding.where.line is None and finding.where.at in finding.message
    console.print(f"[{style}]{finding.severity}[/{style}] {finding.code} {escape(clean(speak(message)))}")
    for name, text in _rest(finding, placed or told, lines):
        console.print(f"      [dim]{name:<8}[/dim] {escape(clean(speak(text)))}")


def _rest(finding: Finding, placed: bool, lines: Mapping[Where, str]) -> Iterable[tuple[str, str]]:
    if not placed and str(finding.where) not in finding.message:
        yield "where", _with_line(finding.where, lines)
    if finding.against and str(finding.against) != str(finding.where):
        yield "against", _with_line(finding.against, lines)
    if finding.because:
        yield "because", finding.because
    if finding.says:
        yield "says", finding.says
    if finding.fix:
        yield "fix", finding.fix.title
    for text in finding.alternatives:
        yield "or", text


def _with_line(place: Where, lines: Mapping[Where, str]) -> str:
    """A place, and what stands there where it is a line of a script."""
    text = lines.get(place, "")
    return f"{place}   {text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 3] + '...'}" if text else str(place)


def _notes(console: Console, notes: list[Finding]) -> None:
    if notes:
        names = ", ".join(f"{name} ({sum(n.name == name for n in notes)})" for name in dict.fromkeys(n.name for n in notes))
        console.print(Text(f"{plural(len(notes), 'note')}, shown with -v: {names}", style="dim"))
