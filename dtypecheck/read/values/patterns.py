"""What bit patterns of a float mean: its magnitude, read as an unsigned integer, grows with the number it stands for.

A cast rounds to nearest, ties to even, as torch's does. A number overflows a dtype when it is at least half a step above its
largest number; it becomes zero when it is at most half of the smallest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from ...dtypes import BF16, F8_E4M3, F8_E4M3FNUZ, F8_E5M2, F8_E5M2FNUZ, F16, F32, DType

Bits: TypeAlias = Any
"""A numpy array of one dimension whose elements are bit patterns, read as unsigned integers."""
NEVER: Final = 1 << 40
"""A magnitude that no pattern reaches."""
LARGE: Final = {F16: 65520.0, BF16: 2.0**128 - 2.0**119, F32: 2.0**128 - 2.0**103}
"""The smallest magnitude that overflows."""
TINY: Final = {F16: 2.0**-25, BF16: 2.0**-134}
"""The largest magnitude that becomes zero."""
NORMAL: Final = {F16: 2.0**-14 - 2.0**-25, BF16: 2.0**-126 - 2.0**-134}
"""The smallest magnitude that becomes a normal number."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Magnitudes of one dtype as integers. sign: the sign bit; beyond: the first that is not finite; nan: the first NaN.

    over, wide: the first that overflows fp16, bf16; top: that of 65504 in fp16.
    """

    dtype: DType
    signed: type[Any]
    unsigned: type[Any]
    sign: int
    beyond: int
    nan: int
    over: int = NEVER
    wide: int = NEVER
    top: int = NEVER

    @property
    def uncommon(self) -> int:
        """The first magnitude that is counted one by one."""
        return min(self.beyond, self.over, self.top)

    def value(self, magnitude: int) -> float:
        """The number that a finite magnitude stands for."""
        return value(self.dtype, magnitude)


def value(dtype: DType, magnitude: int) -> float:
    """The number that a finite magnitude of an IEEE-like dtype stands for."""
    bias = (1 << (dtype.exponent - 1)) - 1 + (dtype in (F8_E4M3FNUZ, F8_E5M2FNUZ))
    exponent, mantissa = magnitude >> dtype.mantissa, magnitude & ((1 << dtype.mantissa) - 1)
    if not exponent:
        return mantissa * 2.0 ** (1 - bias - dtype.mantissa)
    return (mantissa + (1 << dtype.mantissa)) * 2.0 ** (exponent - bias - dtype.mantissa)


def magnitude(number: float) -> int:
    """The magnitude of a number in float32, which must hold it exactly."""
    return int(np.float32(number).view(np.uint32))


PATTERNS: Final = {
    pattern.dtype: pattern
    for pattern in (
        Pattern(F32, np.int32, np.uint32, 1 << 31, 0x7F800000, 0x7F800001, magnitude(LARGE[F16]), magnitude(LARGE[BF16])),
        Pattern(F16, np.int16, np.uint16, 1 << 15, 0x7C00, 0x7C01, top=0x7BFF),
        Pattern(BF16, np.int16, np.uint16, 1 << 15, 0x7F80, 0x7F81, over=magnitude(65536.0) >> 16),
        Pattern(F8_E4M3, np.int8, np.uint8, 1 << 7, 0x7F, 0x7F),
        Pattern(F8_E5M2, np.int8, np.uint8, 1 << 7, 0x7C, 0x7D),
        Pattern(F8_E4M3FNUZ, np.int8, np.uint8, 1 << 7, NEVER, NEVER),
        Pattern(F8_E5M2FNUZ, np.int8, np.uint8, 1 << 7, NEVER, NEVER),
    )
}
"""What is looked at by its bits. The two fnuz formats have one NaN, the pattern of -0; float64 goes by way of float32."""
