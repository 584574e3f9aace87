"""The range of the headroom chart: in powers of two upward, in the order of execution from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log2
from typing import Final

from ..dtypes import F16, DType

NEAR: Final = 20.0
"""Limits above this power of two are drawn only where the numbers come near them."""
DEEPEST: Final = 44.0
"""How many doublings below its top the chart goes; what is smaller lies on its floor."""
SHALLOW: Final = 8.0
"""How many it goes at least, below its top and below each limit."""
LARGEST: Final = 1023
"""The largest power of two that Python's floats hold."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The chart's range in powers of two, and how many modules stand side by side."""

    low: float
    high: float
    count: int

    def holds(self, dtype: DType) -> bool:
        """Whether the limit of a dtype lies in it."""
        return self.low <= log2(dtype.largest) <= self.high

    def x(self, order: int) -> float:
        """Thousandths of the width, for the row of that number, from 1."""
        return 1000 * (order - 0.5) / self.count

    def y(self, power: float) -> float:
        """Thousandths of the height, from the top."""
        return 1000 * (self.high - min(max(power, self.low), self.high)) / (self.high - self.low)


def scale_of(measured: list[float], limits: list[float], count: int) -> Scale:
    """A range that holds the numbers, so far as they are not all too small, and every limit that is not all too far."""
    near = [limit for limit in limits if limit <= NEAR]
    high = max([*measured, *(near or [log2(F16.largest)])]) + 1.5
    low = min([max(min(measured, default=high), high - DEEPEST), high - SHALLOW, *(limit - SHALLOW for limit in near)])
    return Scale(floor(low) - 0.5, high, count)


def powers(scale: Scale) -> list[int]:
    """About six powers of two to write beside the chart."""
    step = 2 ** ceil(log2((scale.high - scale.low) / 7))
    return list(range(ceil(scale.low / step) * step, min(floor(scale.high), LARGEST) + 1, step))
