"""Who brought a tensor: the parameter, component, argument or line of code, through casts and further operators."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.knowledge import Knowledge

torch = pytest.importorskip("torch")

from dtypecheck.runs import origins  # noqa: E402
from dtypecheck.runs.contracts import Contracts  # noqa: E402
from dtypecheck.runs.modules import Modules  # noqa: E402
from dtypecheck.runs.origins import Origin  # noqa: E402
from dtypecheck.runs.world import World  # noqa: E402

KNOWN = Knowledge()
PARAMETER = Origin("parameter", "unet.conv_in.weight")
COMPONENT = Origin("component", "text_encoder")
ARGUMENT = Origin("argument", "image")
F16, F32 = torch.float16, torch.float32


@pytest.fixture
def world() -> World:
    return World(Contracts(KNOWN, "cuda"), Modules())


def made(origin: Origin | None, dtype: Any = F32, *shape: int) -> Any:
    tensor = torch.ones(shape or (2, 2), dtype=dtype)
    if origin:
        origins.mark(tensor, origin)
    return tensor


def line() -> int:
    """The line that asks."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


# Nobody, and those who have nothing to say


def test_a_tensor_from_outside_has_no_origin() -> None:
    assert origins.of(torch.ones(2)) is None


def test_whole_numbers_carry_no_origin(world: World) -> None:
    with world:
        result = torch.ones(2, dtype=torch.int64) + 1
    assert origins.of(result) is None


def test_a_tensor_changed_in_place_stays_who_it_was(world: World) -> None:
    latents = made(COMPONENT)
    with world:
        latents.mul_(made(PARAMETER))
    assert origins.of(latents) == COMPONENT


# Who is named


def test_what_comes_of_a_parameter_alone_is_the_parameter_s(world: World) -> None:
    with world:
        result = made(PARAMETER).t() * 2
    assert origins.of(result) == PARAMETER


@pytest.mark.parametrize("first", [True, False])
def test_a_component_s_output_is_named_before_the_weight_it_met(world: World, first: bool) -> None:
    both = (made(COMPONENT), made(PARAMETER))
    with world:
        result = torch.mm(*(both if first else both[::-1]))
    origin = origins.of(result)
    assert origin is not None
    assert (origin.kind, origin.name, origin.component) == ("component", "text_encoder", "text_encoder")


def test_a_component_is_named_before_an_argument_and_an_argument_before_code(world: World) -> None:
    with world:
        noise = torch.randn(2, 2)
        with_image = noise + made(ARGUMENT)
        with_embeds = with_image + made(COMPONENT)
    assert (origins.of(with_image) or COMPONENT).kind == "argument"
    assert (origins.of(with_embeds) or ARGUMENT).kind == "component"


def test_the_tensor_that_decided_the_dtype_is_named(world: World) -> None:
    with world:
        result = made(COMPONENT, F16) + made(PARAMETER, F32)
    origin = origins.of(result)
    assert origin is not None
    assert (result.dtype, origin.kind, origin.name) == (F32, "parameter", "unet.conv_in.weight")


def test_what_nobody_made_is_the_line_of_code_that_made_it(world: World) -> None:
    with world:
        noise = torch.randn(2, 2)
        there = line() - 1
    origin = origins.of(noise)
    assert origin is not None
    assert (origin.kind, origin.component) == ("code", "")
    assert origin.name == "test_what_nobody_made_is_the_line_of_code_that_made_it"
    assert origin.where.endswith(f"{Path(__file__).name}:{there}")
    assert str(origin).startswith(f"{origin.name}() at ")


def test_a_cast_is_the_line_that_cast_and_remembers_whose_output_it_was(world: World) -> None:
    embeds = made(COMPONENT, F16)
    with world:
        wide = embeds.to(F32)
        there = line() - 1
        result = wide * 2
    origin = origins.of(result)
    assert origin is not None
    assert (origin.kind, origin.after) == ("code", "text_encoder")
    assert origin.where.endswith(f"{Path(__file__).name}:{there}")


def test_a_weight_that_is_cast_stays_the_weight(world: World) -> None:
    with world:
        wide = made(PARAMETER, F16).to(F32)
    origin = origins.of(wide)
    assert origin is not None
    assert (origin.kind, origin.name, origin.after) == ("parameter", "unet.conv_in.weight", "")


def test_a_cast_to_the_dtype_it_has_changes_nothing(world: World) -> None:
    embeds = made(COMPONENT, F16)
    with world:
        assert origins.of(embeds.to(F16)) == COMPONENT


def test_the_component_that_had_a_part_is_remembered_after_code(world: World) -> None:
    with world:
        latents = torch.randn(2, 2)
        stepped = latents + made(COMPONENT, F16)
        later = stepped * 2
    assert [(origin.kind, origin.after) for t in (latents, stepped, later) if (origin := origins.of(t))] == [
        ("code", ""),
        ("code", "text_encoder"),
        ("code", "text_encoder"),
    ]


def test_the_name_by_which_a_component_was_given_it_is_the_last_one() -> None:
    tensor = made(COMPONENT)
    origins.through(tensor, "prompt_embeds")
    origins.through(tensor, "hidden_states")
    assert str(origins.of(tensor)) == "text_encoder (hidden_states)"


def test_a_name_gives_no_origin_to_what_had_none() -> None:
    tensor = torch.ones(2)
    origins.through(tensor, "prompt_embeds")
    assert origins.of(tensor) is None


# Words, and where tensors hide


@pytest.mark.parametrize(
    ("origin", "words", "component"),
    [
        (PARAMETER, "unet.conv_in.weight", "unet"),
        (COMPONENT, "text_encoder", "text_encoder"),
        (ARGUMENT, "the argument image", ""),
        (Origin("argument", "image", through="image"), "the argument image", ""),
        (Origin("component", "unet", through="z"), "unet (z)", "unet"),
        (Origin("code", "prepare_latents"), "prepare_latents()", ""),
        (Origin("code", "prepare_latents", where="x.py:3"), "prepare_latents() at x.py:3", ""),
    ],
)
def test_an_origin_is_said_as_people_say_it(origin: Origin, words: str, component: str) -> None:
    assert (str(origin), origin.component) == (words, component)


def test_tensors_are_found_in_lists_and_tables() -> None:
    one, two, three = torch.ones(1), torch.ones(2), torch.ones(3)
    found = origins.tensors((one, 3, [two, "x"], {"key": (three, None)}))
    assert [tensor.numel() for tensor in found] == [1, 2, 3]
