"""The casts with numpy alone: float32 is rounded by integer arithmetic, since numpy knows no bfloat16 and is slow at float16."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

import numpy as np

from ...dtypes import BF16, F32, F64, DType
from .bits import EIGHTS, FLOATS, eights, unsigned
from .tally import Array

NAME: Final = "numpy"
_SIXTEEN: Final = np.uint32(16)
_ONE: Final = np.uint32(1)
_HALF: Final = np.uint32(0x7FFF)
_INF: Final = np.uint32(0x7F800000)
_MAGNITUDE: Final = np.uint32(0x7FFFFFFF)
_QUIET: Final = np.uint16(0x7FC0)
_TOO_LARGE: Final = 0x477FF000
"""65520, from which on a number becomes inf in float16, in float32."""
_SMALLEST_NORMAL: Final = 2.0**-14
_UP: Final = np.uint32((13 << 23) + (1 << 11))
"""13 more in the exponent; and 2048 in the fraction, which is what the exponent then has too much in float16, modulo 2**16."""
_THIRTEEN: Final = np.uint32(13)
_SIXTEENTH: Final = np.uint32(0x8000)


class Numpy:
    """Casts pieces of at most `most` numbers, in buffers that are made once and stay in a core's cache."""

    def __init__(self, most: int = 1 << 16) -> None:
        self.most = most
        self._least: Array = np.full(most, _SMALLEST_NORMAL, np.float32)
        self._single: Array = np.empty(most, np.uint32)
        self._first: Array = np.empty(most, np.uint32)
        self._second: Array = np.empty(most, np.uint32)

    def cast(self, held: Array, made: Array, source: DType, target: DType) -> None:
        """Cast the bytes `held` into the bytes `made`."""
        if source.bits <= 16 and (target.bits == 16 or source in EIGHTS):
            np.take(_table(source, target), unsigned(held, source), out=unsigned(made, target), mode="clip")
            return
        with np.errstate(all="ignore"):
            if source in FLOATS and target in FLOATS and target.bits >= 32:
                np.copyto(made.view(FLOATS[target]), held.view(FLOATS[source]), casting="unsafe")
                return
            self._narrow(self._widened(held, source), made, target)

    def bound(self, held: Array, made: Array, source: DType, target: DType) -> Callable[[], None]:
        """What casts the bytes that are in `held` then into `made`."""
        return partial(self.cast, held, made, source, target)

    def _widened(self, held: Array, source: DType) -> Array:
        """The numbers as float32, as its bits. Torch takes this way to 16 bits from float64 too, and rounds twice."""
        if source is F32:
            return held.view(np.uint32)
        numbers = unsigned(held, source)
        single = self._single[: len(numbers)]
        if source is BF16:
            np.copyto(single, numbers)
            np.left_shift(single, _SIXTEEN, out=single)
        else:
            np.copyto(single.view(np.float32), held.view(FLOATS[source]), casting="unsafe")
        return single

    def _narrow(self, single: Array, made: Array, target: DType) -> None:
        if target is F32:
            np.copyto(made.view(np.uint32), single)
        elif target is F64:
            np.copyto(made.view(np.float64), single.view(np.float32))
        elif target is BF16:
            self._bfloat16(single, made.view(np.uint16))
        else:
            self._float16(single, made.view(np.uint16))

    def _bfloat16(self, single: Array, made: Array) -> None:
        """To nearest even: half of what is cut off less one is added, and one more where the number kept is odd."""
        sum_ = self._first[: len(single)]
        np.right_shift(single, _SIXTEEN, out=sum_)
        np.bitwise_and(sum_, _ONE, out=sum_)
        np.add(sum_, single, out=sum_)
        np.add(sum_, _HALF, out=sum_)
        np.right_shift(sum_, _SIXTEEN, out=sum_)
        np.copyto(made, sum_, casting="unsafe")
        # the largest of numbers with a NaN is NaN
        if np.isnan(single.view(np.float32).max(initial=0)):
            made[(single & _MAGNITUDE) > _INF] = _QUIET

    def _float16(self, single: Array, made: Array) -> None:
        """Adding 2**(e+13) to a number of exponent e lets the adder round it to 10 bits of fraction.

        e is never below -14, so that the subnormal numbers come out of the same addition. What is too large, inf and NaN are
        left to numpy.
        """
        number, power = self._first[: len(single)], self._second[: len(single)]
        np.bitwise_and(single, _MAGNITUDE, out=number)
        if int(number.max(initial=0)) >= _TOO_LARGE:
            np.copyto(made.view(np.float16), single.view(np.float32), casting="unsafe")
            return
        np.bitwise_and(number, _INF, out=power)
        # numpy has a quick way for two arrays of floats, and none for a number or for integers
        np.maximum(power.view(np.float32), self._least[: len(single)], out=power.view(np.float32))
        np.add(power, _UP, out=power)
        np.add(number.view(np.float32), power.view(np.float32), out=number.view(np.float32))
        # the lowest 16 bits of the sum are the fraction, those from 13 on the exponent, and above them nothing is kept
        np.right_shift(number, _THIRTEEN, out=power)
        np.add(number, power, out=number)
        np.right_shift(single, _SIXTEEN, out=power)
        np.bitwise_and(power, _SIXTEENTH, out=power)
        np.add(number, power, out=number)
        np.copyto(made, number, casting="unsafe")


@lru_cache(maxsize=16)
def _table(source: DType, target: DType) -> Array:
    """What every pattern of a format of 8 or 16 bits becomes."""
    work = Numpy(1 << source.bits)
    if source in EIGHTS:
        single = eights(source).view(np.uint32)
    else:
        single = work._widened(np.arange(1 << 16, dtype=np.uint16).view(np.uint8), source)
    made: Array = np.empty(len(single) * target.bits // 8, np.uint8)
    with np.errstate(all="ignore"):
        work._narrow(single, made, target)
    return unsigned(made, target)
