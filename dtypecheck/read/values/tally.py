"""What has been counted of one tensor so far; tallies of pieces add up."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ...dtypes import F32, DType, parse
from ...subjects.values import Narrowed, Numbers, Past
from ..located import Place


@dataclass(slots=True)
class Tally:
    """Counts as in `Numbers`. absmax: -1 before any finite number; casts: overflow, zero, subnormal, inexact by dtype."""

    absmax: float = -1.0
    nan: int = 0
    inf: int = 0
    low_inf: int = 0
    overflow: int = 0
    wide_overflow: int = 0
    saturated: int = 0
    saturated_low: int = 0
    looked: int = 0
    telling: int = 0
    f16: bool = True
    bf16: bool = True
    casts: dict[DType, list[int]] = field(default_factory=dict)

    def narrowed(self, dtype: DType, overflow: int, zero: int, subnormal: int, inexact: int) -> None:
        """Count what a cast to `dtype` does."""
        row = self.casts.setdefault(dtype, [0, 0, 0, 0])
        for i, count in enumerate((overflow, zero, subnormal, inexact)):
            row[i] += count

    def add(self, other: Tally, times: int = 1) -> None:
        """Count a further piece; `times` where each of its numbers stands for several elements."""
        self.absmax = max(self.absmax, other.absmax)
        self.nan += other.nan * times
        self.inf += other.inf * times
        self.low_inf += other.low_inf * times
        self.overflow += other.overflow * times
        self.wide_overflow += other.wide_overflow * times
        self.saturated += other.saturated * times
        self.saturated_low += other.saturated_low * times
        self.looked += other.looked
        self.telling += other.telling
        self.f16 = self.f16 and other.f16
        self.bf16 = self.bf16 and other.bf16
        for dtype, (overflow, zero, subnormal, inexact) in other.casts.items():
            self.narrowed(dtype, overflow * times, zero * times, subnormal * times, inexact * times)

    def packed(self) -> tuple[Any, ...]:
        """The same as plain numbers and names, in the order of the fields."""
        *counts, casts = (getattr(self, each.name) for each in fields(self))
        return (*counts, {dtype.name: row for dtype, row in casts.items()})

    @classmethod
    def unpacked(cls, packed: tuple[Any, ...]) -> Tally:
        """What `packed` gave."""
        tally = cls(*packed[:-1])
        tally.casts = {dtype: row for name, row in packed[-1].items() if (dtype := parse(name))}
        return tally

    def numbers(self, path: str, place: Place) -> Numbers:
        """The counts as the record that rules read."""
        return Numbers(
            path,
            place.key,
            place.dtype,
            place.shape,
            place.start,
            place.elements,
            self.absmax if self.absmax >= 0 else None,
            self.nan,
            self.inf,
            self.low_inf,
            self.overflow,
            self.wide_overflow,
            self.saturated,
            self.saturated_low,
            self._past(place.dtype),
            tuple(Narrowed(dtype, *row) for dtype, row in self.casts.items()),
        )

    def _past(self, dtype: DType) -> Past:
        """Once nothing is left to find out, threads stop looking sooner or later: how far each came is no fact about the file."""
        if self.f16 or (self.bf16 and dtype is F32):
            return Past(self.looked, self.telling, self.f16, self.bf16)
        return Past(f16=False, bf16=self.bf16)
