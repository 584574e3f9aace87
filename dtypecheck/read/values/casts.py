"""What a cast to fp16 or bf16 does to finite numbers, told by their bits: how many overflow, vanish, and lose digits.

Each block is gone through a few times while it is in a core's own cache. The few numbers that are too small to be normal ones in
fp16 are set aside by block, and looked at once for the whole piece.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ...dtypes import BF16, F16, F32, DType
from .patterns import LARGE, NORMAL, TINY, Bits, magnitude
from .tally import Tally

_SMALL: Final = magnitude(2.0**-14)
"""Below it numbers are subnormal in fp16, as magnitudes of float32."""
_BELOW: Final = {F32: _SMALL, BF16: _SMALL >> 16, F16: 0x400}
"""The same as magnitudes of each dtype."""
_LOW: Final = {F16: 0x1FFF, BF16: 0xFFFF}
"""The bits of a float32 that a dtype has no room for, among its normal numbers."""
_NORMAL_BF16: Final = magnitude(NORMAL[BF16])
NARROWER: Final = {F32: (BF16, F16), BF16: (F16,), F16: (BF16,)}
"""What a dtype is cast to; bf16 is no narrower than fp16, and has three bits of mantissa less."""


class Scratch:
    """Room for what the passes over a block write, used again and again. nbytes: of the largest block.

    few: the small numbers set aside so far, as magnitudes, with some others among them; held: how many.
    """

    def __init__(self, nbytes: int) -> None:
        self.low: Bits = np.empty(nbytes, np.uint8)
        self.size: Bits = np.empty(nbytes, np.uint8)
        self.marks: Bits = np.empty(nbytes, np.bool_)
        self.few: list[Bits] = []
        self.held = 0

    def sizes(self, bits: Bits) -> Bits:
        """The magnitudes of a block, until the next one."""
        room = self.size[: bits.nbytes].view(bits.dtype)
        if bits.itemsize == 4:  # as floats, whose sign is taken away, a quarter faster
            return np.abs(bits.view(np.float32), out=room.view(np.float32)).view(bits.dtype)
        return np.bitwise_and(bits, (1 << (8 * bits.itemsize - 1)) - 1, out=room)


def casts(bits: Bits, size: Bits, dtype: DType, top: int, tally: Tally, scratch: Scratch) -> None:
    """Count what the casts do to a block, all of it finite, but for what is small. size: its magnitudes; top: the largest."""
    shift = 32 - dtype.bits
    rounded = _rounded(bits, dtype, scratch) if top else {}
    for narrower in NARROWER[dtype]:
        overflow, inexact = 0, rounded.get(narrower, 0)
        limit = -(-magnitude(LARGE[narrower]) >> shift)
        if dtype is not F16 and top >= limit:
            large = size[size >= limit]
            overflow, inexact = len(large), inexact - (int(np.count_nonzero(large & _LOW[narrower])) if dtype is F32 else 0)
        tally.narrowed(narrower, overflow, 0, 0, inexact)
    if top:
        _set_aside(size, _BELOW[dtype], scratch)


def _rounded(bits: Bits, dtype: DType, scratch: Scratch) -> dict[DType, int]:
    """How many numbers have bits set that a dtype has no room for, among its normal numbers."""
    low = scratch.low[: len(bits) * 2].view(np.uint16)
    if dtype is F16:
        return {BF16: int(np.count_nonzero(np.bitwise_and(bits, 7, out=low)))}
    if dtype is BF16:
        return {}
    np.copyto(low, bits, casting="unsafe")
    return {BF16: int(np.count_nonzero(low)), F16: int(np.count_nonzero(np.bitwise_and(low, _LOW[F16], out=low)))}


def settle(dtype: DType, tally: Tally, scratch: Scratch) -> Bits:
    """Count what the casts do to the small numbers of a piece, and give their magnitudes, as those of `dtype`."""
    if not scratch.few:
        return np.empty(0, np.uint8)
    found = np.concatenate(scratch.few)
    scratch.few.clear()
    scratch.held = 0
    found = found[found - found.dtype.type(1) < _BELOW[dtype] - 1]  # zero becomes the largest there is
    if len(found) and dtype is F16:
        tally.narrowed(BF16, 0, 0, 0, _small_of_f16(found))
    elif len(found):
        wide = found.astype(np.uint32) << (32 - dtype.bits)
        for narrower in NARROWER[dtype]:
            tally.narrowed(narrower, 0, *_small(wide, narrower))
    return found


def casts_of_double(bits: Bits, exact: Bits, vanished: Bits, tally: Tally, scratch: Scratch) -> None:
    """The same for numbers that were float64 and are in float32 by now.

    exact, vanished: by number, whether float32 holds it, and whether it became zero in it.
    """
    inner, size = Tally(), bits & 0x7FFFFFFF
    casts(bits, size, F32, int(size.max(initial=0)), inner, scratch)
    settle(F32, inner, scratch)
    for dtype, (overflow, zero, subnormal, inexact) in inner.casts.items():
        again = int(np.count_nonzero(~exact & (size < magnitude(LARGE[dtype])) & _held(size, dtype)))
        tally.narrowed(dtype, overflow, zero + int(np.count_nonzero(vanished)), subnormal, inexact + again)


def _set_aside(size: Bits, limit: int, scratch: Scratch) -> None:
    """Keep the magnitudes below `limit`. They are few as a rule, and looked for eight at a time, so that others come along."""
    wide = size.itemsize == 4  # magnitudes are in the order of the numbers, and floats are compared faster
    kind, least = (np.float32, np.uint32(limit).view(np.float32)) if wide else (size.dtype, limit)
    marks = np.less(size.view(kind), least, out=scratch.marks[: len(size)])
    whole = len(size) & -8
    rows = np.flatnonzero(marks[:whole].view(np.uint64) != 0)  # flatnonzero takes a third of the time for bools
    scratch.few += (size[:whole].reshape(-1, 8).take(rows, axis=0).reshape(-1), size[whole:].copy())
    scratch.held += 8 * len(rows) + len(size) - whole


def _small(small: Bits, dtype: DType) -> tuple[int, int, int]:
    """Zero, subnormal, and how many more are inexact than their low bits say. small: magnitudes in float32, none of them zero."""
    if dtype is BF16 and int(small.min()) >= _NORMAL_BF16:
        return 0, 0, 0
    zero = int(np.count_nonzero(small <= magnitude(TINY[dtype])))
    below = int(np.count_nonzero(small < magnitude(NORMAL[dtype])))
    if dtype is BF16:
        return zero, below - zero, 0
    # the steps are those of the subnormal numbers: what is no multiple of 2^-24 is rounded
    in_steps = small.view(np.float32) * np.float32(2.0**24)
    return zero, below - zero, int(np.count_nonzero(in_steps != np.floor(in_steps))) - int(np.count_nonzero(small & _LOW[F16]))


def _small_of_f16(small: Bits) -> int:
    """How many more are inexact in bf16 than their three low bits say, zero or less: subnormals have fewer digits to lose."""
    rounded = int(np.count_nonzero((small >= 0x100) & (small < 0x200) & (small & 1 != 0)))
    rounded += int(np.count_nonzero((small >= 0x200) & (small & 3 != 0)))
    return rounded - int(np.count_nonzero(small & 7))


def _held(size: Bits, dtype: DType) -> Bits:
    """By magnitude in float32: whether `dtype` holds it as it is."""
    if dtype is BF16:
        return (size & 0xFFFF) == 0
    with np.errstate(over="ignore"):
        numbers = size.view(np.float32)
        return numbers.astype(np.float16).astype(np.float32) == numbers
