"""The notation of numbers in a weight file: what stands behind the `=` of a tensor, as bytes.

a.weight F32 4x4 = 1 -65504 nan inf       these, over and over
a.weight F32 64x64 = noise                like trained weights: normal numbers around zero, 0.02 wide, the same every time
a.weight F32 64x64 = noise F16            the same after a cast to fp16, stored as F32
a.weight F32 64x64 = noise 3              the same, but the last number is 3
"""

from __future__ import annotations

import math
import random
import struct
from itertools import cycle, islice
from typing import Final

from ..dtypes import BF16, BY_NAME, F16, F32, F64, DType

_FORMS: Final = {F64: "d", F32: "f", F16: "e"}
_WIDE: Final = 0.02


def filled(dtype: DType, elements: int, said: str) -> bytes:
    """The little-endian bytes of so many numbers of a dtype. errors: ValueError for a word that is no number.

    Integers are given as they are; of the floats F64, F32, F16 and BF16 can be written, all else is zeros.
    """
    words = said.split()
    if not words:
        return bytes(dtype.nbytes(elements))
    if words[0] != "noise":
        return b"".join(_stored(number, dtype) for number in islice(cycle(map(float, words)), elements))
    before = BY_NAME[words.pop(1)] if words[1:] and words[1] in BY_NAME else dtype
    draw = random.Random(elements)  # noqa: S311 - numbers for an example
    numbers = [_rounded(draw.gauss(0, _WIDE), before) for _ in range(elements)]
    last = list(map(float, words[1:]))
    numbers[len(numbers) - len(last) :] = last
    return b"".join(_stored(number, dtype) for number in numbers)


def _stored(number: float, dtype: DType) -> bytes:
    if dtype is BF16:
        return _upper(number).to_bytes(2, "little")
    if dtype in _FORMS:
        return struct.pack("<" + _FORMS[dtype], number)
    return int(number).to_bytes(dtype.bits // 8, "little", signed=dtype.kind == "signed")


def _upper(number: float) -> int:
    """The upper half of the float32, rounded to nearest, ties to even."""
    bits = int.from_bytes(struct.pack("<f", number), "little")
    return 0x7FC0 if math.isnan(number) else (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def _rounded(number: float, dtype: DType) -> float:
    if dtype is BF16:
        return float(struct.unpack("<f", (_upper(number) << 16).to_bytes(4, "little"))[0])
    form = "<" + _FORMS[dtype]
    return float(struct.unpack(form, struct.pack(form, number))[0])
