"""A fix plan on a terminal: every edit in a line, what it costs under it, what was left, the last line."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..fixplan import Mending
from ..report import Report
from .options import Look
from .words import clean
from .words_fix import about, last, left, looked, rows

_DONE = {"applied": "bold green", "written": "bold green", "rolled back": "bold red"}


def show_fix(console: Console, mending: Mending, report: Report, look: Look) -> None:
    """The steps, what each answers and costs, what no edit mends, and the command to go on with."""
    steps = (*mending.plan.steps, *(step for step in mending.left_out if step not in mending.plan.steps))
    found = rows(mending)
    widths = [max((len(row[i]) for row in found), default=0) for i in range(5)]
    for row, step in zip(found, steps, strict=True):
        style = "green" if step.lossless else "yellow"
        table = Table(box=None, pad_edge=False, show_edge=False, show_header=False, padding=(0, 2, 0, 0))
        for i, cell in enumerate(row):
            table.add_column(min_width=min(widths[i], 48), overflow="fold", justify="right" if i == 4 else "left")
            del cell
        cells = [Text(clean(cell)) for cell in row]
        cells[3].stylize(style)
        table.add_row(*cells)
        console.print(table)
        if look.verbosity >= 0:
            for text in about(step, report):
                console.print(Text(f"   {clean(text)}", style="dim"))
    if look.verbosity >= 0:
        for item in mending.plan.refused:
            console.print(Text(f"-  {clean(left(item))}"))
            for offer in item.offers:
                console.print(Text(f"   instead  {clean(offer)}", style="dim"))
    for text in mending.measured if look.verbosity >= 0 else ():
        console.print(Text(f"verified  {clean(text)}"))
    for text in mending.reasons[1:]:
        console.print(Text(f"also      {clean(text)}", style="red"))
    said, command = last(mending, report.label, looked(report))
    console.print(Text.assemble((clean(said), _DONE.get(mending.state, "bold")), f"   {clean(command)}" if command else ""))
