"""How the numbers of a format lie in their bits: what tells a sign, a subnormal, an infinity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from ...dtypes import BF16, F8_E4M3, F8_E4M3FNUZ, F8_E5M2, F8_E5M2FNUZ, F16, F32, F64, DType
from .tally import Array

UNSIGNED: Final = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}
SIGNED: Final = {8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}
FLOATS: Final = {F16: np.float16, F32: np.float32, F64: np.float64}
"""The formats that numpy computes in."""
EIGHTS: Final = (F8_E4M3, F8_E5M2, F8_E4M3FNUZ, F8_E5M2FNUZ)
CAST: Final = (F64, F32, F16, BF16, *EIGHTS)
"""The formats that are cast."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The bits of a format without their sign. infinite: those of inf; normal: those of the smallest normal number."""

    mask: int
    infinite: int
    normal: int


@lru_cache(maxsize=16)
def shape(dtype: DType) -> Shape:
    """The bits of a format that has inf: the wide ones."""
    return Shape((1 << (dtype.bits - 1)) - 1, ((1 << dtype.exponent) - 1) << dtype.mantissa, 1 << dtype.mantissa)


def unsigned(raw: Array, dtype: DType) -> Array:
    """Bytes as the unsigned integers of the format's width."""
    return raw.view(UNSIGNED[dtype.bits])


def eights(dtype: DType) -> Array:
    """What each of the 256 patterns of an 8-bit format stands for, in float32.

    The formats named FN have no inf, and NaN only in the last pattern; those named FNUZ have neither -0 nor inf, and NaN is
    where -0 would be. source: arXiv 2209.05433, arXiv 2206.02915.
    """
    fnuz = dtype in (F8_E4M3FNUZ, F8_E5M2FNUZ)
    bias = (1 << (dtype.exponent - 1)) - (0 if fnuz else 1)
    codes: Array = np.arange(256, dtype=np.int64)
    power, fraction = (codes & 0x7F) >> dtype.mantissa, codes & ((1 << dtype.mantissa) - 1)
    scale = np.exp2((np.maximum(power, 1) - bias - dtype.mantissa).astype(np.float64))
    values = (fraction + (power > 0) * (1 << dtype.mantissa)) * scale
    top = (codes & 0x7F) >> dtype.mantissa == (1 << dtype.exponent) - 1
    if fnuz:
        values[0x80] = np.nan
    elif dtype is F8_E5M2:
        values[top] = np.where(fraction[top] == 0, np.inf, np.nan)
    else:
        values[[0x7F, 0xFF]] = np.nan
    return np.where(codes & 0x80, -values, values).astype(np.float32)
