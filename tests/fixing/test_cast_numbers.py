"""Every number is cast to the very bits that torch gives it, by both engines, and every loss is counted."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from dtypecheck.dtypes import BF16, F8_E4M3, F8_E4M3FNUZ, F8_E5M2, F8_E5M2FNUZ, F16, F32, F64, DType
from dtypecheck.fixing.cast.bits import EIGHTS, UNSIGNED, eights
from dtypecheck.fixing.cast.by_numpy import Numpy
from dtypecheck.fixing.cast.by_torch import Torch
from dtypecheck.fixing.cast.counting import Counter, clamp, limits

WIDE = (F64, F32, F16, BF16)
PAIRS = [(held, made) for held, made in product(WIDE, WIDE) if held is not made]
SPECIAL = (
    *(0.0, 1.0, 65504.0, 65519.99, 65520.0, 65536.0, 1e5, 2.0**-14, 2.0**-24, 2.0**-25, 2.0**-126, 2.0**-133, 2.0**-134),
    *(2.0**-149, 3.3895313892515355e38, 3.396e38, 3.3961e38, 3.4028234663852886e38, 3.4028235e38, 3.40282357e38, 1e39, 1e300),
    *(5e-324, 2.2250738585072014e-308, float("inf"), float("nan")),
)


def torch_type(dtype: DType) -> torch.dtype:
    found = getattr(torch, dtype.torch)
    assert isinstance(found, torch.dtype)
    return found


def all_of(dtype: DType) -> Any:
    """Every pattern of a format of 8 or 16 bits, as bytes."""
    return np.arange(1 << dtype.bits, dtype=UNSIGNED[dtype.bits]).view(np.uint8)


def many_of(dtype: DType) -> Any:
    """Random patterns, usual weights, special numbers with their neighbours, and numbers half way between two of 16 bits."""
    random = np.random.default_rng(7)
    kind, real = UNSIGNED[dtype.bits], np.float32 if dtype is F32 else np.float64
    with np.errstate(all="ignore"):
        given = np.array(SPECIAL, np.float64).astype(real).view(kind)
        near = np.concatenate([given + kind(step) for step in range(4)] + [given - kind(step) for step in range(1, 4)])
        usual = (random.standard_normal(20_000) * 10.0 ** random.uniform(-12, 4, 20_000)).astype(real).view(kind)
        patterns = np.arange(0, 1 << 16, dtype=np.uint32)
        singles = [((patterns << 16) | low).view(np.float32) for low in (0x0000, 0x7FFF, 0x8000, 0x8001)]
        halves = [patterns.astype(np.uint16).view(np.float16).astype(np.float64)]
        halves += [(halves[0] + np.roll(halves[0], 1)) / 2]
        ties = [values.astype(real).view(kind) for values in (*singles, *halves)]
        beside = [ties[-1] + kind(1), ties[-1] - kind(1)]
    noise = random.integers(0, 1 << dtype.bits, 100_000, dtype=kind, endpoint=False)
    signless = np.concatenate([near, usual, noise, *ties, *beside])
    return np.concatenate([signless, signless ^ kind(1 << (dtype.bits - 1))]).view(np.uint8)


def given(dtype: DType) -> Any:
    return all_of(dtype) if dtype.bits <= 16 else many_of(dtype)


def by_torch(held: Any, source: DType, target: DType) -> torch.Tensor:
    return torch.from_numpy(held.copy()).view(torch_type(source)).to(torch_type(target))


def cast(engine: Numpy | Torch, held: Any, source: DType, target: DType) -> torch.Tensor:
    made = np.empty(len(held) * target.bits // source.bits, np.uint8)
    engine.cast(held, made, source, target)
    return torch.from_numpy(made).view(torch_type(target))


def assert_same_bits(made: torch.Tensor, wanted: torch.Tensor) -> None:
    """Equal bit for bit, zeros with their signs; of a NaN only that it is one."""
    whole = {64: torch.int64, 32: torch.int32, 16: torch.int16}[made.element_size() * 8]
    numbers = ~wanted.isnan()
    assert torch.equal(made.isnan(), wanted.isnan())
    assert torch.equal(made.view(whole)[numbers], wanted.view(whole)[numbers])


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_all_patterns_and_special_numbers_become_what_torch_makes_of_them(pair: tuple[DType, DType]) -> None:
    source, target = pair
    held = given(source)
    wanted = by_torch(held, source, target)
    assert wanted.numel() >= 65_536
    for engine in (Numpy(wanted.numel()), Torch()):
        assert_same_bits(cast(engine, held, source, target), wanted)


@pytest.mark.parametrize("target", [F16, BF16], ids=str)
@pytest.mark.parametrize("source", [F64, F32], ids=str)
def test_the_fast_way_is_right_for_all_that_is_not_special(source: DType, target: DType) -> None:
    """numpy goes another way for numbers among which one is NaN, inf or too large; these hold none."""
    numbers, at = given(source).view(UNSIGNED[source.bits]), limits(source, target)
    assert at is not None
    plain = numbers[(numbers & UNSIGNED[source.bits]((1 << (source.bits - 1)) - 1)) < at.over].view(np.uint8)
    wanted = by_torch(plain, source, target)
    assert wanted.isfinite().all()
    assert wanted.numel() > 100_000
    assert_same_bits(cast(Numpy(wanted.numel()), plain, source, target), wanted)


@pytest.mark.parametrize("source", EIGHTS, ids=str)
def test_eight_bit_formats_are_widened_as_torch_does(source: DType) -> None:
    held = all_of(source)
    assert_same_bits(torch.from_numpy(eights(source)), by_torch(held, source, F32))
    for target in WIDE:
        wanted = by_torch(held, source, target)
        for engine in (Numpy(256), Torch()):
            assert_same_bits(cast(engine, held, source, target), wanted)


def test_numbers_are_rounded_twice_from_float64_as_torch_does() -> None:
    """A number just above the middle of two bfloat16 is that middle in float32, which goes to the even one."""
    between = np.array([1.0 + 2.0**-8 + 2.0**-40]).view(np.uint8)
    assert cast(Numpy(1), between, F64, BF16).item() == 1.0 == by_torch(between, F64, BF16).item()


def test_a_nan_stays_one_whatever_bits_it_has() -> None:
    """Rounding 0x7FFFFFFF upward as if it were a number would give -0."""
    nans = np.array([0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF, 0x7F80FFFF], np.uint32).view(np.uint8)
    for target in (F16, BF16, F64):
        assert cast(Numpy(5), nans, F32, target).isnan().all()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_losses_are_counted_as_torch_shows_them(pair: tuple[DType, DType]) -> None:
    source, target = pair
    held = given(source)
    before = torch.from_numpy(held.copy()).view(torch_type(source))
    after = before.to(torch_type(target))
    counter = Counter(before.numel())
    made = after.clone().view(torch.uint8).numpy()
    tally = counter.after(held, made, source, target)
    assert counter.before(held, source, target) == tally
    over = before.isfinite() & after.isinf()
    assert tally.numbers == before.numel()
    assert tally.over == over.sum()
    assert tally.top == (before[over].double().abs().max() if over.any() else 0.0)
    assert tally.zeroed == ((before != 0) & (after == 0)).sum()
    tiny, was_tiny = torch.finfo(torch_type(target)).tiny, torch.finfo(torch_type(source)).tiny
    small = (after != 0) & (after.double().abs() < tiny) & (before.double().abs() >= was_tiny)
    assert tally.subnormal == small.sum()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("number", "special"), [(65_519.0, False), (65_520.0, True), (np.inf, True), (np.nan, True), (0.0, False)]
)
def test_one_number_makes_a_piece_special(number: float, sign: int, special: bool) -> None:
    held = np.array([1.0, -2.0, sign * number, -0.0], np.float32).view(np.uint8)
    assert Counter(4).special(held, F32, F16) is special


@pytest.mark.parametrize("pair", [(F32, F16), (F32, BF16), (F64, F32), (F64, BF16), (BF16, F16)], ids=str)
def test_clamped_numbers_are_the_largest_ones_and_inf_and_nan_stay(pair: tuple[DType, DType]) -> None:
    source, target = pair
    held = given(source)
    before = torch.from_numpy(held.copy()).view(torch_type(source))
    made = cast(Numpy(before.numel()), held, source, target)
    clamp(held, made.view(torch.uint8).numpy(), source, target)
    wanted = before.to(torch_type(target))
    over = before.isfinite() & wanted.isinf()
    assert over.any()
    wanted[over] = torch.sign(before[over]).to(wanted.dtype) * torch.finfo(wanted.dtype).max
    assert_same_bits(made, wanted)
    assert made.isinf().any()
    assert made.isnan().any()


def test_the_places_where_a_cast_begins_to_lose_are_the_known_ones() -> None:
    def number(bits: int) -> float:
        return float(np.uint32(bits).view(np.float32))

    at = limits(F32, F16)
    assert at is not None
    assert number(at.zero) == 2.0**-25
    assert number(at.over) == 65520.0
    assert number(at.small) < 2.0**-14 <= number(at.small + 1) + 2.0**-25
    assert limits(F16, F32) is None
    assert limits(BF16, F32) is None
    assert limits(F8_E4M3, F16) is limits(F8_E5M2, F16) is limits(F8_E4M3FNUZ, F16) is limits(F8_E5M2FNUZ, BF16) is None
