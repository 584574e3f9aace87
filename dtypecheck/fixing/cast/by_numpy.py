"""The casts with numpy alone: float32 is rounded by integer arithmetic, since numpy knows no bfloat16 and is slow at float16."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from ...dtypes import BF16, F32, F64, DType
from .bits import EIGHTS, FLOATS, eights, unsigned
from .tally import Array

NAME: Final = "numpy"
_SIXTEEN: Final = np.uint32(16)
_ONE: Final = np.uint32(1)
_HALF: Final = np.uint32(0x7FFF)
_SIGN: Final = np.uint32(0x80000000)
_INF: Final = np.uint32(0x7F800000)
_MAGNITUDE: Final = np.uint32(0x7FFFFFFF)
_QUIET: Final = np.uint16(0x7FC0)
_SMALLEST_NORMAL: Final = np.uint32(0x38800000)
"""2**-14, the smallest normal float16, in float32."""
_UP: Final = np.uint32(13 << 23)
_REBIAS: Final = np.uint16(((0x38800000 + (13 << 23)) >> 13) & 0xFFFF)


class Numpy:
    """Casts pieces of at most `most` numbers, in buffers that are made once."""

    asks = True

    def __init__(self, most: int) -> None:
        self._single: Array = np.empty(most, np.uint32)
        self._first: Array = np.empty(most, np.uint32)
        self._second: Array = np.empty(most, np.uint32)

    def cast(self, held: Array, made: Array, source: DType, target: DType, special: bool) -> None:
        """Cast the bytes `held` into the bytes `made`.

        special: some number is NaN, inf or too large for the target, so that the ways that are right for all others are not.
        """
        if source.bits <= 16 and (target.bits == 16 or source in EIGHTS):
            np.take(_table(source, target), unsigned(held, source), out=unsigned(made, target), mode="clip")
            return
        with np.errstate(all="ignore"):
            if source in FLOATS and target in FLOATS and target.bits >= 32:
                np.copyto(made.view(FLOATS[target]), held.view(FLOATS[source]), casting="unsafe")
                return
            self._narrow(self._widened(held, source), made, target, special)

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

    def _narrow(self, single: Array, made: Array, target: DType, special: bool) -> None:
        if target is F32:
            np.copyto(made.view(np.uint32), single)
        elif target is F64:
            np.copyto(made.view(np.float64), single.view(np.float32))
        elif target is BF16:
            self._bfloat16(single, made.view(np.uint16), special)
        elif special:
            np.copyto(made.view(np.float16), single.view(np.float32), casting="unsafe")
        else:
            self._float16(single, made.view(np.uint16))

    def _bfloat16(self, single: Array, made: Array, special: bool) -> None:
        """To nearest even: half of what is cut off less one is added, and one more where the number kept is odd."""
        sum_ = self._first[: len(single)]
        np.right_shift(single, _SIXTEEN, out=sum_)
        np.bitwise_and(sum_, _ONE, out=sum_)
        np.add(sum_, single, out=sum_)
        np.add(sum_, _HALF, out=sum_)
        np.right_shift(sum_, _SIXTEEN, out=sum_)
        np.copyto(made, sum_, casting="unsafe")
        if special:
            made[(single & _MAGNITUDE) > _INF] = _QUIET

    def _float16(self, single: Array, made: Array) -> None:
        """For numbers below 65520. Adding 2**(e+13) to one of exponent e lets the adder round it to 10 bits of fraction.

        e is never below -14, so that the subnormal numbers come out of the same addition.
        """
        number, power = self._first[: len(single)], self._second[: len(single)]
        np.bitwise_and(single, _MAGNITUDE, out=number)
        np.bitwise_and(number, _INF, out=power)
        np.maximum(power, _SMALLEST_NORMAL, out=power)
        np.add(power, _UP, out=power)
        np.add(number.view(np.float32), power.view(np.float32), out=number.view(np.float32))
        np.subtract(number, power, out=number)
        np.right_shift(power, np.uint32(13), out=power)
        np.add(number, power, out=number)
        np.right_shift(single, _SIXTEEN, out=power)
        np.bitwise_and(power, np.uint32(0x8000), out=power)
        np.add(number, power, out=number)
        np.copyto(made, number, casting="unsafe")
        np.subtract(made, _REBIAS, out=made)


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
        work._narrow(single, made, target, True)
    return unsigned(made, target)
