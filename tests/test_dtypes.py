"""Dtypes: every alias names one, ranges and promotion are torch's, and can_hold is what trying every value says."""

from __future__ import annotations

import itertools
import math
import pickle

import pytest

from dtypecheck.dtypes import (
    ALL,
    BF16,
    BOOL,
    BY_NAME,
    C64,
    C128,
    F4,
    F6_E2M3,
    F6_E3M2,
    F8_E4M3,
    F8_E4M3FNUZ,
    F8_E5M2,
    F8_E5M2FNUZ,
    F8_E8M0,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U64,
    USUAL,
    DType,
    can_hold,
    nearest,
    parse,
    promote,
)

torch = pytest.importorskip("torch")

KNOWN_TO_TORCH = [dtype for dtype in ALL if dtype.torch]
TORCH_FLOATS = [dtype for dtype in KNOWN_TO_TORCH if dtype.kind in ("float", "scale") and dtype is not F4]
SMALL = [dtype for dtype in ALL if dtype.kind in ("float", "scale") and dtype.bits <= 16]
BIAS = {F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 16, F8_E8M0: 127}
HAS_INF = {F16, BF16, F8_E5M2}


def of_torch(dtype: DType) -> torch.dtype:
    found: torch.dtype = getattr(torch, dtype.torch)
    return found


def decoded(dtype: DType, code: int) -> float:
    """The value of one bit pattern, by the definition of the format; nan for patterns that are no number."""
    bias = BIAS.get(dtype, (1 << (dtype.exponent - 1)) - 1)
    if dtype is F8_E8M0:
        return math.nan if code == 255 else math.ldexp(1.0, code - bias)
    mantissa = code & ((1 << dtype.mantissa) - 1)
    exponent = code >> dtype.mantissa & ((1 << dtype.exponent) - 1)
    sign = -1.0 if code >> (dtype.bits - 1) else 1.0
    top = exponent == (1 << dtype.exponent) - 1
    if dtype in HAS_INF and top:
        return math.nan if mantissa else sign * math.inf
    if dtype is F8_E4M3 and top and mantissa == 7:
        return math.nan
    if dtype in (F8_E4M3FNUZ, F8_E5M2FNUZ) and code == 0x80:
        return math.nan
    hidden = 0 if exponent == 0 else 1 << dtype.mantissa
    return sign * math.ldexp(hidden + mantissa, max(exponent, 1) - bias - dtype.mantissa)


def finite(dtype: DType) -> frozenset[float]:
    values = (decoded(dtype, code) for code in range(1 << dtype.bits))
    return frozenset(value for value in values if math.isfinite(value))


VALUES = {dtype: finite(dtype) for dtype in SMALL}


# names


def test_a_word_that_names_no_dtype_is_none() -> None:
    for word in (
        "",
        " ",
        "auto",
        "float17",
        "fp-16",
        "torch.",
        "torch",
        "f",
        "16",
        "none",
        "halff",
        "nf4",
        "float16,vae=float32",
    ):
        assert parse(word) is None, word


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_every_name_and_alias_parses_in_every_case_and_behind_every_prefix(dtype: DType) -> None:
    for alias in filter(None, (dtype.name, dtype.short, dtype.torch, *dtype.aliases)):
        for spelled in (alias, alias.upper(), alias.lower(), alias.title(), f"torch.{alias}", f" {alias}\n"):
            assert parse(spelled) is dtype, spelled


@pytest.mark.parametrize(
    ("word", "dtype"),
    [
        ("float16", F16), ("fp16", F16), ("f16", F16), ("half", F16), ("c10::Half", F16), ("struct c10::Half", F16),
        ("bfloat16", BF16), ("bf16", BF16), ("c10::BFloat16", BF16), ("struct c10::BFloat16", BF16), ("jnp.bfloat16", BF16),
        ("float32", F32), ("float", F32), ("fp32", F32), ("single", F32), ("double", F64), ("float64", F64),
        ("Byte", U8), ("Char", I8), ("Short", I16), ("Int", I32), ("Long", I64), ("bool", BOOL), ("at::Half", F16),
        ("complex64", C64), ("cdouble", C128), ("float8_e4m3fn", F8_E4M3), ("fp8", F8_E4M3), ("float8_e5m2", F8_E5M2),
    ],
)  # fmt: skip
def test_the_words_of_people_files_and_pytorchs_messages_parse(word: str, dtype: DType) -> None:
    assert parse(word) is dtype


def test_no_alias_names_two_dtypes() -> None:
    words = [{w.lower() for w in (d.name, d.short, d.torch, *d.aliases) if w} for d in ALL]
    for left, right in itertools.combinations(words, 2):
        assert not left & right


def test_every_dtype_that_torch_names_has_the_name_torch_gives_it() -> None:
    for dtype in KNOWN_TO_TORCH:
        assert str(of_torch(dtype)) == f"torch.{dtype.torch}"
        if dtype is not F4:
            assert of_torch(dtype).itemsize * 8 == dtype.bits


def test_the_nearest_word_is_named_and_nothing_for_a_far_one() -> None:
    assert nearest("flaot16") == "float16"
    assert nearest("torch.bfloat17") == "bfloat16"
    assert nearest("fp6") in ("fp64", "fp16", "fp6_e2m3", "fp6_e3m2")
    assert nearest("quaternion") is None
    assert nearest("") is None


def test_a_dtype_stays_the_same_object_through_pickle() -> None:
    assert all(pickle.loads(pickle.dumps(dtype)) is dtype for dtype in ALL)
    assert {name: dtype.name for name, dtype in BY_NAME.items()} == {name: name for name in BY_NAME}


def test_people_read_the_short_name() -> None:
    assert [str(dtype) for dtype in USUAL] == ["fp16", "bf16", "fp32"]


# sizes and ranges


def test_bytes_are_rounded_up_for_numbers_narrower_than_a_byte() -> None:
    assert [F32.nbytes(3), F16.nbytes(3), U8.nbytes(3), F6_E2M3.nbytes(4), F4.nbytes(3), F4.nbytes(0), BOOL.nbytes(5)] == [
        12, 6, 3, 3, 2, 0, 5,
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", TORCH_FLOATS, ids=str)
def test_the_range_of_a_float_is_torchs(dtype: DType) -> None:
    info = torch.finfo(of_torch(dtype))
    assert dtype.largest == info.max
    assert dtype.smallest == info.smallest_normal * (2.0**-dtype.mantissa if dtype is not F8_E8M0 else 1.0)
    if dtype not in (F8_E8M0, F8_E5M2FNUZ):  # torch 2.13 gives F8_E5M2FNUZ an eps of 0.125; its two bits of mantissa make it 0.25
        assert 2.0**-dtype.mantissa == info.eps


@pytest.mark.parametrize("dtype", [d for d in KNOWN_TO_TORCH if d.kind in ("signed", "unsigned")], ids=str)
def test_the_range_of_an_integer_is_torchs(dtype: DType) -> None:
    info = torch.iinfo(of_torch(dtype))
    assert (dtype.bits, dtype.largest) == (info.bits, float(info.max))
    assert dtype.smallest == 0.0


@pytest.mark.parametrize("dtype", [d for d in SMALL if d in TORCH_FLOATS], ids=str)
def test_the_truth_of_these_tests_decodes_every_bit_pattern_as_torch_does(dtype: DType) -> None:
    whole = torch.int16 if dtype.bits == 16 else torch.uint8
    codes = torch.arange(1 << dtype.bits, dtype=torch.int32).to(whole)
    for code, value in enumerate(codes.view(of_torch(dtype)).to(torch.float64).tolist()):
        mine = decoded(dtype, code)
        assert mine == value or (math.isnan(mine) and math.isnan(value)), code


@pytest.mark.parametrize("dtype", SMALL, ids=str)
def test_largest_and_smallest_are_among_all_values(dtype: DType) -> None:
    assert max(VALUES[dtype]) == dtype.largest
    assert min(value for value in VALUES[dtype] if value > 0) == dtype.smallest


# can_hold


@pytest.mark.parametrize("holder", SMALL, ids=str)
def test_a_narrow_float_holds_another_exactly_when_it_has_each_of_its_values(holder: DType) -> None:
    wrong = {
        held.name: VALUES[held] <= VALUES[holder] for held in SMALL if (VALUES[held] <= VALUES[holder]) != can_hold(holder, held)
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("holder", "held"), [(h, d) for h in TORCH_FLOATS for d in TORCH_FLOATS if d.bits <= 16], ids=lambda dtype: dtype.short
)
def test_a_cast_in_torch_gives_every_value_back_exactly_when_it_can_be_held(holder: DType, held: DType) -> None:
    values = torch.tensor(sorted(VALUES[held]), dtype=torch.float64).to(of_torch(held))
    back = values.to(of_torch(holder)).to(torch.float64)
    assert bool((back == values.to(torch.float64)).all()) == can_hold(holder, held)


@pytest.mark.parametrize(
    "holder", [d for d in KNOWN_TO_TORCH if d.kind in ("float", "signed", "unsigned") and d is not F4], ids=str
)
@pytest.mark.parametrize("held", [I8, U8, I16, U16], ids=str)
def test_every_value_of_a_short_integer_comes_back_exactly_when_it_can_be_held(holder: DType, held: DType) -> None:
    info = torch.iinfo(of_torch(held))
    values = torch.arange(info.min, info.max + 1, dtype=torch.int32)
    back = values.to(of_torch(holder)).to(torch.float64)
    assert bool((back == values).all()) == can_hold(holder, held)


@pytest.mark.parametrize(
    ("holder", "held", "holds"),
    [
        (F64, F32, True), (F32, F64, False), (F64, I32, True), (F32, I32, False), (F64, I64, False), (I64, U64, False),
        (I64, F16, False), (U8, BOOL, True), (F16, BOOL, True), (BOOL, U8, False), (F8_E8M0, BOOL, False),
        (F8_E8M0, F8_E8M0, True),
        (C64, F32, True), (C64, F64, False), (C128, C64, True), (C64, C128, False), (F64, C64, False), (C64, I64, False),
        (F32, BF16, True), (F32, F16, True), (F16, BF16, False), (BF16, F16, False), (F16, F6_E3M2, True), (F32, F4, True),
        (U64, I8, False), (I16, U8, True), (I8, U8, False),
    ],
)  # fmt: skip
def test_wide_formats_hold_what_they_should(holder: DType, held: DType, holds: bool) -> None:
    assert can_hold(holder, held) is holds


# promotion

ADDED = [dtype for dtype in KNOWN_TO_TORCH if dtype is not F4]
"""torch adds no F4; promote_types gives nonsense for it, and an internal assertion beside an F32."""


@pytest.mark.parametrize("left", ADDED, ids=str)
def test_promotion_is_torchs_for_the_sum_of_two_tensors(left: DType) -> None:
    def truth(right: DType) -> str | None:
        try:
            return str(torch.promote_types(of_torch(left), of_torch(right))).removeprefix("torch.")
        except RuntimeError:
            return None

    mine = {right.name: found.torch if (found := promote(left, right)) else None for right in ADDED}
    assert mine == {right.name: truth(right) for right in ADDED}


def test_what_torch_adds_has_the_promoted_dtype() -> None:
    wide = [dtype for dtype in ADDED if (dtype.bits >= 16 and (dtype.kind != "unsigned")) or dtype in (U8, I8, BOOL)]
    ones = {dtype: torch.ones(1).to(of_torch(dtype)) for dtype in wide}
    for left, right in itertools.product(wide, wide):
        found = promote(left, right)
        assert found, (left, right)
        assert (ones[left] + ones[right]).dtype is of_torch(found), (left, right)


def test_promotion_does_not_depend_on_the_order() -> None:
    assert all(promote(left, right) is promote(right, left) for left in ALL for right in ALL)
