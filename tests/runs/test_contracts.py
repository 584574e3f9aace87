"""A call on tensors without numbers, held to the contracts of the CPU, ends as the real one does, to the word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from dtypecheck.knowledge import Knowledge
from dtypecheck.runs.contracts import Breach, Contracts
from dtypecheck.runs.contracts.kinds import KINDS, named
from dtypecheck.runs.contracts.words import Word

from .contract_calls import Call
from .contract_outcomes import CALLS, DIFFERS, explained, quietly, real, rehearsed

KNOWN: Final = Knowledge()
BY_NAME: Final = {call.name: call for call in CALLS}
DEVICES: Final = {"cpu", "cuda", "rocm", "mps", "xpu"}
ROLES: Final = {"input", "weight", "bias", "mask", "query", "key", "value", "source", "destination"}
ROW: Final = {"also", "kernels", "operator", "devices", "roles", "checks", "confirmed", "why", "source"}
CHECK: Final = {"of", "fault", "true_division", "promotes_numbers", "says", "error", "confirmed"}
TERMS: Final = {"where", "small", "large", "dims", "indexed", "backend", "depthwise", "resizes"}


@pytest.fixture(scope="module")
def fake() -> FakeTensorMode:
    return FakeTensorMode(allow_non_fake_inputs=True)


@pytest.fixture(scope="module")
def cpu() -> Contracts:
    return Contracts(KNOWN, "cpu")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_call_ends_as_on_the_real_cpu_whatever_the_dtypes(call: Call, cpu: Contracts, fake: FakeTensorMode) -> None:
    differing = []
    with quietly():
        for plan in call.plans():
            truth, found = real(call, plan, "cpu"), rehearsed(call, plan, cpu, fake).outcome
            if truth != found:
                differing.append((plan, truth, found))
    if call.name not in DIFFERS:
        assert not differing
    else:
        assert differing, f"{call.name} no longer differs: take it out of the list"
        assert all(explained(call.name, truth, found) for _, truth, found in differing)


def test_the_table_is_broad() -> None:
    plans = sum(1 for call in CALLS for _ in call.plans())
    assert len(CALLS) >= 300
    assert plans >= 8000
    assert len({call.name for call in CALLS}) == len(CALLS)


def _breach(name: str, device: str, fake: FakeTensorMode, **plan: str) -> Breach | None:
    call = BY_NAME[name]
    assert plan in list(call.plans())
    with quietly():
        return rehearsed(call, {slot: plan[slot] for slot in call.slots()}, Contracts(KNOWN, device), fake).breach


SEEN: Final = (
    ("linear", "cuda", {"x": "f16", "w": "f32", "b": "f32"}, "mat1 and mat2 must have the same dtype, but got Half and Float"),
    (
        "linear",
        "cuda",
        {"x": "f16", "w": "f16", "b": "bf16"},
        "self and mat2 must have the same dtype, but got BFloat16 and Half",
    ),
    ("mm", "cuda", {"x": "f16", "w": "f32"}, "expected mat1 and mat2 to have the same dtype, but got: c10::Half != float"),
    ("mm", "xpu", {"x": "f32", "w": "f16"}, "expected mat1 and mat2 to have the same dtype, but got: float != c10::Half"),
    ("bmm large", "cuda", {"x": "f16", "w": "f32"}, "expected scalar type Half but found Float"),
    ("layer_norm", "cuda", {"x": "f16", "w": "f32", "b": "f32"}, "expected scalar type Half but found Float"),
    ("layer_norm", "cuda", {"x": "f32", "w": "f16", "b": "f16"}, "expected scalar type Float but found Half"),
    ("group_norm", "cuda", {"x": "f16", "w": "f32", "b": "f32"}, "expected scalar type Half but found Float"),
    (
        *("group_norm", "cuda", {"x": "f32", "w": "f16", "b": "f16"}),
        "mixed dtype (CPU): expect parameter to have scalar type of Float",
    ),
    (
        *("conv2d no bias", "cuda", {"x": "f16", "w": "f32"}),
        "Input type (torch.cuda.HalfTensor) and weight type (torch.cuda.FloatTensor) should be the same",
    ),
    (
        *("conv2d no bias", "mps", {"x": "f32", "w": "f16"}),
        "Input type (MPSFloatType) and weight type (MPSHalfType) should be the same",
    ),
    (
        *("sdpa mask", "cuda", {"q": "bf16", "k": "bf16", "v": "bf16", "m": "f32"}),
        "invalid dtype for bias - should match query's dtype",
    ),
    (
        *("index put mask", "cuda", {"x": "f16", "i": "bool", "y": "f32"}),
        "Index put requires the source and destination dtypes match, got Half for the destination and Float for the source.",
    ),
    (
        *("embedding", "cuda", {"i": "f16", "w": "f16"}),
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
        "torch.cuda.HalfTensor instead (while checking arguments for embedding)",
    ),
    ("linear one dtype", "cuda", {"x": "f8", "w": "f8", "b": "f8"}, "\"addmm_cuda\" not implemented for 'Float8_e4m3fn'"),
    (
        *("mul", "cuda", {"x": "f8", "y": "bf16"}),
        "Promotion for Float8 Types is not supported, attempted to promote Float8_e4m3fn and BFloat16",
    ),
    (
        *("stft", "cuda", {"x": "bf16", "w": "bf16"}),
        "cuFFT doesn't support tensor of type: BFloat16",
    ),
    (
        *("add", "mps", {"x": "f32", "y": "f64"}),
        "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Please use float32 instead.",
    ),
    (
        *("to f64", "mps", {"x": "f16"}),
        "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Please use float32 instead.",
    ),
)
"""Messages that people posted from such a device; messages that were only read in PyTorch's code are not here."""


@pytest.mark.parametrize(("name", "device", "plan", "message"), SEEN, ids=lambda value: value if isinstance(value, str) else "")
def test_what_people_saw_on_a_gpu_is_said_in_its_words_and_as_confirmed(
    name: str, device: str, plan: dict[str, str], message: str, fake: FakeTensorMode
) -> None:
    breach = _breach(name, device, fake, **plan)
    assert breach is not None
    assert breach.message == message
    assert breach.confirmed


RUNS: Final = (
    ("layer_norm", "cpu", {"x": "bf16", "w": "f32", "b": "f32"}),
    ("batch_norm", "cuda", {"x": "f16", "m": "f32", "v": "f32", "w": "f32", "b": "f32"}),
    ("sdpa mask", "cpu", {"q": "bf16", "k": "bf16", "v": "bf16", "m": "f32"}),
    ("sdpa mask", "cuda", {"q": "bf16", "k": "bf16", "v": "bf16", "m": "bool"}),
    ("avg_pool3d", "cuda", {"x": "f16"}),
    ("interpolate bilinear antialias", "cuda", {"x": "bf16"}),
    ("clamp 1e9", "cuda", {"x": "f16"}),
    ("slice assign", "cuda", {"x": "f16", "y": "f32"}),
    ("add", "mps", {"x": "f32", "y": "f16"}),
    ("add scalar tensor", "mps", {"x": "f32", "y": "f16"}),
    ("where", "cuda", {"m": "bool", "x": "f16", "y": "f32"}),
    ("cat", "cuda", {"x": "f16", "y": "f32"}),
)


@pytest.mark.parametrize(("name", "device", "plan"), RUNS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_device_lets_pass_is_left_alone(name: str, device: str, plan: dict[str, str], fake: FakeTensorMode) -> None:
    assert _breach(name, device, fake, **plan) is None


def test_what_was_only_read_in_the_code_of_pytorch_is_not_confirmed(fake: FakeTensorMode) -> None:
    breach = _breach("baddbmm", "cuda", fake, b="f32", x="f16", w="f16")
    assert breach is not None
    assert not breach.confirmed
    assert breach.message == "Input dtypes must be the same, got: input float, batch1: c10::Half, batch2: c10::Half"


def test_a_breach_names_the_tensors_by_their_roles(cpu: Contracts, fake: FakeTensorMode) -> None:
    bias, given, weight = (fake.from_tensor(torch.ones(*shape, dtype=dtype)) for shape, dtype in _LINEAR)
    breach = cpu.breach(torch.ops.aten.addmm.default, (bias, given, weight), {})
    assert breach is not None
    assert breach.operator == "linear"
    assert breach.error is RuntimeError
    assert dict(breach.operands) == {"input": given, "weight": weight, "bias": bias}


_LINEAR: Final = (((4,), torch.float32), ((2, 3), torch.float16), ((3, 4), torch.float32))


@pytest.mark.parametrize(
    ("name", "plan", "operator"),
    [
        ("conv1d no bias", {"x": "f16", "w": "f32"}, "conv1d"),
        ("conv3d no bias", {"x": "f16", "w": "f32"}, "conv3d"),
        ("conv_transpose2d no bias", {"x": "f16", "w": "f32"}, "conv_transpose2d"),
        ("layer_norm no bias", {"x": "f32", "w": "f16"}, "layer_norm"),
        ("matmul 4d", {"x": "f16", "w": "f32"}, "bmm"),
        ("linear no bias", {"x": "f16", "w": "f32"}, "linear"),
        ("silu", {"x": "f8"}, "silu"),
        ("softmax", {"x": "f8"}, "softmax"),
    ],
)
def test_an_operator_is_called_as_people_call_it(name: str, plan: dict[str, str], operator: str, fake: FakeTensorMode) -> None:
    breach = _breach(name, "cpu", fake, **plan)
    assert breach is not None
    assert breach.operator == operator


def test_an_answer_does_not_depend_on_what_was_asked_before(cpu: Contracts, fake: FakeTensorMode) -> None:
    clamp = torch.ops.aten.clamp.default
    half, full = (fake.from_tensor(torch.ones(2, dtype=dtype)) for dtype in (torch.float16, torch.float32))
    asked = [(half, 1.0), (half, 1e9), (full, 1e9), (half, 1.0), (half, 1e9)]
    assert [cpu.breach(clamp, (given, -1.0, most), {}) is None for given, most in asked] == [True, False, True, True, False]


def test_an_operator_without_a_row_is_let_pass(cpu: Contracts, fake: FakeTensorMode) -> None:
    assert cpu.breach(torch.ops.aten.view.default, (fake.from_tensor(torch.ones(2)), [2]), {}) is None
    assert cpu.breach(torch.ops.higher_order.cond, (), {}) is None


def test_no_device_knows_less_than_the_demands_that_all_share() -> None:
    assert all(Contracts(KNOWN, device).breach(torch.ops.aten.add.Tensor, _FP8, {}) is not None for device in DEVICES)


_FP8: Final = (torch.ones(2, dtype=torch.float8_e4m3fn), torch.ones(2, dtype=torch.float16))


@pytest.mark.parametrize(
    ("dtype", "device", "words"),
    [
        (torch.float16, "cuda", ("float16", "torch.float16", "Half", "c10::Half", "c10::Half", "torch.cuda.HalfTensor")),
        (torch.bfloat16, "cpu", ("bfloat16", "torch.bfloat16", "BFloat16", "c10::BFloat16", "c10::BFloat16", "CPUBFloat16Type")),
        (torch.int64, "cpu", ("int64", "torch.int64", "Long", "long int", "int64_t", "torch.LongTensor")),
        (torch.float32, "mps", ("float32", "torch.float32", "Float", "float", "float", "MPSFloatType")),
    ],
    ids=str,
)
def test_a_dtype_is_spelled_as_the_message_spells_it(dtype: torch.dtype, device: str, words: tuple[str, ...]) -> None:
    word = Word(dtype, device)
    assert (word.plain, word.torch, word.scalar, word.c10, word.cpp, word.tensor) == words


def _rows() -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, dict(row)) for name, row in KNOWN.all("contracts"))


def test_a_row_has_only_keys_and_words_that_are_known() -> None:
    for name, row in _rows():
        assert set(row) <= ROW, name
        assert set(row["devices"]) <= DEVICES, name
        assert set(row["confirmed"]) <= set(row["devices"]), name
        assert set(row.get("roles", {}).values()) <= ROLES, name
        for check in row["checks"]:
            kinds = set(check) & set(KINDS)
            assert len(kinds) == 1, (name, check)
            assert set(check) <= CHECK | TERMS | kinds, (name, check)
            assert set(check.get("confirmed", ())) <= set(row["devices"]), name
            assert all(named(names) for names in check.get("where", {}).values()), name


def test_a_row_is_about_operators_that_there_are() -> None:
    for name, row in _rows():
        for header in row.get("kernels") or (name, *row.get("also", ())):
            operator = header.partition(": ")[0]
            assert operator == "*" or hasattr(torch.ops.aten, operator.removeprefix("aten.")), header


def test_every_argument_that_a_row_names_is_one_of_its_operator() -> None:
    for name, row in _rows():
        if name == "*" or "kernels" in row:
            continue
        packets = [getattr(torch.ops.aten, header.removeprefix("aten.")) for header in (name, *row.get("also", ()))]
        schemas = [getattr(packet, overload)._schema for packet in packets for overload in packet.overloads()]
        taken = {argument.name for schema in schemas for argument in schema.arguments}
        used = {word for check in row["checks"] for key in ("same", "where", "mixed", "range") for word in check.get(key, ())}
        assert set(row.get("roles", ())) | used <= taken, name


def test_a_row_about_the_cpu_was_seen_in_a_run() -> None:
    for name, row in _rows():
        assert ("cpu" in row["devices"]) == ("run: torch 2.13 CPU" in row["source"]), name
        assert ("cpu" in row["devices"]) == ("cpu" in row["confirmed"]), name


def test_a_row_that_is_confirmed_on_a_gpu_names_a_report() -> None:
    for name, row in _rows():
        gpus = {device for check in row["checks"] for device in check.get("confirmed", row["confirmed"])} - {"cpu"}
        assert not gpus or any(source.startswith("https://") for source in row["source"]), name
