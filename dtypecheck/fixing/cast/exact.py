"""Casts to and from whole numbers, which are done only where no number changes: position ids that were saved as floats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from ...dtypes import F64, DType
from .bits import SIGNED, UNSIGNED
from .by_numpy import Numpy
from .tally import Array

_WHOLE: Final[Mapping[str, Mapping[int, Any]]] = {
    "signed": SIGNED,
    "unsigned": UNSIGNED,
    "bool": {8: np.uint8},
}


def exact(held: Array, made: Array, source: DType, target: DType) -> str:
    """Cast the bytes `held` into the bytes `made`; the first number that would become another, "" for none."""
    with np.errstate(all="ignore"):
        before = _read(held, source)
        result = before.astype(_WHOLE[target.kind][target.bits]) if not target.is_float else _float(before, target)
        after = _read(result.view(np.uint8), target)
        back = after.astype(before.dtype)
        # compared both ways: -1 and the largest uint64 would pass for each other in one, 2**63 as a float in the other
        wrong = (back != before) | ((after < 0) != (before < 0)) | (after.astype(np.float64) != before.astype(np.float64))
        if target.kind == "bool":
            wrong |= after > 1
    if wrong.any():
        return f"{before[wrong][0]}"
    made[...] = result.view(np.uint8)
    return ""


def _read(raw: Array, dtype: DType) -> Array:
    """The numbers, floats as float64."""
    if not dtype.is_float:
        return raw.view(_WHOLE[dtype.kind][dtype.bits])
    if dtype is F64:
        return raw.view(np.float64)
    numbers = len(raw) * 8 // dtype.bits
    made: Array = np.empty(numbers, np.float64)
    Numpy(numbers).cast(raw, made.view(np.uint8), dtype, F64)
    return made


def _float(numbers: Array, target: DType) -> Array:
    wide = numbers.astype(np.float64)
    if target is F64:
        return wide
    made: Array = np.empty(len(wide), UNSIGNED[target.bits])
    Numpy(len(wide)).cast(wide.view(np.uint8), made.view(np.uint8), F64, target)
    return made
