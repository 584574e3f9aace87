"""What a cast to fp16 or bf16 does to finite numbers, told by their bits: how many overflow, vanish, and lose digits."""

from __future__ import annotations

from typing import Final

import numpy as np

from ...dtypes import BF16, F16, F32, DType
from .patterns import LARGE, NORMAL, PATTERNS, TINY, Bits, magnitude
from .tally import Tally

_SMALL: Final = magnitude(2.0**-14)
"""Below it numbers are subnormal in fp16, as magnitudes of float32."""
_LOW: Final = {F16: 0x1FFF, BF16: 0xFFFF}
"""The bits of a float32 that a dtype has no room for, among its normal numbers."""

_NARROWER: Final = {F32: (BF16, F16), BF16: (F16,), F16: (BF16,)}
"""What a dtype is cast to; bf16 is no narrower than fp16, and has three bits of mantissa less."""
_NORMAL_BF16: Final = magnitude(NORMAL[BF16])


class Scratch:
    """Room for what a pass writes, used again and again. nbytes: of the largest piece."""

    def __init__(self, nbytes: int) -> None:
        self.bytes: Bits = np.empty(nbytes, np.uint8)
        self.marks: Bits = np.empty(nbytes, np.bool_)

    def like(self, bits: Bits) -> Bits:
        """Room for as many patterns of the same width."""
        return self.bytes[: bits.nbytes].view(bits.dtype)


def casts(bits: Bits, dtype: DType, top: int, tally: Tally, scratch: Scratch) -> None:
    """Count what the casts do to some numbers of float32, fp16 or bf16, all of them finite. top: the largest magnitude."""
    if not top:
        for narrower in _NARROWER[dtype]:
            tally.narrowed(narrower, 0, 0, 0, 0)
        return
    if dtype is F16:
        _from_f16(bits, tally, scratch)
        return
    shift = 32 - dtype.bits
    small = _below(bits, _SMALL >> shift, scratch).astype(np.uint32) << shift
    small = small[small != 0]
    rest = _low_half(bits, scratch) if dtype is F32 else None
    for narrower in _NARROWER[dtype]:
        limit, low = -(-magnitude(LARGE[narrower]) >> shift), _LOW[narrower]
        rounded = overflow = 0
        if rest is not None:
            rounded = int(np.count_nonzero(np.bitwise_and(rest, low, out=rest) if low != 0xFFFF else rest))
        if top >= limit:
            large = bits[(bits & (PATTERNS[dtype].sign - 1)) >= limit]
            overflow, rounded = len(large), rounded - (int(np.count_nonzero(large & low)) if dtype is F32 else 0)
        tally.narrowed(narrower, overflow, *_small(small, narrower, rounded))


def casts_of_double(bits: Bits, exact: Bits, vanished: Bits, tally: Tally, scratch: Scratch) -> None:
    """The same for numbers that were float64 and are in float32 by now.

    exact, vanished: by number, whether float32 holds it, and whether it became zero in it.
    """
    inner, size = Tally(), bits & 0x7FFFFFFF
    casts(bits, F32, int(size.max(initial=0)), inner, scratch)
    for dtype, (overflow, zero, subnormal, inexact) in inner.casts.items():
        again = int(np.count_nonzero(~exact & (size < magnitude(LARGE[dtype])) & _held(size, dtype)))
        tally.narrowed(dtype, overflow, zero + int(np.count_nonzero(vanished)), subnormal, inexact + again)


def _below(bits: Bits, limit: int, scratch: Scratch) -> Bits:
    """The magnitudes that are smaller than `limit`. They are few as a rule, and looked for eight at a time."""
    size = np.bitwise_and(bits, (1 << (8 * bits.itemsize - 1)) - 1, out=scratch.like(bits))
    marks = np.less(size, limit, out=scratch.marks[: len(bits)])
    whole = len(bits) & -8
    some = size[:whole].reshape(-1, 8)[np.flatnonzero(marks[:whole].view(np.uint64))].reshape(-1)
    found = np.concatenate((some, size[whole:]))
    return found[found < limit]


def _low_half(bits: Bits, scratch: Scratch) -> Bits:
    """The lower sixteen bits of each float32."""
    low = scratch.bytes[: len(bits) * 2].view(np.uint16)
    np.copyto(low, bits, casting="unsafe")
    return low


def _small(small: Bits, dtype: DType, rounded: int) -> tuple[int, int, int]:
    """Zero, subnormal and inexact. small: magnitudes in float32 below the normal numbers of fp16, none of them zero.

    rounded: how many of all numbers, large ones left out, have bits that `dtype` has no room for.
    """
    if dtype is BF16 and (not len(small) or int(small.min()) >= _NORMAL_BF16):
        return 0, 0, rounded
    zero = int(np.count_nonzero(small <= magnitude(TINY[dtype])))
    below = int(np.count_nonzero(small < magnitude(NORMAL[dtype])))
    if dtype is F16:  # the steps are those of the subnormal numbers: what is no multiple of 2^-24 is rounded
        in_steps = small.view(np.float32) * np.float32(2.0**24)
        rounded += int(np.count_nonzero(in_steps != np.floor(in_steps))) - int(np.count_nonzero(small & _LOW[F16]))
    return zero, below - zero, rounded


def _from_f16(bits: Bits, tally: Tally, scratch: Scratch) -> None:
    """fp16 to bf16: three bits are lost, fewer among the subnormal numbers; nothing overflows or vanishes."""
    small = _below(bits, 0x400, scratch)
    rounded = int(np.count_nonzero(np.bitwise_and(bits, 7, out=scratch.like(bits)))) - int(np.count_nonzero(small & 7))
    rounded += int(np.count_nonzero((small >= 0x100) & (small < 0x200) & (small & 1 != 0)))
    rounded += int(np.count_nonzero((small >= 0x200) & (small & 3 != 0)))
    tally.narrowed(BF16, 0, 0, 0, rounded)


def _held(size: Bits, dtype: DType) -> Bits:
    """By magnitude in float32: whether `dtype` holds it as it is."""
    if dtype is BF16:
        return (size & 0xFFFF) == 0
    with np.errstate(over="ignore"):
        numbers = size.view(np.float32)
        return numbers.astype(np.float16).astype(np.float32) == numbers
