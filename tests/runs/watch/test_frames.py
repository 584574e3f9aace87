"""What is read out of a live traceback: the module's path, and the tensors that met on the line that failed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

import dtypecheck
from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.runs.watch.expression import terms
from dtypecheck.runs.watch.frames import named, operands, stops
from dtypecheck.subjects.shown import Operand

H = torch.float16


class Attention(nn.Module):
    """Computes by hand, with a projection of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.to_q = nn.Linear(4, 4)

    def forward(self, states: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        query = self.to_q(states)
        key = states.half()
        scores = torch.bmm(
            query,
            key.transpose(1, 2),
        )
        return scores if attention_mask is None else scores + attention_mask


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(4, 4, 1)
        self.blocks = nn.ModuleList([Attention()])

    def forward(self, sample: torch.Tensor) -> torch.Tensor:
        sample = self.conv_in(sample)
        for block in self.blocks:
            sample = block(sample.flatten(2).transpose(1, 2))
        return sample


class Vae(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.decoder = Decoder()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self.decoder(latents)  # type: ignore[no-any-return]


class Pipeline:
    """Like one of diffusers: it has components."""

    def __init__(self) -> None:
        self._parts = {"vae": Vae(), "scheduler": object()}

    @property
    def components(self) -> dict[str, Any]:
        return self._parts

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        return self._parts["vae"].decode(latents)  # type: ignore[no-any-return, attr-defined]


class Plain:
    """Keeps its model as an attribute."""

    def __init__(self) -> None:
        self.net = Vae()

    def run(self, latents: torch.Tensor) -> torch.Tensor:
        return self.net.decode(latents)


def latents(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.ones(1, 4, 2, 2, dtype=dtype)


def caught(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as fault:  # noqa: BLE001 - whatever it is
        return fault
    raise AssertionError("it ran")


def short(met: tuple[Operand, ...]) -> list[tuple[str, str, str]]:
    return [(operand.role, operand.dtype.short, operand.made) for operand in met]


def by_hand() -> torch.Tensor:
    """A script that calls a part of its pipeline itself."""
    pipe = Pipeline()
    return pipe.components["vae"].decode(latents(H))  # type: ignore[no-any-return]


CONV = [
    ("input", "fp16", "sample"),
    ("weight", "fp32", "{}.weight"),
    ("bias", "fp32", "{}.bias"),
]


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (lambda: Pipeline()(latents(H)), "vae.decoder.conv_in"),
        (lambda: Plain().run(latents(H)), "net.decoder.conv_in"),
        (lambda: by_hand(), "vae.decoder.conv_in"),
        (lambda: Vae().decode(latents(H)), "decoder.conv_in"),
        (lambda: Decoder()(latents(H)), "conv_in"),
    ],
    ids=["a pipeline", "an attribute", "a pipeline's part", "a bare module", "its part"],
)
def test_the_path_begins_at_the_component_or_below_the_outermost_module(call: Callable[[], object], path: str) -> None:
    fault = caught(call)
    found, klass, met = operands(fault)
    assert (found, klass) == (path, "Conv2d") == named(fault)
    assert short(met) == [(role, dtype, made.format(path)) for role, dtype, made in CONV]


def test_a_module_of_a_list_has_its_number_in_the_path_and_the_lines_variables_are_named() -> None:
    fault = caught(lambda: Pipeline()(latents()))
    path, klass, met = operands(fault)
    assert (path, klass) == ("vae.decoder.blocks.0", "Attention")
    assert short(met) == [("query", "fp32", "query"), ("key", "fp16", "key")]
    assert dtypecheck.explain(fault).means == "an operator's first tensor is in fp32, and one beside it in fp16"


def test_a_module_that_is_its_own_root_has_no_path() -> None:
    fault = caught(lambda: nn.Linear(4, 4)(torch.ones(2, 4, dtype=H)))
    assert named(fault) == ("", "Linear")
    assert dtypecheck.explain(fault).module == ""
    assert "in Linear" in str(dtypecheck.explain(fault))


def test_an_exception_without_modules_has_no_path() -> None:
    assert named(caught(lambda: 1 / 0)) == ("", "")
    assert operands(caught(lambda: 1 / 0)) == ("", "", ())
    assert operands(ValueError("never raised")) == ("", "", ())


def index_put() -> None:
    x, mask, y = torch.ones(4, dtype=H), torch.tensor([True, True, False, False]), torch.ones(2)
    x[mask] = y


def matmul() -> torch.Tensor:
    a, b = torch.ones(2, 4, dtype=H), torch.ones(4, 2)
    return a @ b


def in_place() -> None:
    steps, noise = torch.ones(4, dtype=torch.int64), torch.ones(4)
    steps += noise


def method() -> None:
    cache, ids, states = torch.ones(4), torch.tensor([0]), torch.ones(1, dtype=H)
    cache.index_copy_(0, ids, states)


def attention() -> torch.Tensor:
    q, k, v = (torch.ones(1, 1, 2, 2, dtype=dtype) for dtype in (H, torch.float32, torch.float32))
    return F.scaled_dot_product_attention(q, k, value=v)


def masked() -> torch.Tensor:
    q, attn_mask = torch.ones(1, 1, 2, 2), torch.ones(2, 2, dtype=torch.bfloat16)
    return F.scaled_dot_product_attention(q, q, q, attn_mask=attn_mask)


def listed() -> torch.Tensor:
    parts = [torch.ones(2), torch.ones(2).to(torch.float8_e4m3fn)]
    return torch.cat(parts)


@pytest.mark.parametrize(
    ("call", "met"),
    [
        (index_put, [("destination", "fp16", "x"), ("source", "fp32", "y")]),
        (matmul, [("input", "fp16", "a"), ("other", "fp32", "b")]),
        (in_place, [("destination", "int64", "steps"), ("source", "fp32", "noise")]),
        (method, [("destination", "fp32", "cache"), ("source", "fp16", "states")]),
        (attention, [("query", "fp16", "q"), ("key", "fp32", "k"), ("value", "fp32", "v")]),
        (masked, [("query", "fp32", "q"), ("mask", "bf16", "attn_mask")]),
        (listed, [("input", "fp32", "parts"), ("input", "fp8_e4m3", "parts")]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_line_that_failed_tells_which_tensor_plays_which_part(
    call: Callable[[], object], met: list[tuple[str, str, str]]
) -> None:
    assert short(operands(caught(call))[2]) == met


@pytest.mark.parametrize(
    ("module", "given", "met"),
    [
        (lambda: nn.LayerNorm(4).half(), torch.ones(2, 4), {("input", "fp32"), ("weight", "fp16"), ("bias", "fp16")}),
        (lambda: nn.GroupNorm(2, 4).half(), torch.ones(2, 4, 3), {("input", "fp32"), ("weight", "fp16"), ("bias", "fp16")}),
        (lambda: nn.Conv1d(4, 4, 1, bias=False), torch.ones(1, 4, 4, dtype=H), {("input", "fp16"), ("weight", "fp32")}),
        (lambda: nn.Embedding(4, 4), torch.ones(2), {("input", "fp32"), ("weight", "fp32")}),
        (lambda: nn.LSTM(4, 4), torch.ones(2, 1, 4, dtype=H), {("input", "fp16"), ("weight", "fp32"), ("bias", "fp32")}),
    ],
)
def test_a_message_without_dtypes_gets_them_from_the_module(
    module: Callable[[], nn.Module], given: torch.Tensor, met: set[tuple[str, str]]
) -> None:
    part = module()
    found = dtypecheck.explain(caught(lambda: part(given)))
    assert {(operand.role, operand.dtype.short) for operand in found.operands} == met
    assert found.klass == type(part).__name__
    assert "one dtype" not in found.means


def test_without_source_the_modules_own_parameters_and_arguments_are_told() -> None:
    code = """
class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.ones(4, 4))
    def forward(self, sample, attention_mask=None):
        return sample @ self.table
"""
    space: dict[str, Any] = {"nn": nn, "torch": torch}
    exec(code, space)  # noqa: S102 - source that no file holds
    path, klass, met = operands(caught(lambda: space["Scale"]()(torch.ones(2, 4, dtype=H))))
    assert (path, klass) == ("", "Scale")
    assert short(met) == [("input", "fp16", "sample"), ("weight", "fp32", "table")]


def test_no_code_of_the_users_is_run_to_read_a_line() -> None:
    class Loud:
        @property
        def tensor(self) -> torch.Tensor:
            seen.append("property")
            return torch.ones(2, 4, dtype=H)

        def __getattr__(self, name: str) -> Any:
            seen.append(name)
            raise AttributeError(name)

    seen: list[str] = []
    loud, other = Loud(), torch.ones(4, 2)

    def call() -> torch.Tensor:
        return loud.tensor @ other

    fault = caught(call)
    assert seen == ["property"]
    met = operands(fault)[2]
    assert seen == ["property"]
    assert short(met) == [("other", "fp32", "other")]


def test_a_proxy_that_fails_is_no_failure_of_ours() -> None:
    class Proxy:
        @property
        def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
            raise RuntimeError("working outside of request context")

        @property
        def __class__(self) -> type:
            raise RuntimeError("working outside of request context")

        def run(self) -> torch.Tensor:
            return nn.Linear(4, 4)(torch.ones(2, 4, dtype=H))  # type: ignore[no-any-return]

    found = dtypecheck.explain(caught(Proxy().run))
    assert found.row is not None
    assert found.klass == "Linear"


def test_a_wrapper_leaves_no_step_in_the_path() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unet = torch.compile(Decoder(), backend="eager")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.unet._orig_mod(x)  # type: ignore[no-any-return]

    assert named(caught(lambda: Outer()(latents(H)))) == ("unet.conv_in", "Conv2d")


def test_an_explanation_keeps_no_frame_alive() -> None:
    models = [Vae()]
    gone = weakref.ref(models[0])
    found = dtypecheck.explain(caught(lambda: models[0].decode(latents(H))))
    models.clear()
    gc.collect()
    assert found.module == "decoder.conv_in"
    assert gone() is None


# the public function


def test_an_exception_is_explained_with_module_operands_and_row() -> None:
    found = dtypecheck.explain(caught(lambda: Pipeline()(latents(H))))
    assert found.row is not None
    assert (found.row.name, found.row.kind) == ("conv-dtypes", "crash")
    assert (found.module, found.klass, found.component) == ("vae.decoder.conv_in", "Conv2d", "vae")
    assert [(operand.role, operand.dtype) for operand in found.operands] == [("input", F16), ("weight", F32), ("bias", F32)]
    first, *rest = str(found).splitlines()
    assert first.startswith("crash conv-dtypes  a convolution is given fp16 and has its weights in fp32, in vae.decoder.conv_in")
    assert "load every component with the same torch_dtype" in first
    assert any("input fp16 (sample), weight fp32 (vae.decoder.conv_in.weight)" in line for line in rest)
    assert any("Input type (c10::Half) and bias type (float) should be the same" in line for line in rest)


def test_the_cause_is_explained_and_the_exception_around_it_told() -> None:
    def serve() -> None:
        try:
            Pipeline()(latents(torch.bfloat16))
        except RuntimeError as fault:
            raise ValueError("generation failed") from fault

    found = dtypecheck.explain(caught(serve))
    assert found.row is not None
    assert found.row.name == "conv-dtypes"
    assert found.operands[0].dtype is BF16
    assert found.module == "vae.decoder.conv_in"
    assert "ValueError: generation failed" in str(found)


def test_an_exception_that_was_swallowed_by_another_is_explained() -> None:
    def serve() -> None:
        try:
            matmul()
        except RuntimeError:
            {}["missing"]

    found = dtypecheck.explain(caught(serve))
    assert found.row is not None
    assert found.row.name == "matmul-dtypes"
    assert "KeyError" in str(found)


def test_what_is_no_message_of_ours_is_said_to_be_none() -> None:
    found = dtypecheck.explain(caught(lambda: torch.ones(2, 3) @ torch.ones(4, 5)))
    assert found.row is None
    assert str(found).startswith("unknown no message of ours")
    assert "test_frames.py" in str(found)


def test_a_real_pipeline_of_diffusers_is_named_from_its_component_on() -> None:
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    unet = UNet2DModel(sample_size=8, block_out_channels=(8,), norm_num_groups=4, layers_per_block=1, **blocks)
    pipe = DDPMPipeline(unet, DDPMScheduler())
    pipe.set_progress_bar_config(disable=True)
    unet.mid_block.resnets[0].conv1.half()
    found = dtypecheck.explain(caught(lambda: pipe(num_inference_steps=1)))
    assert (found.module, found.klass) == ("unet.mid_block.resnets.0.conv1", "Conv2d")
    assert found.row is not None
    assert found.row.name == "conv-dtypes"
    assert found.route.pipeline is not None
    assert found.route.pipeline.place.startswith("diffusers/pipelines/ddpm/pipeline_ddpm.py:")
    assert found.route.module.startswith("unet.mid_block")


def test_terms_of_a_frame_that_has_no_source_are_none() -> None:
    space: dict[str, Any] = {"torch": torch, "a": torch.ones(2, dtype=H), "b": torch.ones(2)}
    fault = caught(lambda: exec("torch.dot(a, b)", space))  # noqa: S102 - source that no file holds
    last = stops(fault)[-1]
    assert terms(last.frame, last.line, last.instruction) == ()
