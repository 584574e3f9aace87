"""The tensors of a header while they are read, and what must hold among them before they are believed."""

from __future__ import annotations

from array import array
from operator import sub
from typing import Final

from ..dtypes import BY_NAME, C128, U8, DType
from ..files import Entry
from ..findings import Where
from ..subjects import Problem
from .header import CONTRADICTS, TRUNCATED
from .shown import shown

DTYPES: Final = {name: dtype for name, dtype in BY_NAME.items() if dtype is not C128}
"""The dtypes that a safetensors header may name."""
NO_SIZE: Final = (1 << 64) - 1
"""Stands for the bytes of a shape that overflows, or whose narrow numbers fill no whole byte."""


class Columns:
    """Columns while they grow. sizes: bytes that dtype and shape ask for; unknown: dtype names the format does not have."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.dtypes: list[DType] = []
        self.shapes: list[tuple[int, ...]] = []
        self.sizes = array("Q")
        self.begins = array("Q")
        self.ends = array("Q")
        self.unknown: dict[str, list[str]] = {}

    def dtype(self, name: str, key: str) -> DType:
        """The dtype of a name; one that the format does not have is noted, and taken for bytes."""
        if name not in DTYPES:
            self.unknown.setdefault(name, []).append(key)
        return DTYPES.get(name, U8)


def nbytes(dtype: DType, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor; NO_SIZE where they are no whole number or more than 64 bits can count, multiplied from the left."""
    count = 1
    for size in (*shape, dtype.bits):
        count *= size
        if count >> 64:
            return NO_SIZE
    return NO_SIZE if count % 8 else count // 8


def check(columns: Columns, entry: Entry, start: int) -> Problem | None:
    """What contradicts between shapes, offsets and the file's size; the first such thing, None if nothing does."""
    where = Where(entry.name)
    spans = list(map(sub, columns.ends, columns.begins))
    if spans != columns.sizes.tolist():
        for i, (span, size) in enumerate(zip(spans, columns.sizes, strict=True)):
            if span != size:
                return _contradiction(columns, i, span, entry)
    del spans
    begins, ends = columns.begins, columns.ends
    if begins and (begins[0] != 0 or begins[1:] != ends[:-1]):
        order = sorted(zip(begins, ends, strict=True))
        begins, ends = array("Q", (begin for begin, _ in order)), array("Q", (end for _, end in order))
    if begins and (begins[0] != 0 or begins[1:] != ends[:-1]):
        return Problem(CONTRADICTS, where, "the tensors do not lie one behind the other: their offsets overlap or leave gaps")
    stop = start + (ends[-1] if ends else 0)
    if entry.size < stop:
        detail = f"cut short: {entry.size:,} bytes, its header describes {stop:,} ({100 * entry.size // stop} % is there)"
        return Problem(TRUNCATED, where, detail)
    if entry.size > stop:
        return Problem(CONTRADICTS, where, f"{entry.size - stop:,} bytes follow the last tensor that the header describes")
    return None


def _contradiction(columns: Columns, i: int, span: int, entry: Entry) -> Problem:
    key, dtype = columns.keys[i], columns.dtypes[i]
    shape = shown("x".join(map(str, columns.shapes[i])) or "scalar")
    size = "no whole number of bytes" if columns.sizes[i] == NO_SIZE else f"{columns.sizes[i]:,} bytes"
    detail = f"{shown(key)}: {shape} {dtype.short} takes {size}, its offsets give {span:,}"
    return Problem(CONTRADICTS, Where(entry.name, key), detail)
