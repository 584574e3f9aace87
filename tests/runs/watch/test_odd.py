"""A crash where one part of a model differs from the rest names that part, what made it so, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import dtypecheck
from dtypecheck.subjects.shown import Crash, Run

WIDTH = 8


class Scale(nn.Module):
    """Gives what it has: fp32 where its weight is fp32."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = Scale()
        self.up = nn.Linear(WIDTH, WIDTH)
        self.down = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(self.up(self.norm(x)))


class Model(nn.Module):
    """An embedding that holds most of the numbers, and few of the tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(500, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(3))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x)
        return x


class Keeps(Model):
    _keep_in_fp32_modules = ("up",)


class Pipe:
    def __init__(self, **parts: nn.Module) -> None:
        self.parts = parts

    @property
    def components(self) -> dict[str, nn.Module]:
        return self.parts

    def __call__(self, ids: torch.Tensor) -> Any:
        return self.components["model"](ids)


IDS = torch.arange(4)[None]


def crash_of(act: Callable[[], object]) -> Crash:
    with dtypecheck.watch() as seen, pytest.raises(RuntimeError):
        act()
    run: Run = seen.run
    assert run.crash
    return run.crash


def half(kind: type[Model] = Model) -> Model:
    return kind().half().eval().requires_grad_(False)


def test_a_layer_that_was_cast_by_hand_is_named_with_the_line_of_the_cast() -> None:
    def act() -> None:
        net = half()
        net.layers[1].up.float()
        net(IDS)

    crash = crash_of(act)
    assert crash.module == "layers.1.up"
    assert crash.why.startswith("net.layers.1.up is in fp32, the rest of net in fp16: it was cast by .float() at ")
    assert crash.remedy.startswith("cast net.layers.1.up with .to(torch.float16) instead of .float() at ")


def test_of_what_was_cast_together_the_outermost_part_is_named() -> None:
    def act() -> None:
        net = half()
        net.layers[2].float()
        net.layers[2].norm.half()
        net.layers[2].up.half()
        net.layers[1].float()
        net(IDS)

    crash = crash_of(act)
    assert crash.why.startswith("net.layers.1 is in fp32")


def test_a_part_that_was_put_in_place_of_another_is_named_with_where_it_was_built() -> None:
    def act() -> None:
        net = half()
        net.layers[0].down = nn.Linear(WIDTH, WIDTH)
        net(IDS)

    crash = crash_of(act)
    assert "net.layers.0.down is in fp32, the rest of net in fp16: it was built at " in crash.why
    assert crash.remedy.startswith("cast net.layers.0.down with .to(torch.float16) after it is built (")


def test_a_part_that_nobody_saw_change_is_named_with_a_line_that_python_takes() -> None:
    net = half()
    net.layers[1].down.float()
    crash = crash_of(lambda: net(IDS))
    assert crash.remedy == "cast it like the rest: net.layers[1].down.to(torch.float16)"


@pytest.mark.parametrize("part", ["embed", "layers.1.norm"])
def test_the_part_that_made_the_strange_tensor_is_named_not_the_one_that_was_given_it(part: str) -> None:
    def act() -> None:
        net = half()
        net.get_submodule(part).float()
        net(IDS)

    crash = crash_of(act)
    assert crash.module.endswith(".up")
    assert crash.why.startswith(f"net.{part} is in fp32, the rest of net in fp16: it was cast by .float() at ")
    assert crash.remedy.startswith(f"cast net.{part} with .to(torch.float16) instead of .float() at ")


def test_a_part_of_a_component_is_named_and_not_the_component() -> None:
    def act() -> None:
        pipe = Pipe(model=half(), other=half())
        pipe.components["model"].layers[1].up.float()
        pipe(IDS)

    crash = crash_of(act)
    assert crash.why.startswith("pipe.model.layers.1.up is in fp32, the rest of model in fp16")


def test_a_part_of_a_transformers_model_under_peft_is_named() -> None:
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}

    def act() -> None:
        base = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=50, **sizes)).half()
        net = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["q_proj"]))
        net.base_model.model.model.layers[1].mlp.float()
        net(input_ids=IDS)

    crash = crash_of(act)
    assert "layers.1.mlp is in fp32, the rest of net in fp16: it was cast by .float() at " in crash.why


def test_what_a_class_keeps_in_float32_is_no_odd_part() -> None:
    net = half(Keeps)
    for layer in net.layers:
        layer.up.float()
    crash = crash_of(lambda: net(IDS))
    assert "the rest of" not in crash.why


def test_a_model_in_one_dtype_that_is_given_another_has_no_odd_part() -> None:
    net = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)).half()
    crash = crash_of(lambda: net(torch.ones(1, WIDTH)))
    assert "the rest of" not in crash.why


# -- what the user calls what he gives


def test_an_argument_is_called_by_the_name_that_the_caller_has_for_it() -> None:
    net, picture = nn.Linear(WIDTH, WIDTH).half(), torch.ones(1, WIDTH)
    crash = crash_of(lambda: net(picture))
    assert crash.remedy == "pass picture.to(torch.float16)"
    assert crash.operands[0].made == "the argument picture (input)"


def test_a_keyword_is_the_callers_own_word() -> None:
    net, held = nn.Linear(WIDTH, WIDTH).half(), [torch.ones(1, WIDTH)]
    assert crash_of(lambda: net(input=held[0])).remedy == "pass input.to(torch.float16)"


def test_a_name_that_only_forward_has_is_not_called_the_callers() -> None:
    net, held = nn.Linear(WIDTH, WIDTH).half(), [torch.ones(1, WIDTH)]
    crash = crash_of(lambda: net(held[0]))
    assert crash.remedy == "cast what goes in: .to(torch.float16)"
    assert "argument" not in crash.operands[0].made


# -- calls that are made a second time for their gradients


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_call_that_a_checkpoint_makes_again_is_one_call(reentrant: bool) -> None:
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(2))

        def forward(self, x: torch.Tensor) -> Any:
            for layer in self.layers:
                x = checkpoint(layer, x, use_reentrant=reentrant)
            return x

    net = Checkpointed()
    with dtypecheck.watch() as seen:
        for _ in range(3):
            net(torch.ones(1, WIDTH, requires_grad=True)).sum().backward()
    assert dict(seen.run.steps) == {"net": 3}
    assert {row.module: row.calls for row in seen.run.modules} == {"net": 3, "layers.0": 3, "layers.1": 3}


def test_an_overflow_that_a_checkpoint_repeats_is_counted_once_a_call() -> None:
    from torch.utils.checkpoint import checkpoint

    class Hot(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(WIDTH, WIDTH)

        def forward(self, x: torch.Tensor) -> Any:
            return checkpoint(self.layer, x, use_reentrant=True)

    net = Hot().half()
    net.layer.weight.data.fill_(60_000.0)
    with dtypecheck.watch() as seen:
        for _ in range(2):
            net(torch.ones(1, WIDTH, dtype=torch.float16, requires_grad=True)).sum().backward()
    (producer,) = (it for it in seen.run.producers if it.kind == "inf")
    assert producer.times == 2
