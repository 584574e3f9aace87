"""`--confirm`: each kind of fault is planted, and told from the others; the user's own run stays the same to the last bit."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import dtypecheck
from dtypecheck.subjects.numbers import Departure, Replay
from dtypecheck.subjects.shown import Run
from tests.runs.watch.families import FAMILIES, WRAPPED
from tests.runs.watch.nets import WIDTH, Again, Block, Nest, hidden
from tests.runs.watch.planted import tensors

LARGE = 60_000.0
LIMIT = 65_504.0
F16, BF16 = torch.float16, torch.bfloat16


def half() -> torch.Tensor:
    torch.manual_seed(0)
    return hidden().half()


def watched(net: nn.Module, given: Any, **options: Any) -> Run:
    with dtypecheck.watch(net, confirm=True, **options) as seen, torch.no_grad(), contextlib.suppress(ValueError):
        net(given)
    return seen.run


def replay(run: Run, module: str) -> Replay:
    """Of the one producer there is, which is that module."""
    found = [it for it in run.producers if it.kind != "underflow"]
    assert [it.module for it in found] == [module], run.limits
    assert found[0].replay is not None, run.limits
    return found[0].replay


def departures(run: Run) -> dict[str, Departure]:
    return {it.component: it for it in run.departures}


def heat(layer: nn.Linear) -> None:
    """Weights of the size that fp16 just holds, whose products it does not."""
    layer.weight.data = (layer.weight.data.float() * (LARGE / layer.weight.data.float().abs().max())).to(layer.weight.dtype)


class Attention(nn.Module):
    """Attention whose sum of products is the code's own, as in both libraries."""

    def __init__(self) -> None:
        super().__init__()
        self.to_q = nn.Linear(WIDTH, WIDTH)
        self.to_out = nn.Linear(WIDTH, WIDTH)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        query = self.to_q(given)[:, None]
        return self.to_out(functional.scaled_dot_product_attention(query, query, query)[:, 0])


class Net(nn.Module):
    """Attention, then a block; gives a dict."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.attn = Attention()
        self.block = Block()
        self.half()

    def forward(self, given: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": self.block(self.attn(given))}


# -- the kernel


def sage(query: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    """A fused attention that overflows."""
    return torch.full_like(query, float("inf"))


def test_an_attention_that_somebody_put_in_torchs_place_is_named_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functional, "scaled_dot_product_attention", sage)
    found = replay(watched(Net(), half()), "attn")
    assert found.verdict == "kernel"
    assert "take sage() at " in found.switch
    assert "test_confirm.py:" in found.switch
    assert found.switch.endswith("out of the place of torch.nn.functional.scaled_dot_product_attention")
    assert functional.scaled_dot_product_attention is sage, "the user's patch stays"


def test_a_layers_forward_that_was_replaced_for_all_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.LayerNorm, "forward", lambda self, given: given / 0)
    found = replay(watched(Net(), half()), "block.norm")
    assert found.verdict == "kernel"
    assert "torch.nn.LayerNorm.forward" in found.switch


def test_a_forward_that_was_replaced_in_one_module_is_named() -> None:
    net = Net()
    net.block.norm.forward = lambda given: given * torch.inf  # type: ignore[method-assign]
    found = replay(watched(net, half()), "block.norm")
    assert found.verdict == "kernel"
    assert "block.norm.forward" in found.switch
    assert "forward" in vars(net.block.norm)


def test_a_compiler_that_makes_nan_is_named() -> None:
    def backend(graph: Any, _: Any) -> Any:
        return lambda *args: tuple(it * torch.nan for it in graph(*args))

    torch._dynamo.reset()
    net = Net()
    found = replay(watched(torch.compile(net, backend=backend), half()), "net")
    assert (found.verdict, found.switch) == ("kernel", "run it without torch.compile")


def test_an_attention_processor_of_the_users_own_is_named() -> None:
    class Mine:
        def __call__(self, attn: Any, hidden_states: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            return hidden_states * torch.nan

    subject = FAMILIES["StableDiffusionPipeline"].wrapped(F16)
    attention = subject.target.unet.mid_block.attentions[0].transformer_blocks[0].attn1
    attention.set_processor(Mine())
    with dtypecheck.watch(subject.target, confirm=True) as seen:
        subject.call()
    found = next(it for it in seen.run.producers if it.kind == "nan")
    assert found.module == "unet.mid_block.attentions.0.transformer_blocks.0.attn1"
    assert found.replay is not None
    assert found.replay.verdict == "kernel"
    assert found.replay.switch == "unet.set_default_attn_processor() in place of Mine"
    assert type(attention.processor) is Mine


def test_an_operator_of_somebody_elses_is_not_excluded() -> None:
    @torch.library.custom_op("dtypecheck_test::fast", mutates_args=())
    def fast(given: torch.Tensor) -> torch.Tensor:
        return given * LIMIT * LIMIT

    class Fast(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return fast(given)

    net = Net()
    net.block.norm = Fast()  # type: ignore[assignment]
    found = replay(watched(net, half()), "block.norm")
    assert found.verdict == "kernel not excluded"
    assert found.switch == "dtypecheck_test::fast is no operator of PyTorch's own"
    assert found.times is not None
    assert found.times > LIMIT / 10


def test_a_fault_that_does_not_repeat_is_said_to() -> None:
    calls = 0

    class Race(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            return given * torch.nan if calls < 3 else given

    net = Net()
    net.block.norm = Race()  # type: ignore[assignment]
    found = replay(watched(net, half()), "block.norm")
    assert found.verdict == "kernel not excluded"
    assert "the fault does not repeat" in found.switch


# -- precision


@pytest.mark.parametrize("kind", ["attn.to_q", "block.up", "block.down"])
def test_an_overflow_is_precision_and_says_how_many_times_the_range_it_needs(kind: str) -> None:
    net = Net()
    heat(net.get_submodule(kind))
    found = replay(watched(net, 3 * half()), kind)
    largest = truth(net, kind, 3 * half())
    assert found.verdict == "precision"
    assert found.absmax == pytest.approx(largest, rel=1e-2)
    assert found.times == pytest.approx(largest / LIMIT, rel=1e-2)
    assert found.times > 1


def truth(net: nn.Module, module: str, given: torch.Tensor) -> float:
    """The largest number that a module gives where all of the net is float32."""
    seen: list[float] = []
    part = net.get_submodule(module)
    hook = part.register_forward_hook(lambda _m, _a, made: seen.append(float(made.detach().abs().max())))
    net.float()(given.float())
    hook.remove()
    return max(seen)


def test_a_sum_in_a_modules_own_code_is_precision_too() -> None:
    class Sum(nn.Module):
        """What overflows is handed to the next layer, and the module gives something finite."""

        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Identity(), nn.Identity()

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return self.two(self.one(given) * LARGE * 10).clamp(-1, 1)

    net = Net()
    net.block.norm = Sum()  # type: ignore[assignment]
    found = replay(watched(net, half()), "block.norm")
    assert found.verdict == "precision"
    with torch.no_grad():
        into = float(net.half().attn(half()).abs().max())
    assert found.absmax == pytest.approx(into * LARGE * 10, rel=0.01)


def test_attention_logits_beyond_the_range_are_found_inside_attention() -> None:
    """Every layer stays far below the limit; the product of queries and keys does not, and NaN comes out."""

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.to_q = nn.Linear(WIDTH, WIDTH)

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            query = self.to_q(given) * 1000
            return (query @ query.transpose(-1, -2)).softmax(-1) @ query

    net = Net()
    net.attn = Logits().half()  # type: ignore[assignment]
    found = replay(watched(net, half()), "attn")
    assert found.verdict == "precision"
    query = (net.attn.to_q.float()(half().float()) * 1000).detach()
    assert found.absmax == pytest.approx(float((query @ query.transpose(-1, -2)).abs().max()), rel=0.02)


def test_the_call_that_overflowed_is_made_again_not_the_first() -> None:
    torch.manual_seed(0)
    net = Again()
    net.grow.weight.data.mul_(15)
    net.half()
    found = replay(watched(net, 10 * half()), "grow")
    assert found.verdict == "precision"
    assert found.times is not None
    assert 1 < found.times < 15, "the first call is far below the limit, and the last one far beyond"


def test_a_clamp_at_the_limit_says_what_it_cut_off() -> None:
    class Clipped(nn.Linear):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            most = torch.finfo(given.dtype).max
            return (super().forward(given / 128) * 128).clamp(-most, most)

    net = Net()
    net.block.norm = Clipped(WIDTH, WIDTH).half()  # type: ignore[assignment]
    heat(net.block.norm)
    run = watched(net, 20 * half())
    found = next(it for it in run.producers if it.kind == "saturated")
    assert found.module == "block.norm"
    assert found.replay is not None
    assert found.replay.verdict == "precision"
    assert found.replay.times is not None
    assert found.replay.times > 1


def test_overflow_inside_autocast_is_precision_though_the_weights_are_float32() -> None:
    net = Net().float()
    heat(net.block.up)
    with dtypecheck.watch(net, confirm=True) as seen, torch.inference_mode(), torch.autocast("cpu", F16):
        net(half().float())
    found = replay(seen.run, "block.up")
    assert found.verdict == "precision"


def test_dropout_gives_the_same_again() -> None:
    """The one number that is too large survives dropout in the user's run, and so it must in ours."""

    class Sparse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.9)
            self.last = nn.Linear(WIDTH, 1, bias=False)

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return self.last(self.drop(given))

    torch.manual_seed(0)
    net = Sparse().half().train()
    heat(net.last)
    verdicts = []
    for seed in range(12):
        torch.manual_seed(seed)
        with dtypecheck.watch(net, confirm=True) as seen:
            net(torch.ones(1, WIDTH, dtype=F16))
        verdicts += [it.replay and it.replay.verdict for it in seen.run.producers if it.kind == "inf"]
    assert 2 < len(verdicts) < 12, "not all of them overflow"
    assert set(verdicts) == {"precision"}


def test_a_module_that_refuses_nan_hides_nothing() -> None:
    class Refuses(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            if not bool(given.isfinite().all()):
                raise ValueError("NaN in my input")
            return given

    net = nn.Sequential(nn.Linear(WIDTH, WIDTH), Refuses()).half()
    heat(net[0])
    assert replay(watched(net, half()), "0").verdict == "precision"


HOT = {
    "lora": "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2",
    "model offload": "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2",
    "group offload": "transformer.transformer_blocks.0.ff.net.2",
    "offload of every parameter": "transformer.transformer_blocks.0.ff.net.2",
    "layerwise casting": "vae.decoder.conv_in",
}


@pytest.mark.parametrize("name", HOT)
def test_it_works_through_adapters_and_offloads(name: str) -> None:
    component, _, below = HOT[name].partition(".")
    subject = WRAPPED[name].wrapped(F16, lambda it: heat(getattr(it.target, component).get_submodule(below)))
    before = [it.clone() for it in tensors(subject.call())]
    with dtypecheck.watch(subject.target, confirm=True) as seen:
        after = list(tensors(subject.call()))
    found = next(it for it in seen.run.producers if it.kind in ("inf", "nan"))
    assert found.module.startswith(HOT[name])
    assert found.replay is not None, seen.run.limits
    assert found.replay.verdict == "precision"
    assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(before, after, strict=True))


def test_at_the_level_of_components_the_module_is_found_all_the_same() -> None:
    net = Net()
    heat(net.block.up)
    assert replay(watched(net, 3 * half(), level="component"), "block.up").verdict == "precision"


# -- neither


def test_a_weight_that_is_not_finite_is_not_numeric() -> None:
    net = Net()
    net.block.up.bias.data[3] = torch.nan
    run = watched(net, half())
    assert replay(run, "block.up") == Replay("not numeric")
    assert run.producers[0].weights == ("bias",)


def test_zero_by_zero_is_not_numeric() -> None:
    """A window that no tile covers: the sum of its weights is zero, in every dtype."""

    class Blend(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            window = torch.zeros_like(given)
            return given * window / window

    net = Net()
    net.block.norm = Blend()  # type: ignore[assignment]
    assert replay(watched(net, half()), "block.norm").verdict == "not numeric"


# -- the user's own run


class Odd(nn.Module):
    """Draws numbers, more of them in float32, changes its input in place, counts, prints, and keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)
        self.drop = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(5)
        self.seen: list[float] = []
        self.count = 0

    def forward(self, given: torch.Tensor, generator: torch.Generator | None = None) -> dict[str, torch.Tensor]:
        given.mul_(2)
        self.count += 1
        self.seen.append(random.random())
        print("called")
        torch.rand(4 if self.layer.weight.dtype is torch.float32 else 1)
        random.random()
        noise = torch.rand(given.shape, generator=generator).to(given.dtype)
        return {"out": self.norm(self.drop(self.layer(given + noise)))}


@pytest.mark.parametrize("hot", [False, True])
def test_the_run_is_the_same_to_the_last_bit(hot: bool, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for confirm in (False, True):
        torch.manual_seed(0)
        random.seed(0)
        net = Odd().half().train()
        if hot:
            heat(net.layer)
        weights, generator, given = list(net.parameters()), torch.Generator().manual_seed(7), half()
        with dtypecheck.watch(net, confirm=confirm) as seen:
            made = [net(given, generator)["out"].detach() for _ in range(2)]
        assert list(map(id, net.parameters())) == list(map(id, weights))
        streams = [torch.rand(2), torch.rand(2, generator=generator), torch.tensor(random.random())]
        state = [*net.buffers(), *net.parameters(), torch.tensor(net.seen), torch.tensor(net.count)]
        found.append([it.nan_to_num(7) for it in (*made, given, *streams, *state)])
        assert capsys.readouterr().out == "called\ncalled\n"
    assert bool(seen.run.producers) == hot
    assert hot or seen.run.departures
    assert not hot or seen.run.producers[0].replay is not None
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize(
    "name", ["StableDiffusionPipeline", "lora on a transformer", "group offload", "offload of every parameter"]
)
def test_a_pipelines_picture_is_the_same_to_the_last_bit(name: str) -> None:
    subject = {**FAMILIES, **WRAPPED}[name].wrapped(F16)
    before = [it.clone() for it in tensors(subject.call())]
    with dtypecheck.watch(subject.target, confirm=True) as seen:
        after = list(tensors(subject.call()))
    assert before
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert set(departures(seen.run)) >= {"vae"}
    assert not seen.run.limits
    assert not seen.report.findings


def test_a_language_model_writes_the_same_words() -> None:
    subject = FAMILIES["llama"].wrapped(BF16)
    before = subject.call()
    with dtypecheck.watch(subject.target, confirm=True) as seen:
        after = subject.call()
    assert torch.equal(before, after)
    assert seen.run.steps == {"LlamaForCausalLM": 3}
    assert len(seen.run.departures) == 1


def test_nothing_is_made_again_while_another_thread_runs_a_model() -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Slow(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            inside.set()
            go_on.wait(20)
            return given

    slow, net = Slow(), Net()
    heat(net.block.up)
    with dtypecheck.watch(confirm=True) as seen:
        other = threading.Thread(target=slow, args=(half(),))
        other.start()
        assert inside.wait(20)
        net(half())
        go_on.set()
        other.join(60)
    assert [it.replay for it in seen.run.producers if it.kind == "inf"] == [None]
    assert any("another thread was running a model" in it for it in seen.run.limits)


def test_results_that_are_kept_from_call_to_call_are_left_alone() -> None:
    from diffusers import FirstBlockCacheConfig

    def fresh() -> Any:
        subject = FAMILIES["FluxPipeline"].wrapped(F16)
        subject.target.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.2))
        return subject

    subject = fresh()
    with dtypecheck.watch(subject.target, confirm=True) as seen:
        after = list(tensors(subject.call()))
    assert all(torch.equal(a, b) for a, b in zip(tensors(fresh().call()), after, strict=True))
    assert any("transformer was not run again" in it and "from call to call" in it for it in seen.run.limits)
    assert "transformer" not in departures(seen.run)


# -- quality


class Cancels(nn.Module):
    """Adds a large number and takes it away: digits are lost, and nothing overflows."""

    def __init__(self) -> None:
        super().__init__()
        self.big, self.small = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return self.small((self.big(given) + 3000) - 3000)


def lossy() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(Block(), Cancels(), Block())


@pytest.mark.parametrize("dtype", [F16, BF16])
def test_the_first_module_that_loses_digits_is_named(dtype: torch.dtype) -> None:
    run = watched(lossy().to(dtype), half().to(dtype))
    (found,) = run.departures
    assert (found.component, found.module) == ("net", "1")
    with torch.no_grad():
        wide = lossy()(half().float())
        own = lossy().to(dtype)(half().to(dtype)).float()
    assert found.error == pytest.approx(float((own - wide).norm() / wide.norm()), rel=1e-3)
    assert found.module_error > 0.3


def test_a_net_that_only_rounds_names_nobody() -> None:
    (found,) = watched(Nest().half(), half()).departures
    assert 0 < found.error < 0.005
    assert found.module == ""


def test_a_component_in_float32_is_compared_with_nothing() -> None:
    run = watched(lossy(), half().float())
    assert run.departures == ()
    assert run.limits == ()


def test_autocast_is_compared_with_none() -> None:
    net = lossy()
    with dtypecheck.watch(net, confirm=True) as seen, torch.no_grad(), torch.autocast("cpu", BF16):
        net(half().float())
    (found,) = seen.run.departures
    assert found.dtype.name == "BF16"
    assert found.error > 1e-4


def test_only_the_first_call_is_compared() -> None:
    calls: list[str] = []

    class Tells(Block):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            calls.append(str(given.dtype))
            return super().forward(given)

    net = Tells().half()
    with dtypecheck.watch(net, confirm=True), torch.no_grad():
        for _ in range(4):
            net(half())
    assert calls == ["torch.float16", "torch.float16", "torch.float32", *["torch.float16"] * 3]


def test_quantised_weights_are_said_not_to_be_compared() -> None:
    class Packed(nn.Linear):
        def __init__(self) -> None:
            super().__init__(WIDTH, WIDTH)
            self.half()
            self.weight = nn.Parameter(torch.ones(WIDTH, WIDTH, dtype=torch.int8), requires_grad=False)

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return functional.linear(given, self.weight.to(given.dtype), self.bias)

    run = watched(nn.Sequential(Packed()), half())
    assert run.departures == ()
    assert run.limits == ("net was not run again: its weights are quantised (int8)",)


def test_a_part_that_does_not_fit_into_memory_is_said_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    from dtypecheck.runs.watch.again import depart

    monkeypatch.setattr(depart, "free", lambda device: 800)
    run = watched(Nest().half(), half())
    assert run.departures == ()
    assert len(run.limits) == 1
    assert "in float32, and 0 MB may be used" in run.limits[0]


def test_a_net_that_fits_only_part_by_part_gives_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from dtypecheck.runs.watch.again import depart

    torch.manual_seed(0)
    net = Nest().half()
    whole = watched(net, half()).departures
    monkeypatch.setattr(depart, "free", lambda device: 8_000)
    assert watched(net, half()).departures == whole


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Whatever a test does, torch is what it was."""
    before = torch.nn.Module.__call__, functional.scaled_dot_product_attention, torch.backends.mkldnn.enabled
    yield
    assert (torch.nn.Module.__call__, functional.scaled_dot_product_attention, torch.backends.mkldnn.enabled) == before
