"""The numbers in the weights: what `scan --values` saw of each tensor, and of each set of weights that loads together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from ..dtypes import DType
from . import Component, Pipeline
from .stored import WeightSet

Depth = Literal["quick", "full"]


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What a cast to `dtype` would do to a tensor's finite numbers, as counts of them.

    overflow: become inf; zero: are not zero and become it; subnormal: become one, with fewer digits than the dtype has;
    inexact: become another number, those that become zero among them, those that overflow not.
    """

    dtype: DType
    overflow: int = 0
    zero: int = 0
    subnormal: int = 0
    inexact: int = 0


@dataclass(frozen=True, slots=True)
class Past:
    """Whether the numbers look as if they had been in a narrower dtype before.

    looked: numbers looked at; telling: those of them that would hardly be so by chance. f16, bf16: all of them are numbers
    of that dtype (one that fp16 rounds to, for bf16 numbers).
    """

    looked: int = 0
    telling: int = 0
    f16: bool = True
    bf16: bool = True


@dataclass(frozen=True, slots=True)
class Numbers:
    """One floating tensor's numbers, each counted once for every element.

    start: the byte of its file where they begin. absmax: the largest finite magnitude, None where nothing is finite.
    overflow, wide_overflow: finite numbers that would be inf in fp16, in bf16. saturated, saturated_low: those of an fp16
    tensor that are exactly 65504, -65504. narrowed: what casts would do, with `--values=full` only.
    """

    path: str
    key: str
    dtype: DType
    shape: tuple[int, ...]
    start: int
    elements: int
    absmax: float | None
    nan: int = 0
    inf: int = 0
    low_inf: int = 0
    overflow: int = 0
    wide_overflow: int = 0
    saturated: int = 0
    saturated_low: int = 0
    past: Past = field(default_factory=Past)
    narrowed: tuple[Narrowed, ...] = ()

    @property
    def finite(self) -> bool:
        """True when no number is NaN or inf."""
        return not (self.nan or self.inf or self.low_inf)

    @property
    def dead(self) -> bool:
        """True when there are numbers and every one is zero."""
        return self.elements > 0 and self.absmax == 0 and self.finite

    def to(self, dtype: DType) -> Narrowed | None:
        """What a cast to `dtype` would do, None where that was not looked at or nothing can happen."""
        return next((cast for cast in self.narrowed if cast.dtype is dtype), None)


@dataclass(frozen=True, slots=True)
class Counted:
    """The numbers of one set of weights, sorted by file and place. chosen: the load plan reads this set.

    skipped: tensors that hold no plain floating numbers. unread: place in a file, and why nothing is known of it.
    """

    weights: WeightSet
    numbers: tuple[Numbers, ...] = ()
    chosen: bool = False
    skipped: int = 0
    unread: tuple[tuple[str, str], ...] = ()

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """The floating dtypes, the one with the most elements first."""
        counts: dict[DType, int] = {}
        for numbers in self.numbers:
            counts[numbers.dtype] = counts.get(numbers.dtype, 0) + numbers.elements
        return tuple(sorted(counts, key=lambda dtype: (-counts[dtype], dtype.name)))

    @property
    def absmax(self) -> float | None:
        """The largest finite magnitude, None where nothing is finite."""
        return max((numbers.absmax for numbers in self.numbers if numbers.absmax is not None), default=None)

    @property
    def elements(self) -> int:
        """How many numbers were looked at."""
        return sum(numbers.elements for numbers in self.numbers)

    @property
    def largest(self) -> Numbers | None:
        """The tensor that holds the largest finite magnitude."""
        held = [numbers for numbers in self.numbers if numbers.absmax is not None]
        return max(held, key=lambda numbers: numbers.absmax or 0.0, default=None)


@dataclass(frozen=True, slots=True)
class Values:
    """The numbers of one component, one `Counted` for each of its sets of weights. depth: how closely they were looked at."""

    component: Component
    depth: Depth
    sets: tuple[Counted, ...] = ()

    @property
    def shown(self) -> Counted | None:
        """The set that stands for the component: the one that is loaded, else the first."""
        return next((counted for counted in self.sets if counted.chosen), self.sets[0] if self.sets else None)


@dataclass(frozen=True, slots=True)
class Survey:
    """The numbers of all components of a pipeline, one `Values` for each, in their order."""

    pipeline: Pipeline
    depth: Depth
    values: tuple[Values, ...] = ()

    def light(self, pipeline: Pipeline) -> Survey:
        """The same about a pipeline without columns: what a report keeps."""
        parts = zip(self.values, pipeline.components, strict=True)
        return replace(self, pipeline=pipeline, values=tuple(_light(values, component) for values, component in parts))

    @property
    def elements(self) -> int:
        """How many numbers were looked at."""
        return sum(counted.elements for values in self.values for counted in values.sets)

    def walk(self) -> Iterator[Survey | Values]:
        """The survey, then the values of each component: what rules ask for."""
        yield self
        yield from self.values


def _light(values: Values, component: Component) -> Values:
    by_place = {weights.where: weights for weights in component.sets}
    return replace(
        values, component=component, sets=tuple(replace(c, weights=by_place.get(c.weights.where, c.weights)) for c in values.sets)
    )
