"""The numbers of a pipeline's weights, as a table under that of its components; with -v also each notable tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from ..checks.words import amount
from ..subjects.values import Counted, Numbers, Survey, Values
from .options import Look
from .words import clean, plural

_MOST: Final = 40
"""Tensors that are listed for one component."""
_HEAD: Final = ("numbers", "dtype", "abs max", "NaN or inf", "over fp16", "all zeros")
_HEAD_FULL: Final = ("to 0 in fp16", "to 0 in bf16", "inexact in fp16", "inexact in bf16")


def show_values(console: Console, survey: Survey, look: Look) -> None:
    """One line a component: its largest magnitude, and how many tensors hold something notable."""
    full = survey.depth == "full"
    shown = [(values, counted) for values in survey.values if (counted := values.shown)]
    if not shown:
        return
    rows = [[*_HEAD, *(_HEAD_FULL if full else ())], *(_row(values, counted, full) for values, counted in shown)]
    head, *lines = _aligned(rows)
    console.print(Text(head, style="dim"))
    for (_, counted), line in zip(shown, lines, strict=True):
        console.print(Text(line, style="" if all(numbers.finite for numbers in counted.numbers) else "bold"))
    for values, counted in shown:
        for text in _asides(values, counted, look):
            console.print(Text(clean(f"   {text}"), style="dim"))
    console.print()


def _row(values: Values, counted: Counted, full: bool) -> list[str]:
    bad = sum(not numbers.finite for numbers in counted.numbers)
    over = sum(numbers.overflow > 0 for numbers in counted.numbers)
    dead = sum(numbers.dead for numbers in counted.numbers)
    dtypes = ", ".join(dtype.short for dtype in counted.dtypes)
    largest = "-" if counted.absmax is None else amount(counted.absmax)
    cells = [
        clean(values.component.label),
        dtypes or "-",
        largest,
        *(str(count) if count else "-" for count in (bad, over, dead)),
    ]
    return cells + (_casts(counted) if full else [])


def _casts(counted: Counted) -> list[str]:
    """Shares of all numbers that become zero or another number in fp16 and bf16."""
    casts = [cast for numbers in counted.numbers for cast in numbers.narrowed]
    cells = []
    for count in ("zero", "inexact"):
        for name in ("F16", "BF16"):
            total = sum(getattr(cast, count) for cast in casts if cast.dtype.name == name)
            cells.append(_share(total, counted.elements))
    return cells


def _share(count: int, elements: int) -> str:
    share = 100 * count / elements if count else 0
    return "-" if not count else f"{share:.0f} %" if share >= 10 else f"{share:.2g} %"


def _asides(values: Values, counted: Counted, look: Look) -> Iterator[str]:
    label = values.component.label
    for place, why in counted.unread[: None if look.verbosity > 0 else 1]:
        yield f"{label}: not looked into: {place}: {why}"
    if len(counted.unread) > 1 and look.verbosity <= 0:
        yield f"{label}: {len(counted.unread) - 1:,} more not looked into, shown with -v"
    if look.verbosity <= 0:
        return
    if counted.skipped:
        yield f"{label}: {plural(counted.skipped, 'tensor')} without plain floating numbers (integers, packed formats)"
    notable = [numbers for numbers in counted.numbers if _remark(numbers)]
    for numbers in notable[:_MOST]:
        yield f"{label}: {numbers.key} {numbers.dtype.short}: {_remark(numbers)}"
    if len(notable) > _MOST:
        yield f"{label}: {len(notable) - _MOST:,} more"
    if largest := counted.largest:
        yield f"{label}: the largest number, {amount(largest.absmax or 0.0)}, is in {largest.key}"
    for other in values.sets:
        if other is not counted:
            bad = sum(not numbers.finite for numbers in other.numbers)
            said = "nothing finite" if other.absmax is None else f"abs max {amount(other.absmax)}"
            yield f"{label}: {other.weights.where.path}: {said}" + (f", {plural(bad, 'tensor')} with NaN or inf" if bad else "")


def _remark(numbers: Numbers) -> str:
    """What is notable about a tensor, "" for nothing."""
    parts = [
        f"{count:,} {word}"
        for count, word in (
            (numbers.nan, "NaN"),
            (numbers.inf, "inf"),
            (numbers.low_inf, "-inf"),
            (numbers.overflow, "over fp16"),
        )
        if count
    ]
    if numbers.saturated or numbers.saturated_low:
        parts.append(f"{numbers.saturated + numbers.saturated_low:,} at exactly 65504")
    if numbers.dead:
        return f"all of its {numbers.elements:,} numbers are zero"
    return f"{', '.join(parts)} of {numbers.elements:,}" if parts else ""


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Cells under each other; all but the first two columns are numbers and stand to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
