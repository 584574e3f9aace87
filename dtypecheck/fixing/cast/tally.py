"""What a cast lost: how many numbers became inf, zero or subnormal, and in which tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...dtypes import DType
from ...read.shown import shown
from ..refusal import Refusal

Array = Any
"""A numpy array: numpy is not needed to check the types of this project."""
Pair = tuple[DType, DType]
"""The format that numbers had and the one they get."""


@dataclass(frozen=True, slots=True)
class Tally:
    """numbers that were cast; how many of them are finite and too large, become zero, become subnormal without having been so.

    top: the largest finite magnitude that is too large, 0.0 where none is.
    """

    numbers: int = 0
    over: int = 0
    zeroed: int = 0
    subnormal: int = 0
    top: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.numbers + other.numbers,
            self.over + other.over,
            self.zeroed + other.zeroed,
            self.subnormal + other.subnormal,
            max(self.top, other.top),
        )

    def __str__(self) -> str:
        if not self.numbers:
            return "nothing is cast"
        over = f"{self.over:,} numbers overflow" if self.over else "nothing overflows"
        under = f"{_share(self.zeroed, self.numbers)} underflow to zero" if self.zeroed else "nothing underflows"
        small = f", {_share(self.subnormal, self.numbers)} become subnormal" if self.subnormal else ""
        return f"{over}, {under}{small}"


def total(tallies: Mapping[Pair, Tally]) -> Tally:
    """All of them together."""
    return sum(tallies.values(), Tally())


def _share(part: int, whole: int) -> str:
    percent = 100 * part / whole
    return f"{percent:.2g} %" if percent >= 0.001 else f"{part:,} of {whole:,} numbers"


@dataclass(frozen=True, slots=True)
class Overflow:
    """A tensor that holds numbers which the new format cannot hold: how many, and the largest magnitude."""

    source: str
    key: str
    held: DType
    dtype: DType
    count: int
    top: float

    def __str__(self) -> str:
        many = f"{self.count:,} of its numbers" if self.count > 1 else "one of its numbers"
        return (
            f"{self.source}: {shown(self.key)} holds {self.top:.6g}, {self.dtype.short} ends at {self.dtype.largest:.6g}: "
            f"{many} would become inf"
        )

    def refusal(self) -> Refusal:
        """Why the tensor is not cast, and what could be done instead."""
        other = ("--to bf16",) if self.dtype.exponent < 8 <= self.held.exponent else ()
        return Refusal(str(self), *other, "--clamp")
