"""The messages of rules/messages.toml: each is known in every spelling, by one row only, and what looks like one is none."""

from __future__ import annotations

import re
import textwrap

import pytest

from dtypecheck import checks
from dtypecheck.dtypes import BF16, BOOL, F8_E4M3, F8_E5M2, F16, F32, F64, I8, I64, U8, DType
from dtypecheck.knowledge import Knowledge
from dtypecheck.messages.explain import explain
from dtypecheck.messages.fill import fill
from dtypecheck.messages.find import find, nearest, parse
from dtypecheck.messages.patterns import pattern
from dtypecheck.messages.rows import ABOUT, KINDS, Row
from dtypecheck.messages.spelled import spelled
from dtypecheck.messages.windows import BIG, reduced
from dtypecheck.rule import rules
from dtypecheck.subjects.shown import Operand
from dtypecheck.verbs.explain import all_rows

from .message_texts import NEAR_MISSES, SEEN, TYPED

ROWS = all_rows()
ROLES = {"input", "query", "key", "value", "weight", "bias", "mask", "other", "target", "source", "destination"}
KEYS = {"kind", "about", "pattern", "only", "equal", "means", "because", "do", "seen", "says", "why", "source"}


def names(text: str) -> list[str]:
    return [found.row.name for found in find(text, ROWS)]


def by_role(row: Row, text: str) -> dict[str, str]:
    return {operand.role: operand.dtype.name for found in find(text, ROWS) if found.row is row for operand in found.operands}


# the rows themselves


def test_a_row_has_only_keys_and_words_that_are_known() -> None:
    for name, raw in Knowledge().all("messages"):
        assert not set(raw) - KEYS, name
        assert KEYS - {"only", "equal"} <= set(raw), name
        assert raw["kind"] in KINDS, name
        assert raw["about"] in ABOUT, name
        for key in ("because", "do", "seen", "says"):
            assert raw[key], name
            assert all(isinstance(one, str) and one.strip() for one in raw[key]), name


def test_no_two_rows_and_no_row_and_rule_have_the_same_name() -> None:
    checks.load()
    called = [row.name for row in ROWS]
    assert len(called) == len(set(called))
    assert not set(called) & {rule.name for rule in rules()}
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name) for name in called)


def test_the_patterns_of_a_row_can_be_compiled_and_need_a_word() -> None:
    for one in (one for row in ROWS for one in row.patterns):
        assert one.expression
        assert one.words, one.source
        assert set(one.roles) <= ROLES, one.source
        assert not re.search(r"\[[^\]]* [^\]]*\]", one.source), "a blank in a class would be taken for a gap"
        assert "'" not in one.source
        assert not at_top(one.source, "|"), "alternatives are patterns of their own"


def at_top(source: str, char: str) -> bool:
    depth = 0
    for one in re.sub(r"\\.|\[[^\]]*\]", "", source):
        depth += (one == "(") - (one == ")")
        if one == char and depth == 0:
            return True
    return False


def test_the_messages_that_a_row_shows_are_its_own() -> None:
    assert [(row.name, text) for row in ROWS for text in row.says if names(text) != [row.name]] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_sentence_of_a_row_is_short_and_its_blanks_can_be_filled(row: Row) -> None:
    found = parse(row.says[0], (row,))
    assert found is not None
    for text in (row.means, row.why, *row.because, *row.do):
        told = fill(text, found.operands, found.values)
        assert not re.search(r"\{[a-z_]+(\.[a-z]+)?\}", told.replace("{k: v", "")), told
        assert not re.search(r"(?<![\w.-])(BF16|F16|F32|F64)\b", told.replace("lhs: F16", "")), told
        assert len(told) <= 260, told
    for text in (row.means, *row.because, *row.do):
        assert not text.endswith("."), text
    assert row.why.endswith("."), row.why
    assert len(fill(row.do[0], found.operands, found.values)) <= 180


def test_a_row_without_dtypes_still_reads_as_a_sentence() -> None:
    for row in ROWS:
        told = fill(row.means)
        assert "{" not in told
        assert not re.search(r"\ba another\b|\bone dtype (tensor|weights|numbers)\b", told), told


def test_a_source_is_an_address_a_release_or_a_run_never_a_place_on_a_disk() -> None:
    library = r"(diffusers|transformers|peft)@[\d.]+:\S+|accelerate: \S+"
    torch = r"run: torch [\d.]+ CPU|wheel: torch [\d.]+( to [\d.]+)?"
    for row in ROWS:
        assert row.source, row.name
        for source in row.source:
            assert re.fullmatch(rf"https://\S+|{library}|{torch}", source), f"{row.name}: {source}"


# every spelling


@pytest.mark.parametrize(("text", "row", "dtypes"), SEEN, ids=[f"{n}-{one[1]}" for n, one in enumerate(SEEN)])
def test_a_message_word_for_word_is_one_row_with_its_dtypes(text: str, row: str, dtypes: dict[str, str]) -> None:
    (found,) = find(text, ROWS)
    assert found.row.name == row
    assert {operand.role: operand.dtype.name for operand in found.operands} == dtypes


@pytest.mark.parametrize(("text", "row"), TYPED, ids=[str(n) for n, _ in enumerate(TYPED)])
def test_a_message_from_memory_or_out_of_a_log_is_known(text: str, row: str) -> None:
    found = explain(text, ROWS)
    assert found.row is not None
    assert found.row.name == row
    assert not found.also


@pytest.mark.parametrize("text", NEAR_MISSES, ids=[str(n) for n, _ in enumerate(NEAR_MISSES)])
def test_what_looks_like_a_message_of_ours_and_is_none_is_not_known(text: str) -> None:
    assert names(text) == []
    assert explain(text, ROWS).row is None


def test_there_are_enough_near_misses() -> None:
    assert len(set(NEAR_MISSES)) >= 40


@pytest.mark.parametrize(
    "around",
    [
        "RuntimeError: {}",
        "2026-03-01 12:00:01,223 ERROR [worker-3] {}",
        "{}\n2026-03-01 12:00:02,000 INFO done in 3 s",
        "web_1  | {}",
        "before it went well.\n{}\nafter it nothing did.",
    ],
)
def test_a_message_is_known_in_a_log(around: str) -> None:
    for text, row, dtypes in SEEN:
        found = [one for one in find(around.format(text), ROWS) if one.row.name == row]
        assert len(found) == 1, text
        assert {operand.role: operand.dtype.name for operand in found[0].operands} == dtypes, text


@pytest.mark.parametrize("width", [40, 60, 79])
def test_a_message_that_a_terminal_has_wrapped_is_known(width: int) -> None:
    for text, row, _ in SEEN:
        wrapped = textwrap.fill(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)
        assert row in names(wrapped), wrapped


def test_every_row_has_a_message_word_for_word_or_shows_one() -> None:
    assert {row for _, row, _ in SEEN} <= {row.name for row in ROWS}
    assert all(row.says for row in ROWS)


# which dtype is whose


def test_the_first_dtype_of_a_product_is_the_inputs_and_the_first_of_addmm_the_biass() -> None:
    row = {one.name: one for one in ROWS}
    assert by_role(row["linear-dtypes"], "mat1 and mat2 must have the same dtype, but got Half and Float") == {
        "input": "F16",
        "weight": "F32",
    }
    assert by_role(row["addmm-dtypes"], "self and mat2 must have the same dtype, but got BFloat16 and Half") == {
        "bias": "BF16",
        "weight": "F16",
    }


def test_expected_is_the_first_tensors_dtype_and_found_the_others() -> None:
    (found,) = find("expected scalar type Half but found Float", ROWS)
    assert [(operand.role, operand.dtype) for operand in found.operands] == [("input", F16), ("other", F32)]


def test_the_same_words_with_the_same_dtype_are_about_devices() -> None:
    text = "Input type (torch.{}FloatTensor) and weight type (torch.{}FloatTensor) should be the same"
    (one,) = find(text.format("cuda.", ""), ROWS)
    assert (one.row.name, one.row.about) == ("conv-devices", "device")
    (two,) = find(text.format("cuda.", "").replace("torch.FloatTensor", "torch.HalfTensor"), ROWS)
    assert (two.row.about, two.devices) == ("dtype", ("cuda", "cpu"))
    (three,) = find(text.format("cuda.", "cuda.").replace("weight type (torch.cuda.Float", "weight type (torch.cuda.Half"), ROWS)
    assert (three.row.about, three.devices) == ("dtype", ())


def test_an_empty_list_of_kept_modules_is_information_and_a_full_one_a_warning() -> None:
    text = "There are modules in UNet2DModel that should be kept in float32: {}. Casting directly with `to()` can lead to"
    assert [found.row.kind for found in find(text.format("[]"), ROWS)] == ["info"]
    assert [found.row.kind for found in find(text.format("['wo']"), ROWS)] == ["warning"]


def test_a_message_that_comes_twice_is_counted_and_told_once() -> None:
    (found,) = find("expected scalar type Half but found Float\n" * 7, ROWS)
    assert found.times == 7


def test_several_messages_are_found_each_and_the_gravest_is_parsed() -> None:
    text = "`torch_dtype` is deprecated! Use `dtype` instead!\nRuntimeError: expected scalar type Half but found Float"
    assert names(text) == ["torch-dtype-renamed", "scalar-type"]
    found = parse(text, ROWS)
    assert found is not None
    assert found.row.name == "scalar-type"


@pytest.mark.parametrize(
    ("text", "dtype", "device"),
    [
        ("Half", F16, ""),
        ("c10::Half", F16, ""),
        ("struct c10::Half", F16, ""),
        ("at::Half", F16, ""),
        ("torch.float16", F16, ""),
        ("torch.cuda.HalfTensor", F16, "cuda"),
        ("torch.HalfTensor", F16, "cpu"),
        ("CPUBFloat16Type", BF16, "cpu"),
        ("MPSFloatType", F32, "mps"),
        ("kBFloat16", BF16, ""),
        ("at::kBFloat16", BF16, ""),
        ("kFloat", F32, ""),
        ("f16", F16, ""),
        ("float", F32, ""),
        ("double", F64, ""),
        ("long int", I64, ""),
        ("__int64", I64, ""),
        ("signed char", I8, ""),
        ("unsigned char", U8, ""),
        ("Char", I8, ""),
        ("bool", BOOL, ""),
        ("Float8_e4m3fn", F8_E4M3, ""),
        ("c10::Float8_e5m2", F8_E5M2, ""),
        ("torch.float8_e4m3fn", F8_E4M3, ""),
        ("ComplexHalf", None, ""),
        ("c10::complex<c10::Half>", None, ""),
    ],
)
def test_a_dtype_is_known_however_it_is_spelled(text: str, dtype: DType | None, device: str) -> None:
    assert spelled(text) == (dtype, device)


@pytest.mark.parametrize("text", ["", "tensor", "type", "str", "halfway", "the", "torch", "k", "cuda", "window", "nothing"])
def test_what_is_no_dtype_is_none(text: str) -> None:
    assert spelled(text) is None


# sentences, patterns, windows


def test_an_unknown_dtype_is_one_and_the_next_another() -> None:
    text = "given {input}, its weights in {weight}"
    assert fill(text) == "given one dtype, its weights in another"
    assert fill(text, (Operand("input", F16), Operand("bias", F32))) == "given fp16, its weights in fp32"
    half = (Operand("destination", F16),)
    assert fill("{destination.torch} ends at {destination.largest}", half) == "torch.float16 ends at 65,504"
    assert fill("{k: v}") == "{k: v}"


def test_a_pattern_needs_the_words_that_nothing_makes_optional() -> None:
    one = pattern(r"alpha (?:beta )?gammas? and \w+ {input}(?: delta)?")
    assert one.words == ("alpha", "and")
    assert one.roles == ("input",)
    assert one.expression.search('alpha, "gamma" and the x float16')
    assert not one.expression.search("alpha gamma or x float16")


def test_the_nearest_messages_are_told_for_an_unknown_one() -> None:
    near = [row.name for row in nearest("mat1 and mat2 have different dtypes: Half, Float", ROWS)]
    assert near[0] == "linear-dtypes"
    assert nearest("the printer is on fire", ROWS) == ()


def test_a_huge_text_is_cut_down_to_where_a_message_may_be() -> None:
    noise = "".join(f"step {n}: loss 0.{n % 1000:03}, lr 1e-4\n" for n in range(100_000))
    message = "RuntimeError: expected scalar type Half but found Float\n"
    text = noise + message + noise
    assert len(text) > BIG
    cut = reduced(text, ROWS)
    assert len(cut) < BIG / 4
    assert "expected scalar type Half" in cut
    assert reduced("short", ROWS) == "short"
