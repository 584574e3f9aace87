"""Two integer maxima over the raw bits of a block of a tensor: abs max, NaN and inf at memory speed.

The largest pattern read as signed is the largest positive number, the largest read as unsigned the negative one furthest from
zero. Only where one of them is not finite, or too large for a half dtype, the numbers are counted one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import numpy as np

from ...dtypes import BF16, F8_E4M3FNUZ, F8_E5M2FNUZ, F32, F64, DType
from .casts import NARROWER, Scratch, casts, casts_of_double, settle
from .loops import told
from .machine import Summed
from .past import past_of_bf16, past_of_f32, sample_of_bf16
from .patterns import LARGE, PATTERNS, Bits, Pattern
from .pieces import CHUNK
from .tally import Tally

LOOKED_AT: Final = frozenset((*PATTERNS, F64))
"""The dtypes whose numbers are looked at; integers, complex numbers and packed formats are skipped."""
_MANY: Final = 1 << 16
"""Small numbers that are set aside at most, or one block more."""
_largest: Final = np.maximum.reduce


def look(blocks: Iterable[Bits], dtype: DType, full: Scratch | None, tally: Tally, loop: Summed | None = None) -> None:
    """Count a piece of a tensor. blocks: its bytes, as uint8, one element at least in each; each is done with before the next.

    full: room for the passes that tell what casts do; None for a quick look. tally: of the pieces before it, added to.
    loop: in place of the passes over blocks that hold nothing out of the common, of `CASTS` for a closer look, else of `TOP`.
    """
    if dtype is F64:
        for raw in blocks:
            _double(raw.view(np.float64), full, tally)
        return
    pattern = PATTERNS[dtype]
    closely = full if dtype in NARROWER else None
    looked, small = 0, None
    if dtype is BF16 and tally.f16 and not closely:
        first = next(blocks := iter(blocks))
        looked, small = sample_of_bf16(first.view(pattern.unsigned))
        blocks = chain((first,), blocks)
    for raw in _by(loop, blocks, pattern, closely, tally) if loop else blocks:
        bits = raw.view(pattern.unsigned)
        size = closely.sizes(bits) if closely else None
        top = _top(bits, pattern, tally) if size is None else int(_largest(size))
        if top >= pattern.beyond:
            bits = _finite(bits, pattern, tally)
            size = bits & (pattern.sign - 1)
            top = int(_largest(size)) if len(bits) else -1
        if top < 0:
            continue
        _tell(bits, top, pattern, tally)
        if closely:
            looked += len(bits)
            casts(bits, size, dtype, top, tally, closely)
            if closely.held > _MANY:
                looked = _settle(looked, dtype, tally, closely)
    if closely:
        _settle(looked, dtype, tally, closely)
    elif small is not None:
        past_of_bf16(looked, small, tally)


def parts(raw: Bits, size: int) -> Iterator[Bits]:
    """The same as blocks of so many bytes, the last one of fewer."""
    for offset in range(0, len(raw), size):
        yield raw[offset : offset + size]


def _by(loop: Summed, blocks: Iterable[Bits], pattern: Pattern, closely: Scratch | None, tally: Tally) -> Iterator[Bits]:
    """Count the blocks that hold nothing out of the common; give the others, as those passes take them."""
    uncommon = pattern.uncommon
    for raw in blocks:
        bits = raw.view(pattern.unsigned)
        sums = loop(bits)
        if not sums or sums[0] >= uncommon:
            yield from parts(raw, len(closely.size) if closely else CHUNK)
            continue
        _tell(bits, sums[0], pattern, tally)
        if closely:
            told(pattern.dtype, len(bits), sums[1:], tally)


def _settle(looked: int, dtype: DType, tally: Tally, scratch: Scratch) -> int:
    """Count what casts do to the small numbers set aside, of so many looked at; none are left."""
    small = settle(dtype, tally, scratch)
    if dtype is BF16 and tally.f16:
        past_of_bf16(looked, small, tally)
    return 0


def _top(bits: Bits, pattern: Pattern, tally: Tally) -> int:
    """The largest magnitude of a block; -1 where there are only NaNs, of the formats that have just one."""
    top = int(_largest(bits.view(pattern.signed)))
    low = int(_largest(bits))
    if low >= pattern.sign:
        top = max(top, low - pattern.sign)
    return _one_nan(bits, pattern, top, tally) if pattern.dtype in (F8_E4M3FNUZ, F8_E5M2FNUZ) else top


def _tell(bits: Bits, top: int, pattern: Pattern, tally: Tally) -> None:
    """Count what is too large for a half dtype. bits: of finite numbers; top: the largest magnitude."""
    tally.absmax = max(tally.absmax, pattern.value(top))
    if top >= pattern.over:
        tally.overflow += int(np.count_nonzero((bits & (pattern.sign - 1)) >= pattern.over))
    if top >= pattern.wide:
        tally.wide_overflow += int(np.count_nonzero((bits & (pattern.sign - 1)) >= pattern.wide))
    if top == pattern.top:
        tally.saturated += int(np.count_nonzero(bits == top))
        tally.saturated_low += int(np.count_nonzero(bits == top + pattern.sign))
    if pattern.dtype is F32 and (tally.f16 or tally.bf16):
        past_of_f32(bits, top, tally)


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
