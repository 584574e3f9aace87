"""Whether numbers were in a narrower dtype before: the digits it has no room for are all zero, and were not by chance."""

from __future__ import annotations

from typing import Final

import numpy as np

from ...dtypes import F32
from .patterns import PATTERNS, Bits, magnitude
from .pieces import CHUNK
from .tally import Tally

_SAMPLE: Final = 4096
"""Numbers at the beginning of each CHUNK of float32 that are a sample, however large the blocks are."""
_SHARE: Final = 4
"""A quick look at bf16 takes one part in so many of the first block of each piece, as if it were no larger than a CHUNK."""
_SMALL32: Final = magnitude(2.0**-14)
_SMALL16: Final = magnitude(2.0**-17) >> 16
_FP16_TOP: Final = 65536.0
"""What bf16 makes of 65504."""


def past_of_f32(bits: Bits, top: int, tally: Tally) -> None:
    """Count a piece of a float32 tensor; one that has the low bits set is settled by its first numbers."""
    for offset in range(0, len(bits), CHUNK // 4):
        if tally.f16 or tally.bf16:
            _past_of_f32(bits[offset : offset + CHUNK // 4], top, tally)


def _past_of_f32(bits: Bits, top: int, tally: Tally) -> None:
    sample = bits[:_SAMPLE]
    low = int(np.bitwise_or.reduce(sample))
    if low & 0x1FFF:
        tally.f16 = tally.bf16 = False
        return
    low |= int(np.bitwise_or.reduce(bits[_SAMPLE:])) if len(bits) > _SAMPLE else 0
    tally.looked += len(bits)
    tally.telling += int(np.count_nonzero(sample & 0x7FFFFF))
    tally.bf16 = tally.bf16 and not low & 0xFFFF
    tally.f16 = tally.f16 and not low & 0x1FFF and top < PATTERNS[F32].over and _in_steps((sample & 0x7FFFFFFF), _SMALL32, 0)


def sample_of_bf16(bits: Bits) -> tuple[int, Bits]:
    """Of the first block of a piece: how many numbers are taken, and the small ones of them, as magnitudes that are not zero."""
    size = bits[: max(1, min(len(bits), CHUNK // 2) // _SHARE)] & 0x7FFF
    return len(size), size[(size - np.uint16(1)) < _SMALL16 - 1]


def past_of_bf16(looked: int, small: Bits, tally: Tally) -> None:
    """Count a piece of a bf16 tensor: one that was fp16 has small numbers in multiples of 2^-24 alone.

    Each of bf16's own numbers below 2^-17 is such a multiple with a chance of one half at most. looked: how many numbers were
    looked at; small: magnitudes of those that are smaller than that, and of others, none of them zero.
    """
    few = small[small < _SMALL16]
    tally.looked += looked
    tally.telling += len(few)
    tally.f16 = tally.absmax <= _FP16_TOP and _in_steps(few, _SMALL16, 16)


def _in_steps(size: Bits, below: int, shift: int) -> bool:
    """True when all magnitudes that are small are multiples of fp16's smallest number."""
    small = size[(size > 0) & (size < below)].astype(np.uint32) << shift
    in_steps = small.view(np.float32) * np.float32(2.0**24)
    return bool(np.all(in_steps == np.floor(in_steps)))
