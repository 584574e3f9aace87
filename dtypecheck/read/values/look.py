"""Two integer maxima over the raw bits of a piece of a tensor: abs max, NaN and inf at memory speed.

The largest pattern read as signed is the largest positive number, the largest read as unsigned the negative one furthest from
zero. Only where one of them is not finite, or too large for a half dtype, the numbers are counted one by one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ...dtypes import BF16, F8_E4M3FNUZ, F8_E5M2FNUZ, F16, F32, F64, DType
from .casts import Scratch, casts, casts_of_double
from .past import past_of_bf16, past_of_f32
from .patterns import LARGE, PATTERNS, Bits, Pattern
from .tally import Tally

LOOKED_AT: Final = frozenset((*PATTERNS, F64))
"""The dtypes whose numbers are looked at; integers, complex numbers and packed formats are skipped."""
_largest: Final = np.maximum.reduce


def look(raw: Bits, dtype: DType, full: Scratch | None, tally: Tally) -> None:
    """Count a piece of a tensor. raw: its bytes, as uint8, one element at least; tally: of the pieces before it, added to.

    full: room for the passes that tell what casts do; None for a quick look.
    """
    if dtype is F64:
        _double(raw.view(np.float64), full, tally)
        return
    pattern = PATTERNS[dtype]
    bits = raw.view(pattern.unsigned)
    top = int(_largest(raw.view(pattern.signed)))
    low = int(_largest(bits))
    if low >= pattern.sign:
        top = max(top, low - pattern.sign)
    if dtype in (F8_E4M3FNUZ, F8_E5M2FNUZ):
        top = _one_nan(bits, pattern, top, tally)
    if top >= pattern.beyond:
        bits = _finite(bits, pattern, tally)
        top = int(_largest(bits & (pattern.sign - 1))) if len(bits) else -1
    if top < 0:
        return
    tally.absmax = max(tally.absmax, pattern.value(top))
    if top >= pattern.over:
        tally.overflow += int(np.count_nonzero((bits & (pattern.sign - 1)) >= pattern.over))
    if top >= pattern.wide:
        tally.wide_overflow += int(np.count_nonzero((bits & (pattern.sign - 1)) >= pattern.wide))
    if top == pattern.top:
        tally.saturated += int(np.count_nonzero(bits == top))
        tally.saturated_low += int(np.count_nonzero(bits == top + pattern.sign))
    if dtype is F32 and (tally.f16 or tally.bf16):
        past_of_f32(bits, top, tally)
    elif dtype is BF16 and tally.f16:
        past_of_bf16(bits, top, full is not None, tally)
    if full and dtype in (F32, F16, BF16):
        casts(bits, dtype, top, tally, full)


def _finite(bits: Bits, pattern: Pattern, tally: Tally) -> Bits:
    """Count what is not finite; give the rest."""
    size = bits & (pattern.sign - 1)
    tally.nan += int(np.count_nonzero(size >= pattern.nan))
    if pattern.beyond < pattern.nan:
        tally.inf += int(np.count_nonzero(bits == pattern.beyond))
        tally.low_inf += int(np.count_nonzero(bits == pattern.beyond + pattern.sign))
    rest: Bits = bits[size < pattern.beyond]
    return rest


def _one_nan(bits: Bits, pattern: Pattern, top: int, tally: Tally) -> int:
    """The largest finite magnitude of a format whose one NaN is the pattern of -0; -1 where nothing else is there."""
    nan = int(np.count_nonzero(bits == pattern.sign))
    tally.nan += nan
    return -1 if nan == len(bits) else top


def _double(numbers: Bits, full: Scratch | None, tally: Tally) -> None:
    """float64 is rare: by its numbers, and its casts by way of float32, as torch does them."""
    finite = numbers[np.isfinite(numbers)]
    tally.nan += int(np.count_nonzero(np.isnan(numbers)))
    tally.inf += int(np.count_nonzero(numbers == np.inf))
    tally.low_inf += int(np.count_nonzero(numbers == -np.inf))
    if not len(finite):
        return
    size = np.abs(finite)
    tally.absmax = max(tally.absmax, float(_largest(size)))
    with np.errstate(over="ignore"):
        single = finite.astype(np.float32)
    held = np.isfinite(single)
    beyond = len(single) - int(np.count_nonzero(held))
    bits = single[held].view(np.uint32)
    tally.overflow += beyond + int(np.count_nonzero((bits & 0x7FFFFFFF) >= PATTERNS[F32].over))
    tally.wide_overflow += beyond + int(np.count_nonzero((bits & 0x7FFFFFFF) >= PATTERNS[F32].wide))
    tally.f16 = tally.bf16 = False
    if full:
        exact = single[held].astype(np.float64) == finite[held]
        vanished = ~exact & (single[held] == 0)
        casts_of_double(bits, exact, vanished, tally, full)
        for dtype in LARGE:
            if dtype in tally.casts:
                tally.casts[dtype][0] += beyond
