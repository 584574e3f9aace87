"""At the edge of a component numbers are taken away and zeros come back; what counts as an edge, and what keeps its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from dtypecheck.knowledge import Knowledge

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from torch._subclasses.fake_tensor import FakeTensor  # noqa: E402

from dtypecheck.runs import edges, origins  # noqa: E402
from dtypecheck.runs.contracts import Contracts  # noqa: E402
from dtypecheck.runs.edges import KEEPS, KNOWN  # noqa: E402
from dtypecheck.runs.modules import Modules  # noqa: E402
from dtypecheck.runs.origins import Origin  # noqa: E402
from dtypecheck.runs.world import World  # noqa: E402
from tests.loading import tiny  # noqa: E402

RULES = Knowledge()


@dataclass
class Answer:
    """What a model may return besides tensors and tuples."""

    sample: Any
    name: str = "kept"


class Probe(torch.nn.Module):
    """A component that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, Any] = {}

    def forward(self, sample: Any = None, *more: Any, **kwargs: Any) -> Any:
        self.seen = {"sample": sample, "more": more, **kwargs}
        return self.encode(sample)

    def encode(self, sample: Any) -> Any:
        return sample

    def answer(self, sample: Any) -> Any:
        return Answer(sample)

    def table(self, sample: Any) -> Any:
        return {"sample": sample, "list": [sample, 3], "none": None}

    def broken(self, sample: Any) -> Any:
        raise ValueError("no")

    def enable_tiling(self) -> str:
        return "tiled"

    def generate(self, sample: Any) -> Any:
        return self(sample)

    def _private(self, sample: Any) -> Any:
        return sample


def guarded(module: Any, name: str = "unet", hollow: bool = False) -> tuple[Any, World]:
    """A module with edges and its world. hollow: its parameters hold no numbers."""
    world = World(Contracts(RULES, "cuda"), Modules())
    if hollow:
        for owner in module.modules():
            for key, parameter in owner._parameters.items():
                owner._parameters[key] = None if parameter is None else world.parameter(parameter, parameter.dtype)
    edges.guard(name, module, world)
    return module, world


def given(tensor: Any) -> Any:
    """What a component sees of an argument."""
    probe, world = guarded(Probe())
    with world:
        probe(tensor)
    return probe.seen["sample"]


# What must be left alone


@pytest.mark.parametrize("tensor", [torch.tensor([[3, 1, 2]]), torch.tensor([True, False]), torch.arange(100_000)])
def test_ids_and_masks_keep_their_values_inside_a_component(tensor: Any) -> None:
    seen = given(tensor)
    assert not isinstance(seen, FakeTensor)
    assert seen.tolist() == tensor.tolist()


def test_a_timestep_keeps_its_value_inside_a_component() -> None:
    assert given(torch.full((KEEPS,), 981.0)).tolist() == [981.0] * KEEPS


def test_a_table_that_code_made_keeps_its_values_inside_a_component() -> None:
    probe, world = guarded(Probe())
    with world:
        probe(torch.linspace(0, 1, 1000))
    assert probe.seen["sample"][-1].item() == 1.0


def test_what_is_no_tensor_passes_as_it_is() -> None:
    probe, world = guarded(Probe())
    with world:
        probe("photo", 3, flag=True, nothing=None)
    assert probe.seen == {"sample": "photo", "more": (3,), "flag": True, "nothing": None}


@pytest.mark.parametrize("method", ["generate", "enable_tiling", "_private", "state_dict", "to", "named_modules"])
def test_switches_private_methods_and_those_of_the_frameworks_are_no_edges(method: str) -> None:
    probe, _ = guarded(Probe())
    assert method not in vars(probe)


def test_the_base_classes_of_the_libraries_have_no_edges() -> None:
    vae, _ = guarded(tiny.kl(), "vae")
    assert {"forward", "encode", "decode"} <= set(vars(vae))
    assert not {"save_pretrained", "enable_gradient_checkpointing", "set_attn_processor", "enable_tiling"} & set(vars(vae))


# Into a component


@pytest.mark.parametrize("size", [KEEPS + 1, KNOWN + 1])
def test_numbers_that_nobody_vouches_for_stay_outside(size: int) -> None:
    assert isinstance(given(torch.ones(size)), FakeTensor)


def test_numbers_that_a_component_had_a_part_in_stay_outside() -> None:
    probe, world = guarded(Probe())
    with world:
        latents = torch.linspace(0, 1, 64)
        origins.mark(latents, Origin("code", "step", after="unet"))
        probe(latents)
    assert isinstance(probe.seen["sample"], FakeTensor)


def test_numbers_stay_outside_in_lists_tables_and_keyword_arguments_too() -> None:
    probe, world = guarded(Probe())
    big = torch.ones(KEEPS + 1)
    with world:
        probe(None, [big, 1], added={"text_embeds": big, "name": "x"}, states=big)
    seen = probe.seen
    assert isinstance(seen["more"][0][0], FakeTensor)
    assert seen["more"][0][1] == 1
    assert isinstance(seen["added"]["text_embeds"], FakeTensor)
    assert isinstance(seen["states"], FakeTensor)


def test_a_tensor_is_known_inside_by_the_name_it_came_in_by() -> None:
    probe, world = guarded(Probe())
    big = torch.ones(KEEPS + 1, dtype=torch.float16)
    origins.mark(big, Origin("component", "text_encoder"))
    with world:
        probe(None, added={"text_embeds": big})
    origin = origins.of(probe.seen["added"]["text_embeds"])
    assert str(origin) == "text_encoder (text_embeds)"


# Out of a component


def test_outputs_are_zeros_of_the_component_with_shape_and_dtype() -> None:
    probe, world = guarded(Probe())
    latents = torch.ones(4, 8, dtype=torch.bfloat16)
    with world:
        out = probe(latents)
    assert not isinstance(out, FakeTensor)
    assert (out.shape, out.dtype, out.abs().sum().item()) == ((4, 8), torch.bfloat16, 0.0)
    assert origins.of(out) == Origin("component", "unet")


def test_records_and_tables_are_looked_into_on_the_way_out() -> None:
    probe, world = guarded(Probe())
    latents = torch.ones(64)
    with world:
        answer, table = probe.answer(latents), probe.table(latents)
    assert answer.name == "kept"
    assert table["none"] is None
    assert table["list"][1] == 3
    for out in (answer.sample, table["sample"], table["list"][0]):
        assert not isinstance(out, FakeTensor)
        assert out.sum().item() == 0


def test_the_glue_can_draw_from_what_a_vae_encodes_and_decode_it() -> None:
    vae, world = guarded(tiny.kl(), "vae", hollow=True)
    with torch.no_grad(), world:
        latents = vae.encode(torch.zeros(1, 3, 16, 16)).latent_dist
        drawn, mode = latents.sample(generator=torch.Generator().manual_seed(0)), latents.mode()
        picture = vae.decode(drawn).sample
    assert not any(isinstance(tensor, FakeTensor) for tensor in (drawn, mode, picture))
    assert (drawn.shape, picture.shape) == ((1, 4, 8, 8), (1, 3, 16, 16))
    assert origins.of(drawn) is not None
    assert origins.of(picture) == Origin("component", "vae")
    assert world.methods == ["vae.encode", "vae.decode"]


def test_generate_is_glue_and_every_forward_in_it_an_edge() -> None:
    encoder, world = guarded(tiny.t5("T5ForConditionalGeneration"), "text_encoder", hollow=True)
    encoder.eval()
    with torch.no_grad(), world:
        ids = encoder.generate(
            input_ids=torch.tensor([[3, 4, 1]]), max_new_tokens=2, min_new_tokens=2, do_sample=False, decoder_start_token_id=0
        )
    assert ids.shape == (1, 3)
    assert not isinstance(ids, FakeTensor)
    assert world.methods.count("text_encoder.forward") == 2
    assert "generate" not in vars(encoder)


# The way there and back


def test_a_method_that_a_component_calls_of_its_own_is_no_second_edge() -> None:
    probe, world = guarded(Probe())
    with world:
        probe(torch.ones(64))
    assert world.methods == ["unet.forward"]


def test_an_exception_leaves_the_component_and_is_remembered_once() -> None:
    probe, world = guarded(Probe())
    with world, pytest.raises(ValueError, match="no"):
        probe.broken(torch.ones(64))
    assert (world.inside, world.modules.stack, world.modules.failed) == ([], [], "unet")
