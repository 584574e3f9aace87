"""Words of the HTML report about one module: its numbers, its dtypes, and how near its limit it came."""

from __future__ import annotations

from math import inf
from typing import Final

from ..checks.words import amount, of_limit
from ..dtypes import DType
from ..subjects.shown import ModuleRow
from .words_watch import SMALL

NOTHING: Final = "–"


def bits(room: float | None) -> str:
    """Headroom in bits, to a tenth; nearer than that to a thousandth."""
    if room is None:
        return NOTHING
    return f"{room:.1f}" if abs(room) >= 1 else f"{room:.3f}".rstrip("0").rstrip(".") or "0"


def dtypes(row: ModuleRow) -> str:
    """What went in and came out, and the weights where they are of another dtype."""
    given, gave, own = (dtype.short if dtype else "" for dtype in (row.dtype_in, row.dtype_out, row.weights))
    through = f"{given} → {gave}" if given and gave and given != gave else given or gave
    if own and own not in (given, gave):
        return f"{through}, weights {own}" if through else f"weights {own}"
    return through or NOTHING


def shown_by(row: ModuleRow) -> DType | None:
    """The dtype that stands for a module: of what came out, else of its weights."""
    return row.dtype_out or row.weights or row.dtype_in


def largest(row: ModuleRow) -> str:
    """The largest magnitude, and what its dtype can hold where that is not out of all proportion."""
    if row.absmax is None:
        return NOTHING
    near = row.dtype_out is not None and 0 < row.dtype_out.largest < SMALL
    return of_limit(row.absmax, row.dtype_out) if near and row.dtype_out else amount(row.absmax)


def described(row: ModuleRow, lost: bool = False) -> str:
    """All about a module, in one line. lost: what it gave was not finite."""
    parts = [f"{row.module or 'the whole model'}{f' ({row.klass})' if row.klass else ''}: {dtypes(row)}"]
    if row.absmax is not None:
        parts.append(f"largest {largest(row)}")
    if row.headroom_bits is not None:
        parts.append(f"{bits(row.headroom_bits)} bits left")
    parts += ["not finite"] * lost
    parts.append(f"{row.calls:,} call{'s' * (row.calls != 1)}")
    return ", ".join(parts)


def tightness(row: ModuleRow) -> float:
    """What modules are ranked by: the least headroom first, what is not known last."""
    return inf if row.headroom_bits is None else row.headroom_bits
