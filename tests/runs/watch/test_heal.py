"""`--heal`: what crashes or overflows goes on, near what all of it in float32 gives; what is healthy is left alone."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import dtypecheck
from dtypecheck.subjects.numbers import Healing
from dtypecheck.subjects.shown import Run
from tests.runs.watch.families import FAMILIES, WRAPPED, Subject
from tests.runs.watch.nets import WIDTH, Block, Nest, hidden
from tests.runs.watch.planted import tensors
from tests.runs.watch.test_confirm import heat

F16, BF16, F32 = torch.float16, torch.bfloat16, torch.float32
Prepare = Callable[[Subject], Any]


def picture(subject: Subject) -> torch.Tensor:
    return next(tensors(subject.call())).float()


def in_float32(name: str, prepare: Prepare) -> torch.Tensor:
    """What the pipeline gives with all its components in float32, of the same weights."""
    subject = FAMILIES[name].wrapped(F16, prepare)
    for part in subject.target.components.values():
        if isinstance(part, nn.Module):
            part.float()
    return picture(subject)


def healed(subject: Subject, **options: Any) -> tuple[torch.Tensor, Run, set[str]]:
    with dtypecheck.watch(subject.target, heal=True, **options) as seen:
        made = picture(subject)
    return made, seen.run, {it.code for it in seen.report.findings}


def hot(path: str) -> Prepare:
    component, _, below = path.partition(".")
    return lambda subject: heat(getattr(subject.target, component).get_submodule(below))


def run(net: nn.Module, *given: torch.Tensor, **options: Any) -> tuple[Any, Run]:
    with dtypecheck.watch(net, heal=True, **options) as seen, torch.no_grad():
        made = net(*given)
    return made, seen.run


def told(run: Run) -> list[tuple[str, str, str, str, int]]:
    return [(it.module, it.what, it.dtype.name, it.to.name, it.times) for it in run.healed]


# -- overflows


@pytest.mark.parametrize(
    ("layer", "widened"),
    [
        ("vae.decoder.up_blocks.0.resnets.0.conv1", "vae.decoder.up_blocks.0.resnets.0"),
        ("vae.decoder.up_blocks.0.resnets.0.conv2", "vae.decoder"),
        ("vae.decoder.conv_in", "vae.decoder"),
        ("unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_v", "unet"),
    ],
)
def test_a_black_picture_becomes_the_one_that_float32_gives(layer: str, widened: str) -> None:
    """What stands in a residual stream cannot be cast back before the stream ends; what a norm brings back at once, can."""
    subject = FAMILIES["StableDiffusionPipeline"].wrapped(F16, hot(layer))
    assert bool(picture(subject).isnan().any())
    component = getattr(subject.target, layer.partition(".")[0])
    before = [(it, it.clone()) for it in component.parameters()]
    made, seen, codes = healed(subject)
    assert float((made - in_float32("StableDiffusionPipeline", hot(layer))).abs().max()) < 1e-2
    assert [it.module for it in seen.healed] == [widened]
    assert codes == {"DT318"}
    assert not seen.producers
    assert seen.pictures[0].verdict == "ok"
    assert all(a is b and torch.equal(a, value) for a, (b, value) in zip(component.parameters(), before, strict=True))


def test_the_listed_cost_and_the_permanent_fix() -> None:
    subject = FAMILIES["StableDiffusionPipeline"].wrapped(F16, hot("unet.conv_in"))
    _, seen, _ = healed(subject)
    (found,) = seen.healed
    assert (found.module, found.what, found.dtype.name, found.to.name, found.times) == ("unet", "float32", "F16", "F32", 2)
    assert re.fullmatch(r"[\d.e-]+ s for [\d.e-]+ s in 2 runs in float32", found.cost)
    assert found.permanent == "load unet in fp32, or in bf16"


def test_a_module_whose_own_steps_overflow_is_widened_alone() -> None:
    class Squares(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return (given * 300).pow(2).mean(-1, keepdim=True).sqrt()

    net = nn.Sequential(nn.Linear(WIDTH, WIDTH), Squares()).half()
    wide = copy.deepcopy(net).float()(hidden_half().float())
    made, seen = run(net, hidden_half())
    assert told(seen) == [("1", "float32", "F16", "F32", 1)]
    assert made.dtype is F16
    assert torch.allclose(made.float(), wide, rtol=5e-3)


def test_what_helped_once_is_done_at_once_from_then_on() -> None:
    calls: list[torch.dtype] = []

    class Tells(nn.Linear):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            calls.append(self.weight.dtype)
            return super().forward(given)

    net = nn.Sequential(Tells(WIDTH, WIDTH), nn.LayerNorm(WIDTH)).half()
    heat(net[0])
    with dtypecheck.watch(net, heal=True) as seen, torch.no_grad():
        first = net(hidden_half())
        tried = len(calls)
        again = [net(hidden_half()) for _ in range(3)]
    assert torch.equal(again[0], first)
    assert calls[tried:] == [F32] * 3
    assert told(seen.run) == [("net", "float32", "F16", "F32", 4)]


def test_what_was_tried_and_made_again_is_not_counted() -> None:
    net = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH))).half()
    heat(net[1][0])
    with dtypecheck.watch(net, heal=True) as seen, torch.no_grad():
        for _ in range(3):
            net(hidden_half())
    assert told(seen.run) == [("1", "float32", "F16", "F32", 3)]
    assert {row.module: row.calls for row in seen.run.modules if row.calls} == {"net": 3, "0": 3, "1": 3}


def test_numbers_that_fit_nowhere_stay_float32_and_the_report_says_so() -> None:
    net = nn.Sequential(nn.Linear(WIDTH, WIDTH)).half()
    heat(net[0])
    made, seen = run(net, 5 * hidden_half())
    assert made.dtype is F32
    assert bool(made.isfinite().all())
    assert float(made.abs().max()) > 65_504
    assert seen.limits == ("net gives numbers that only fp32 holds: whatever casts them behind it loses them",)


def test_a_module_that_changes_what_it_is_given_changes_it_once() -> None:
    """As the decoders of video models do, which keep the frames before in the caller's list."""

    class Remembers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.norm = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)

        def forward(self, given: torch.Tensor, frames: list[Any]) -> torch.Tensor:
            given.mul_(3)
            made = self.norm(self.layer(given) + (frames[0] if frames else 0))
            frames[:] = [made, *frames]
            return made

    net = Remembers().half()
    heat(net.layer)
    wide, ours = copy.deepcopy(net).float(), []
    with dtypecheck.watch(net, heal=True), torch.no_grad():
        frames: list[Any] = []
        for _ in range(3):
            made = net(hidden_half(), frames)
            assert torch.allclose(made.float(), wide(hidden_half().float(), ours), atol=5e-3)
    assert [it.dtype for it in frames] == [F16] * 3
    assert all(torch.allclose(a.float(), b, atol=5e-3) for a, b in zip(frames, ours, strict=True))


def test_a_module_that_is_told_its_dtype_is_told_float32() -> None:
    class Told(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(WIDTH, WIDTH)

        def forward(self, given: torch.Tensor, dtype: torch.dtype, further: dict[str, Any]) -> torch.Tensor:
            return functional.layer_norm(self.layer(given.to(dtype).to(further["dtype"])), (WIDTH,))

    net = nn.ModuleList([Told()]).half()[0]
    heat(net.layer)
    further = {"dtype": F16}
    made, seen = run(net, hidden_half(), F16, further)  # type: ignore[arg-type]
    assert [it[1] for it in told(seen)] == ["float32"]
    assert bool(made.isfinite().all())
    assert further == {"dtype": F16}


def test_dropout_drops_the_same_in_float32() -> None:
    net = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Dropout(0.5), nn.LayerNorm(WIDTH)).half().train()
    heat(net[0])
    torch.manual_seed(3)
    wide = copy.deepcopy(net).float()(hidden_half().float())
    torch.manual_seed(3)
    after = torch.rand(1)
    torch.manual_seed(3)
    made, _ = run(net, hidden_half())
    assert torch.allclose(made.float(), wide, atol=5e-3)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), after)


def test_gradients_flow_back_through_what_was_widened() -> None:
    net = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)).half()
    heat(net[0])
    with dtypecheck.watch(net, heal=True):
        net(hidden_half()).float().pow(2).sum().backward()
    assert all(it.grad is not None and it.grad.dtype is F16 and bool(it.grad.isfinite().all()) for it in net.parameters())
    assert float(net[1].weight.grad.abs().sum()) > 0


def test_weights_that_are_not_finite_are_beyond_healing() -> None:
    net = nn.Sequential(Block(), Block()).half()
    net[1].up.bias.data[3] = torch.nan
    with dtypecheck.watch(net, heal=True) as seen, torch.no_grad():
        made = [net(hidden_half()) for _ in range(6)]
    assert all(bool(it.isnan().any()) for it in made)
    assert seen.run.healed == ()
    assert [it.module for it in seen.run.producers] == ["1.up"]


def test_a_mask_of_minus_infinity_is_no_overflow() -> None:
    class Masks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(WIDTH, WIDTH)

        def forward(self, given: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.layer((given @ given.transpose(-1, -2) + attention_mask).softmax(-1) @ given)

    mask = torch.zeros(5, 5, dtype=F16).masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
    _, seen = run(Masks().half(), hidden_half(), mask)
    assert seen.healed == ()


def test_at_the_level_of_components_the_whole_component_is_widened() -> None:
    net = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)).half()
    heat(net[0])
    made, seen = run(net, hidden_half(), level="component")
    assert bool(made.isfinite().all())
    assert told(seen) == [("net", "float32", "F16", "F32", 1)]


@pytest.mark.parametrize("name", ["offload of every parameter", "group offload", "lora"])
def test_it_widens_through_offloads_and_adapters(name: str) -> None:
    path = {"lora": "unet.conv_in"}.get(name, "vae.decoder.conv_in")
    subject = WRAPPED[name].wrapped(F16, hot(path))
    assert bool(picture(subject).isnan().any())
    made, seen, _ = healed(subject)
    assert bool(made.isfinite().all())
    assert seen.healed[0].module == {"lora": "unet"}.get(name, "vae.decoder")
    again, _, _ = healed(subject)
    assert torch.equal(again, made)


# -- crashes


def text_encoder_wide(subject: Subject) -> None:
    subject.target.text_encoder.float()


def test_a_float32_text_encoder_is_cast_where_it_comes_in() -> None:
    subject = FAMILIES["StableDiffusionPipeline"].wrapped(F16, text_encoder_wide)
    with pytest.raises(RuntimeError, match="same dtype"):
        subject.call()
    made, seen, codes = healed(subject)
    assert float((made - in_float32("StableDiffusionPipeline", text_encoder_wide)).abs().max()) < 1e-2
    assert told(seen)[0] == ("unet", "cast", "F32", "F16", 2)
    words = "load text_encoder and unet in one dtype, or cast sample and encoder_hidden_states to fp16 before they go into unet"
    assert seen.healed[0].permanent == words
    assert re.fullmatch(r"2 casts, [\d.]+ KB", seen.healed[0].cost)
    assert seen.crash is None
    assert codes == {"DT318"}, "what was tried on the way leaves no other findings"


def vae_wide(subject: Subject) -> None:
    subject.target.vae.float()
    subject.target.vae.register_to_config(force_upcast=False)


def test_half_latents_are_cast_for_a_float32_vae() -> None:
    subject = FAMILIES["StableDiffusionXLPipeline"].wrapped(F16, vae_wide)
    made, seen, _ = healed(subject)
    assert told(seen) == [("vae.post_quant_conv", "cast", "F16", "F32", 1)]
    assert float((made - in_float32("StableDiffusionXLPipeline", vae_wide)).abs().max()) < 1e-2


def test_one_layer_of_another_dtype_gets_what_it_can_take_and_gives_what_the_next_can() -> None:
    net = nn.Sequential(Block(), Block()).half()
    net[1].up.float()
    made, seen = run(net, hidden_half())
    assert made.dtype is F16
    assert told(seen) == [("1.up", "cast", "F16", "F32", 1)]
    assert seen.healed[0].permanent == "cast 1.up to fp16 as all of the model, or what it is given to fp32"
    wide = copy.deepcopy(net).float()(hidden_half().float())
    assert torch.allclose(made.float(), wide, atol=5e-3)


def test_a_product_of_two_dtypes_in_a_modules_own_code_runs_in_float32() -> None:
    class Mixes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.eye(WIDTH))
            self.layer = nn.Linear(WIDTH, WIDTH)

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return functional.linear(self.layer(given), self.table)

    net = nn.Sequential(Block(), Mixes()).half()
    net[1].table = torch.eye(WIDTH)
    with pytest.raises(RuntimeError):
        net(hidden_half())
    made, seen = run(net, hidden_half())
    assert made.dtype is F16
    assert told(seen) == [("1", "float32", "F16", "F32", 1)]
    assert "for" not in seen.healed[0].cost, "nobody knows how long it would have taken"


def test_an_operator_that_half_lacks_runs_in_float32() -> None:
    class Solves(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return torch.linalg.qr(given).Q

    net = nn.Sequential(nn.Linear(WIDTH, WIDTH), Solves()).half()
    made, seen = run(net, hidden_half())
    assert made.dtype is F16
    assert told(seen) == [("1", "float32", "F16", "F32", 1)]


def test_two_strays_are_found_out_one_by_one() -> None:
    """Of two inputs in float32 one does no harm: it stays as it is."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(WIDTH, WIDTH)

        def forward(self, table: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
            self.table = table.dtype
            return self.layer(given) * table.to(self.layer.weight.dtype)

    net = Two().half()
    _, seen = run(net, hidden_half().float(), hidden_half().float())
    assert net.table is F32
    assert told(seen) == [("net", "cast", "F32", "F16", 1)]
    assert "cast given to fp16" in seen.healed[0].permanent


def test_what_float32_brought_and_half_cannot_hold_makes_the_next_component_wide() -> None:
    class Pipe:
        def __init__(self) -> None:
            self.first = nn.Sequential(nn.Linear(WIDTH, WIDTH)).half()
            self.second = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)).half()

        @property
        def components(self) -> dict[str, nn.Module]:
            return {"first": self.first, "second": self.second}

        def __call__(self, given: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(given))

    pipe = Pipe()
    heat(pipe.first[0])
    wide = copy.deepcopy(pipe)
    wide.first.float()
    wide.second.float()
    with dtypecheck.watch(pipe, heal=True) as seen, torch.no_grad():
        made = [pipe(5 * hidden_half()) for _ in range(2)]
    assert [(it[0], it[1], it[4]) for it in told(seen.run)] == [("first", "float32", 2), ("second", "float32", 2)]
    assert made[0].dtype is F16
    assert torch.equal(made[0], made[1])
    assert torch.allclose(made[0].float(), wide(5 * hidden_half().float()), atol=5e-3)


def test_a_crash_between_components_stays_a_crash() -> None:
    class Pipe:
        def __init__(self) -> None:
            self.net = Block().half()

        @property
        def components(self) -> dict[str, nn.Module]:
            return {"net": self.net}

        def __call__(self, given: torch.Tensor) -> torch.Tensor:
            return self.net(given) @ torch.eye(WIDTH)

    pipe = Pipe()
    with dtypecheck.watch(pipe, heal=True) as seen, pytest.raises(RuntimeError, match="dtype"):
        pipe(hidden_half())
    assert seen.run.healed == ()


def test_an_exception_about_something_else_goes_through_at_once() -> None:
    calls = 0

    class Fails(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            raise KeyError("no such thing")

    with pytest.raises(KeyError, match="no such thing"), dtypecheck.watch(heal=True) as seen:
        nn.Sequential(Fails())(hidden_half())
    assert calls == 1
    assert seen.run.healed == ()


def test_what_nothing_helps_raises_what_it_raised() -> None:
    class Stubborn(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("expected scalar type Half but found Float")

    with pytest.raises(RuntimeError, match="expected scalar type Half but found Float"), dtypecheck.watch(heal=True) as seen:
        nn.Sequential(nn.Linear(WIDTH, WIDTH), Stubborn()).half()(hidden_half())
    assert seen.run.healed == ()
    assert seen.run.crash is not None
    assert seen.run.crash.module == "1"


# -- what is well


@pytest.mark.parametrize("name", ["StableDiffusionPipeline", "FluxPipeline", "nest", "recurrent", "llama", "t5"])
def test_what_is_healthy_is_the_same_to_the_last_bit(name: str) -> None:
    subject = FAMILIES[name].wrapped(F16)
    before = subject.call()
    with dtypecheck.watch(subject.target, heal=True) as seen:
        after = subject.call()
    one, other = (list(tensors(it)) or [it] for it in (before, after))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert seen.run.healed == ()
    assert not seen.report.findings


def test_healing_and_confirming_go_together() -> None:
    net = Nest().half()
    heat(net.tuple.up)
    made, seen = run(net, hidden_half(), confirm=True)
    assert bool(made["logits"].isfinite().all())
    assert [type(it) for it in seen.healed] == [Healing]
    assert seen.producers == ()


def hidden_half() -> torch.Tensor:
    torch.manual_seed(0)
    return hidden().half()
