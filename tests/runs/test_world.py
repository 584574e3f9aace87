"""Operators run on what they are given: real numbers stay, tensors without numbers give such, and contracts hold for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dtypecheck.knowledge import Knowledge

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensor  # noqa: E402
from torch.nn.attention.flex_attention import flex_attention  # noqa: E402

from dtypecheck.runs import origins  # noqa: E402
from dtypecheck.runs.contracts import Contracts  # noqa: E402
from dtypecheck.runs.modules import Modules  # noqa: E402
from dtypecheck.runs.origins import Origin  # noqa: E402
from dtypecheck.runs.pretend import eager  # noqa: E402
from dtypecheck.runs.world import LARGE, Undecided, World, filled, name_of, roles  # noqa: E402

KNOWN = Knowledge()
LINEAR = torch.nn.functional.linear


def world(device: str = "cuda", inside: bool = False) -> World:
    """A world of its own. inside: as if a component ran."""
    made = World(Contracts(KNOWN, device), Modules())
    if inside:
        made.inside.append("unet")
    return made


def without(made: World, *shape: int, dtype: Any = torch.float32) -> Any:
    return made.without_numbers(torch.ones(shape, dtype=dtype))


# What must come out as on any day


def test_operators_on_real_tensors_keep_their_values() -> None:
    with world():
        product = torch.arange(6.0).reshape(2, 3) @ torch.ones(3, 1)
        total = torch.tensor([3, 4]).sum().item()
    assert not isinstance(product, FakeTensor)
    assert product.tolist() == [[3.0], [12.0]]
    assert total == 7


def test_masks_and_positions_keep_their_values_inside_a_component() -> None:
    with world(inside=True):
        places = torch.tensor([[1, 1, 0]]).cumsum(-1)
        chosen = torch.tensor([5, 6, 7])[places[0] > 1]
    assert places.tolist() == [[1, 2, 2]]
    assert chosen.tolist() == [6, 7]


def test_what_the_cpu_can_do_in_half_keeps_its_numbers_on_cuda() -> None:
    with world():
        assert torch.special.i0(torch.zeros(2, dtype=torch.float16)).tolist() == [1.0, 1.0]


def test_a_large_result_keeps_its_numbers_in_the_glue() -> None:
    with world():
        result = torch.outer(torch.ones(2048), torch.ones(1024))
    assert result.numel() > LARGE
    assert result.sum().item() == 2048 * 1024


def test_many_whole_numbers_keep_their_values_inside_a_component() -> None:
    with world(inside=True):
        result = torch.zeros(LARGE, dtype=torch.int64) + torch.arange(LARGE)
    assert not isinstance(result, FakeTensor)
    assert result[-1].item() == LARGE - 1


# Tensors without numbers


def test_one_tensor_without_numbers_makes_a_result_without_numbers() -> None:
    here = world()
    tensor = without(here, 2, 3, dtype=torch.float16)
    with here:
        result = tensor + torch.ones(3, dtype=torch.float16)
    assert isinstance(result, FakeTensor)
    assert (result.shape, result.dtype) == ((2, 3), torch.float16)


def test_a_large_result_inside_a_component_loses_its_numbers() -> None:
    with world(inside=True):
        result = torch.outer(torch.ones(2048), torch.ones(1024))
        made = torch.zeros(2048, 1024, dtype=torch.bfloat16)
    assert isinstance(result, FakeTensor)
    assert isinstance(made, FakeTensor)
    assert (result.shape, made.dtype) == ((2048, 1024), torch.bfloat16)


def test_a_mask_with_values_says_how_many_are_left() -> None:
    here = world()
    tensor = without(here, 4, 3)
    with here:
        read = tensor[torch.tensor([True, False, True, True])]
        tensor[torch.tensor([False, True, False, False])] = torch.zeros(1, 3)
    assert read.shape == (3, 3)


def test_a_mask_that_nobody_knows_is_undecided_and_says_which_operator() -> None:
    here = world()
    tensor = without(here, 4, 3)
    with here, pytest.raises(Undecided, match=r"aten\.index\.Tensor"):
        tensor[tensor > 0]
    assert "needs numbers" in here.undecided


def test_positions_chosen_by_unknown_numbers_are_the_first_ones() -> None:
    here = world(inside=True)
    tensor = without(here, 4, 3)
    with here:
        best = tensor.argmax(-1)
        values, chosen = tensor.topk(2)
        row = torch.arange(30).reshape(3, 10)[best]
    assert best.tolist() == [0, 0, 0, 0]
    assert chosen.tolist() == [[0, 0]] * 4
    assert isinstance(values, FakeTensor)
    assert row[0].tolist() == list(range(10))


@pytest.mark.parametrize(("ask", "answer"), [(lambda t: t.sum().item(), 0.0), (lambda t: bool(t.sum() > 0), False)])
def test_the_glue_is_told_zero_where_nobody_knows(ask: Callable[[Any], object], answer: object) -> None:
    here = world()
    tensor = without(here, 4)
    with here:
        said = ask(tensor)
    assert said == answer
    assert type(said) is type(answer)


@pytest.mark.parametrize("ask", [lambda t: t.sum().item(), lambda t: bool(t.sum() > 0)])
def test_a_component_that_asks_for_unknown_numbers_is_undecided(ask: Callable[[Any], object]) -> None:
    here = world(inside=True)
    tensor = without(here, 4)
    with here, pytest.raises(Undecided):
        ask(tensor)
    assert "_local_scalar_dense" in here.undecided
    assert here.breach is None


def test_flex_attention_gives_its_shape_or_is_undecided_but_never_fails() -> None:
    here = world(inside=True)
    query, key, value = (without(here, 1, 2, 16, 8, dtype=torch.float16) for _ in "qkv")
    with eager(), here:
        try:
            result = flex_attention(query, key, value)
        except Undecided:
            assert "flex_attention" in here.undecided
        else:
            assert (result.shape, result.dtype) == ((1, 2, 16, 8), torch.float16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_grouped_products_run_in_every_dtype_that_the_real_ones_run_in(dtype: Any) -> None:
    here = world(inside=True)
    tokens, experts = without(here, 8, 16, dtype=dtype), without(here, 2, 16, 24, dtype=dtype)
    with here:
        result = torch._grouped_mm(tokens, experts, torch.tensor([4, 8], dtype=torch.int32))
    assert (result.shape, result.dtype) == ((8, 24), dtype)


def test_grouped_products_of_two_dtypes_still_fail() -> None:
    here = world(inside=True)
    tokens, experts = without(here, 8, 16), without(here, 2, 16, 24, dtype=torch.bfloat16)
    with here, pytest.raises((RuntimeError, ValueError)):
        torch._grouped_mm(tokens, experts, torch.tensor([4, 8], dtype=torch.int32))


# What the CPU lacks


def test_a_half_kernel_that_only_the_cpu_lacks_gives_zeros_on_cuda() -> None:
    with world("cuda"):
        result = torch.special.bessel_j0(torch.ones(2, 3, dtype=torch.float16))
    assert not isinstance(result, FakeTensor)
    assert (result.dtype, result.shape) == (torch.float16, (2, 3))


def test_a_kernel_that_the_cpu_has_for_floats_alone_counts_whole_numbers_on_cuda() -> None:
    """Every mixture of experts counts its tokens so, where the device is no CPU."""
    with world():
        counted = torch.histc(torch.tensor([0, 2, 2], dtype=torch.int32), bins=4, min=0, max=3)
    assert (counted.dtype, counted.tolist()) == (torch.int32, [1, 0, 2, 0])
    with pytest.raises(NotImplementedError, match="histogram_cpu"), world("cpu"):
        torch.histc(torch.tensor([0, 2, 2], dtype=torch.int32), bins=4, min=0, max=3)


def test_a_half_kernel_that_the_cpu_lacks_raises_on_the_cpu() -> None:
    here = world("cpu")
    with here, pytest.raises(NotImplementedError, match="not implemented for 'Half'"):
        torch.special.bessel_j0(torch.ones(2, 3, dtype=torch.float16))
    assert here.failed is not None
    assert here.failed[1] == "special_bessel_j0"


# Contracts


def test_equal_dtypes_break_no_contract() -> None:
    here = world()
    half = without(here, 2, 4, dtype=torch.float16)
    with here:
        assert LINEAR(half, torch.ones(3, 4, dtype=torch.float16)).dtype == torch.float16
    assert here.breach is None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("numbers", [True, False])
def test_a_contract_holds_with_and_without_numbers_and_in_inference_mode(mode: Callable[[], Any], numbers: bool) -> None:
    here = world()
    half, single = torch.ones(2, 4, dtype=torch.float16), torch.ones(3, 4)
    given = half if numbers else here.without_numbers(half)
    with mode(), here, pytest.raises(RuntimeError, match="to have the same dtype, but got: c10::Half != float"):
        LINEAR(given, single)
    assert here.breach is not None
    assert [role for role, _ in here.breach.operands][:2] == ["input", "weight"]


def test_inference_mode_breaks_nothing_that_runs() -> None:
    here = world()
    with torch.inference_mode(), here:
        result = LINEAR(without(here, 2, 4, dtype=torch.float16), torch.ones(3, 4, dtype=torch.float16))
    assert (result.shape, here.breach) == ((2, 3), None)


def test_an_operator_that_fails_by_itself_is_kept_with_its_tensors() -> None:
    here = world()
    with here, pytest.raises(RuntimeError):
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert here.breach is None
    assert here.failed is not None
    _, operator, tensors = here.failed
    assert (operator, [role for role, _ in tensors]) == ("mm", ["input", "weight"])


# The small tools


def test_taking_the_numbers_away_keeps_shape_dtype_and_origin() -> None:
    here = world()
    tensor = torch.ones(2, 3, dtype=torch.bfloat16)
    origins.mark(tensor, Origin("argument", "latents"))
    fake = here.without_numbers(tensor)
    assert isinstance(fake, FakeTensor)
    assert (fake.shape, fake.dtype) == ((2, 3), torch.bfloat16)
    assert origins.of(fake) == Origin("argument", "latents")
    assert here.without_numbers(fake) is fake


def test_zeros_in_place_of_unknown_numbers_keep_shape_dtype_and_origin() -> None:
    here = world()
    fake = without(here, 2, 3, dtype=torch.bfloat16)
    origins.mark(fake, Origin("component", "unet"))
    real = torch.ones(1)
    zeros, (same,) = filled([fake, (real,)])
    assert (zeros.dtype, zeros.tolist()) == (torch.bfloat16, [[0.0] * 3] * 2)
    assert origins.of(zeros) == Origin("component", "unet")
    assert same is real


def test_huge_zeros_take_no_memory() -> None:
    here = world()
    with here.fake:
        huge = torch.empty(1 << 20, 1 << 10)
    zeros = filled(huge)
    assert zeros.shape == huge.shape
    assert zeros.untyped_storage().nbytes() < 100


def test_a_parameter_has_a_shape_and_a_dtype_and_takes_no_gradient() -> None:
    made = world().parameter(torch.ones(2, 3), torch.float16)
    assert isinstance(made, torch.nn.Parameter)
    assert (made.shape, made.dtype, made.requires_grad) == ((2, 3), torch.float16, False)


def test_operands_are_called_by_what_they_are_there_for() -> None:
    batches = torch.ones(1, 2, 2), torch.ones(1, 2, 2)
    assert [role for role, _ in roles(torch.ops.aten.bmm.default, batches)] == ["input", "weight"]
    assert [role for role, _ in roles(torch.ops.aten.embedding.default, (torch.ones(4, 2), torch.tensor([1])))] == ["weight"]
    assert name_of(torch.ops.aten.convolution.default) == "convolution"
