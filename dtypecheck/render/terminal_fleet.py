"""A fleet on a terminal: the sentence, the tables by rule, class and dtype, and the worst models, one line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, TextIO

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..fleet.tally import Bad, Tally
from .options import Look
from .terminal_runs import MARKS, STYLES
from .words import clean, plural
from .words_fleet import VERDICTS, looked, parameters, sentence, short, unseen, worst

NARROWEST: Final = 60
"""Columns; a narrower terminal wraps."""
ROWS: Final = 12
"""Rows of a table without -v."""
BETWEEN: Final = 2
_STYLES: Final = {**STYLES, "nothing": "yellow", "failed": "yellow"}
Row = tuple[str, ...]


def render(tally: Tally, stream: TextIO, look: Look) -> None:
    """The sentence first; -q leaves it at that, -v shows tables whole."""
    width = max(look.width, NARROWEST)
    console = Console(
        file=stream,
        width=width,
        force_terminal=look.colour,
        no_color=None if look.colour else True,
        highlight=False,
        soft_wrap=True,
    )
    console.print(Text(clean(sentence(tally)), style=STYLES[worst(tally)]))
    if look.verbosity < 0:
        return
    if said := looked(tally):
        console.print(Text(f"in {said}", style="dim"))
    _rules(console, tally, look)
    _classes(console, tally, look)
    _dtypes(console, tally, look)
    _worst(console, tally)
    _unseen(console, tally)
    codes = [code for code, _ in tally.by_rule()]
    if codes:
        console.print()
        console.print(Text(clean(f"dtypecheck explain {codes[0]}"), style="dim"))


def _rules(console: Console, tally: Tally, look: Look) -> None:
    """By rule: the models that have a finding of it, by severity, and how many findings those are."""
    found = tally.by_rule()
    rows = [
        (code, tally.names.get(code, ""), *_numbers(by, ("error", "warning", "note")), f"{tally.findings[code]:,}")
        for code, by in found
    ]
    marks = [next((name for name in ("error", "warning", "note") if by[name]), "ok") for _, by in found]
    heads = ("by rule", "", "error", "warning", "note", "findings")
    _table(console, heads, rows, marks, 1, look, "rule")


def _classes(console: Console, tally: Tally, look: Look) -> None:
    """By class: its models, and those of them with errors and warnings."""
    found = tally.by_class()
    rows = [(klass, *_numbers(by, ("error", "warning")), f"{sum(by.values()):,}") for klass, by in found]
    marks = [_mark(by) for _, by in found]
    _table(console, ("by class", "error", "warning", "models"), rows, marks, 0, look, "class")


def _dtypes(console: Console, tally: Tally, look: Look) -> None:
    """By dtype: what is stored in it, in how many models, and those of them with errors."""
    found = tally.by_dtype()
    rows = [
        (short(dtype), *_numbers(by, ("error", "warning")), f"{sum(by.values()):,}", parameters(tally.parameters[dtype]))
        for dtype, by in found
    ]
    marks = [_mark(by) for _, by in found]
    _table(console, ("by dtype", "error", "warning", "models", "parameters"), rows, marks, 0, look, "dtype")


def _numbers(by: dict[str, int], names: Sequence[str]) -> Row:
    return tuple(f"{by.get(name, 0):,}" if by.get(name) else "-" for name in names)


def _mark(by: dict[str, int]) -> str:
    return next((name for name in ("error", "warning") if by.get(name)), "ok")


def _table(console: Console, heads: Row, rows: Sequence[Row], marks: Sequence[str], gives: int, look: Look, what: str) -> None:
    """A table; its numbers stand right. gives: the column that is cut where the terminal is narrow; text ends with it."""
    if not rows:
        return
    kept = [tuple(map(clean, row)) for row in (rows if look.verbosity > 0 else rows[:ROWS])]
    widths = [max(cell_len(row[i]) for row in (heads, *kept)) for i in range(len(heads))]
    room = console.width - sum(widths) + widths[gives] - BETWEEN * len(widths) - 1
    widths[gives] = min(widths[gives], max(room, 8))
    table = _bare()
    table.add_column("", width=1)
    for i, name in enumerate(heads):
        justify: Literal["left", "right"] = "left" if i <= gives else "right"
        table.add_column(name, header_style="bold" if i == 0 else "dim", no_wrap=True, width=widths[i], justify=justify)
    for row, mark in zip(kept, marks, strict=False):
        cells = [Text(_cut(cell, widths[i])) for i, cell in enumerate(row)]
        for i, name in enumerate(heads):
            if name in ("error", "warning") and row[i] != "-":
                cells[i].stylize(STYLES[name])
        table.add_row(Text(MARKS[mark], style=STYLES[mark]), *cells)
    console.print()
    console.print(table)
    if (left := len(rows) - len(kept)) > 0:
        more = plural(left, what) if what != "class" else f"{left:,} class{'es' * (left > 1)}"
        console.print(Text(f"   {more} more, shown with -v", style="dim"))


def _worst(console: Console, tally: Tally) -> None:
    """The worst models: their counts, and the first thing that is wrong with them."""
    named = tally.named()
    if not named:
        return
    columns: list[tuple[str, Callable[[Bad], str]]] = [
        ("error", lambda bad: f"{bad.errors:,}" if bad.errors else "-"),
        ("warning", lambda bad: f"{bad.warnings:,}" if bad.warnings else "-"),
    ]
    _named(console, "worst models", named, columns, "first finding")
    if (left := tally.verdicts["error"] + tally.verdicts["warning"] - len(named)) > 0:
        console.print(Text(f"   {plural(left, 'model')} more", style="dim"))


def _unseen(console: Console, tally: Tally) -> None:
    """Those that could not be looked at, and why."""
    named = tally.unseen()
    if not named:
        return
    _named(console, "could not be looked at", named, [], "because")
    if (left := unseen(tally) - len(named)) > 0:
        console.print(Text(f"   {plural(left, 'model')} more", style="dim"))


def _named(
    console: Console, title: str, named: Sequence[Bad], columns: Sequence[tuple[str, Callable[[Bad], str]]], last: str
) -> None:
    """A line a model: its end where it is long, and of what is said as much as there is room for."""
    numbers = [[of(bad) for bad in named] for _, of in columns]
    widths = [max(map(len, (head, *cells))) for (head, _), cells in zip(columns, numbers, strict=True)]
    room = console.width - 1 - BETWEEN * (2 + len(widths)) - sum(widths)
    names = [clean(bad.target) for bad in named]
    first = min(max(cell_len(name) for name in (title, *names)), max(room * 2 // 5, len(title)))
    table = _bare()
    table.add_column("", width=1)
    table.add_column(title, header_style="bold", no_wrap=True, width=first)
    for (head, _), width in zip(columns, widths, strict=True):
        table.add_column(head, header_style="dim", no_wrap=True, width=width, justify="right")
    told = [_cut(clean(bad.first) or VERDICTS.get(bad.verdict, ""), room - first) for bad in named]
    table.add_column(last, header_style="dim", no_wrap=True)
    for i, (bad, name) in enumerate(zip(named, names, strict=True)):
        style = _STYLES.get(bad.verdict, "")
        cells = [
            Text(column[i], style="" if column[i] == "-" else STYLES[head])
            for (head, _), column in zip(columns, numbers, strict=True)
        ]
        table.add_row(Text(MARKS.get(bad.verdict, "!"), style=style), Text(_cut(name, first, end=True)), *cells, Text(told[i]))
    console.print()
    console.print(table)


def _bare() -> Table:
    return Table(box=None, pad_edge=False, show_edge=False, padding=(0, BETWEEN, 0, 0))


def _cut(text: str, width: int, end: bool = False) -> str:
    """As much of a text as fits into so many columns. end: its end, for a path, of which that tells most."""
    if cell_len(text) <= width:
        return text
    if end:
        return "..." + chop_cells(text[::-1], max(width - 3, 1))[0][::-1]
    return chop_cells(text, max(width - 3, 1))[0] + "..."
