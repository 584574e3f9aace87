"""What a cast loses: how many numbers become inf, zero or subnormal, counted from the bits of the numbers before it.

The magnitudes at which a cast begins to lose are not derived but looked up by casting: a cast is monotonic, so each is found
by halving the range of bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...dtypes import DType, can_hold
from .bits import SIGNED, UNSIGNED, shape, unsigned
from .by_numpy import Numpy
from .tally import Array, Tally


@dataclass(frozen=True, slots=True)
class Limits:
    """Bits of magnitudes of the source format, signs off.

    zero: up to here a number becomes zero; small: from above that up to here it becomes subnormal and was not, 0 where none does;
    over: from here on it becomes inf; infinite: the bits of inf, above which is NaN.
    """

    zero: int
    small: int
    over: int
    infinite: int


@lru_cache(maxsize=64)
def limits(source: DType, target: DType) -> Limits | None:
    """Where the cast begins to lose numbers; None for a cast that loses none, and for formats narrower than 16 bits."""
    if can_hold(target, source) or not source.is_wide or not target.is_wide:
        return None
    work = Numpy(1)
    held: Array = np.zeros(1, UNSIGNED[source.bits])
    made: Array = np.zeros(1, UNSIGNED[target.bits])
    of, to = shape(source), shape(target)

    def cast(magnitude: int) -> int:
        held[0] = magnitude
        work.cast(held.view(np.uint8), made.view(np.uint8), source, target)
        return int(made[0])

    def below(end: Callable[[int], bool]) -> int:
        """How many magnitudes of finite numbers there are before the first for which `end` holds."""
        low, high = 0, of.infinite
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if end(cast(middle)) else (middle + 1, high)
        return low

    zero = below(lambda bits: bits > 0) - 1
    small = below(lambda bits: bits >= to.normal) - 1 if target.exponent < source.exponent else 0
    return Limits(zero, small, below(lambda bits: bits >= to.infinite), of.infinite)


class Counter:
    """Counts pieces of at most `most` numbers, in buffers that are made once."""

    def __init__(self, most: int) -> None:
        self._numbers: Array = np.empty(most, np.uint64)
        self._marks: Array = np.empty(most, np.bool_)

    def special(self, held: Array, source: DType, target: DType) -> bool:
        """Whether a piece holds NaN, inf or a number that is too large; True where nobody knows."""
        at = limits(source, target)
        if at is None or not len(held):
            return True
        numbers = unsigned(held, source)
        # as signed numbers the positive ones are the largest, as unsigned ones the negative ones are
        positive, negative = int(numbers.view(SIGNED[source.bits]).max()), int(numbers.max()) & shape(source).mask
        return positive >= at.over or negative >= at.over

    def before(self, held: Array, source: DType, target: DType) -> Tally:
        """The tally of a piece that is not cast."""
        numbers = unsigned(held, source)
        at = limits(source, target)
        if at is None or not len(numbers):
            return Tally(len(numbers))
        over, top = self._over(numbers, source, at) if self.special(held, source, target) else (0, 0.0)
        if not (at.zero or at.small):
            return Tally(len(numbers), over, top=top)
        magnitudes = self._magnitudes(numbers, source)
        # one less, so that zero is the largest and counts as nothing
        np.subtract(magnitudes, magnitudes.dtype.type(1), out=magnitudes)
        small = self._below(magnitudes, max(at.zero, at.small))
        zeroed = small and self._below(magnitudes, at.zero)
        return Tally(len(numbers), over, zeroed, small - zeroed if at.small else 0, top)

    def after(self, held: Array, made: Array, source: DType, target: DType) -> Tally:
        """The tally of a piece that was cast: what was lost is looked for in what is narrower, the result."""
        numbers, results = unsigned(held, source), unsigned(made, target)
        at = limits(source, target)
        if at is None or not len(numbers):
            return Tally(len(numbers))
        signless = self._doubled(results, target)
        to = shape(target)
        over, top = 0, 0.0
        if int(signless.max()) >= 2 * to.infinite:
            over, top = self._over(numbers, source, at)
            signless = self._doubled(results, target)
        zeros = len(results) - int(np.count_nonzero(signless))
        # where the target's exponents reach less far, what was subnormal is zero now, and what is subnormal was not
        subnormal = self._below(signless, 2 * to.normal) - zeros if at.small else 0
        zeroed = zeros and zeros - len(numbers) + int(np.count_nonzero(self._doubled(numbers, source)))
        return Tally(len(numbers), over, zeroed, subnormal, top)

    def _magnitudes(self, numbers: Array, dtype: DType) -> Array:
        made = self._numbers.view(numbers.dtype)[: len(numbers)]
        return np.bitwise_and(numbers, numbers.dtype.type(shape(dtype).mask), out=made)

    def _doubled(self, numbers: Array, dtype: DType) -> Array:
        """Twice the bits: what is left of them has no sign."""
        return np.add(numbers, numbers, out=self._numbers.view(numbers.dtype)[: len(numbers)])

    def _below(self, numbers: Array, limit: int) -> int:
        return int(np.count_nonzero(np.less(numbers, numbers.dtype.type(limit), out=self._marks[: len(numbers)])))

    def _over(self, numbers: Array, source: DType, at: Limits) -> tuple[int, float]:
        """How many finite numbers become inf, and the largest of them."""
        magnitudes = self._magnitudes(numbers, source)
        large = magnitudes[(magnitudes >= at.over) & (magnitudes < at.infinite)]
        return (len(large), value(int(large.max()), source)) if len(large) else (0, 0.0)


def value(magnitude: int, dtype: DType) -> float:
    """The number of these bits."""
    at = shape(dtype)
    power, fraction = magnitude >> dtype.mantissa, magnitude & (at.normal - 1)
    bias = (1 << (dtype.exponent - 1)) - 1
    return float((fraction + (at.normal if power else 0)) * 2.0 ** (max(power, 1) - bias - dtype.mantissa))


def clamp(held: Array, made: Array, source: DType, target: DType) -> None:
    """Put the largest number of the target, with its sign, wherever a finite number became inf."""
    at, to = shape(source), shape(target)
    results, kind = unsigned(made, target), UNSIGNED[target.bits]
    finite = (unsigned(held, source) & UNSIGNED[source.bits](at.mask)) < at.infinite
    became = finite & ((results & kind(to.mask)) == to.infinite)
    results[became] -= kind(1)
