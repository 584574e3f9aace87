"""The core of a watch: names, producers, crashes, and a program that runs as if nobody looked."""

from __future__ import annotations

import contextlib
import gc
import io
import threading
import traceback
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import dtypecheck
from dtypecheck.subjects.numbers import Producer
from dtypecheck.subjects.shown import Run


class Block(nn.Module):
    """Norm, two layers, and a dict as output."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, width)
        self.down = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"sample": self.down(torch.relu(self.up(self.norm(x)))) + x}


class Net(nn.Module):
    def __init__(self, depth: int = 3) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(depth))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)["sample"]
        return x


class Pipe:
    """What people build around components."""

    def __init__(self, **parts: nn.Module) -> None:
        self.parts = parts

    @property
    def components(self) -> dict[str, nn.Module]:
        return self.parts

    def __call__(self, x: torch.Tensor) -> Any:
        for part in self.parts.values():
            x = part(x)
        return x


def half_net() -> Net:
    torch.manual_seed(0)
    return Net().half().eval().requires_grad_(False)


def given(rows: int = 2) -> torch.Tensor:
    return torch.randn(rows, 8, generator=torch.Generator().manual_seed(1)).half()


def overflowing(net: Net, block: int = 1) -> Net:
    net.blocks[block].down.weight.fill_(9.0)
    net.blocks[block].up.bias.fill_(60000.0)
    return net


def watched(net: Any, x: torch.Tensor, **options: Any) -> Run:
    with dtypecheck.watch(**options) as seen, contextlib.suppress(Exception):
        net(x)
    return seen.run


def only(run: Run) -> Producer:
    (producer,) = run.producers
    return producer


# -- what must be left alone


def test_a_healthy_net_has_nothing_to_say_and_every_module_a_row() -> None:
    run = watched(half_net(), given())
    assert run.producers == ()
    assert run.crash is None
    assert {row.module for row in run.modules} >= {"blocks.0.norm", "blocks.2.down", "blocks.1"}
    assert all(row.absmax is not None and row.headroom_bits is not None and row.headroom_bits > 5 for row in run.modules)


def test_the_outputs_are_bit_for_bit_those_of_a_run_that_nobody_watched() -> None:
    net, x = half_net(), given()
    alone = net(x)
    for level in ("component", "module", "op"):
        with dtypecheck.watch(level=level):
            assert torch.equal(net(x), alone)


def test_torch_is_left_as_it_was_also_after_an_exception() -> None:
    call, depth = nn.Module.__call__, torch._C._len_torch_function_stack()
    with pytest.raises(ZeroDivisionError), dtypecheck.watch():
        raise ZeroDivisionError
    assert nn.Module.__call__ is call
    assert torch._C._len_torch_function_stack() == depth


def test_what_is_saved_under_a_watch_is_what_would_be_saved_without() -> None:
    net, x = half_net(), given()
    with dtypecheck.watch():
        out = net(torch.cat([x, x]))
    file = io.BytesIO()
    torch.save({"out": out, "net": net.state_dict()}, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=True)["out"], out)
    assert not vars(out)


def test_a_watch_keeps_no_module_and_no_tensor_alive() -> None:
    with dtypecheck.watch() as seen:
        net, x = half_net(), given()
        out = net(x)
        gone = weakref.ref(net), weakref.ref(out)
        del net, out
        nn.ReLU()(x)
        gc.collect()
        assert [ref() for ref in gone] == [None, None]
        assert len(seen.run.modules) == 14


def test_an_exception_of_another_kind_is_neither_explained_nor_changed() -> None:
    class Wrong(Exception):
        pass

    class Raises(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise Wrong("shape (3, 4) is not (4, 3)")

    with dtypecheck.watch() as seen, pytest.raises(Wrong) as caught:
        Raises()(given())
    assert not getattr(caught.value, "__notes__", [])
    assert seen.run.crash is None


def test_output_that_breaks_when_it_is_looked_at_does_not_break_the_program() -> None:
    @dataclass
    class Sly:
        sample: torch.Tensor

        def __getattribute__(self, name: str) -> Any:
            if name == "sample" and object.__getattribute__(self, "armed"):
                raise ValueError("not now")
            return object.__getattribute__(self, name)

        armed: bool = True

    class Gives(nn.Module):
        def forward(self, x: torch.Tensor) -> Sly:
            return Sly(x)

    with dtypecheck.watch() as seen:
        assert isinstance(Gives()(given()), Sly)
        half_net()(given())
    assert any("not now" in limit for limit in seen.run.limits)
    assert len(seen.run.modules) >= 13


@pytest.mark.parametrize("lowest", [float("-inf"), torch.finfo(torch.float16).min])
def test_masks_are_neither_overflow_nor_saturation(lowest: float) -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            scores = self.q(x) @ self.k(x).transpose(-1, -2) + attention_mask
            return scores.softmax(-1) @ x, attention_mask

    mask = torch.zeros(4, 4).half().masked_fill(torch.ones(4, 4).triu(1).bool(), lowest)
    net = Attention().half().requires_grad_(False)
    with dtypecheck.watch() as seen:
        net(given(4), mask)
        net(given(4), attention_mask=mask)
    assert seen.run.producers == ()


def test_modules_in_a_function_transform_a_trace_or_without_numbers_are_left_alone() -> None:
    net = half_net()
    with dtypecheck.watch() as seen:
        torch.func.vmap(net)(given())
        torch.jit.trace(net, given())
        net.to("meta")(given().to("meta"))
    assert seen.run.producers == ()


def test_integer_and_empty_inputs_pass() -> None:
    net = nn.Embedding(4, 4).half()
    with dtypecheck.watch() as seen:
        net(torch.tensor([1, 2]))
        net(torch.zeros(0, dtype=torch.long))
    assert seen.run.producers == ()


def test_a_layer_whose_weights_are_zero_gives_zero_by_design() -> None:
    net = nn.Sequential(nn.Linear(8, 8)).half().requires_grad_(False)
    net[0].weight.zero_()
    net[0].bias.zero_()
    assert watched(net, given()).producers == ()


# -- producers


def test_the_first_module_with_finite_inputs_is_the_producer_and_the_rest_carries_it_on() -> None:
    producer = only(watched(overflowing(half_net()), given()))
    assert (producer.module, producer.kind, producer.dtype.short) == ("blocks.1.down", "inf", "fp16")
    assert producer.carried_to == "blocks.2.down"
    assert producer.carried == 6
    assert producer.before[-1].module == "blocks.1.up"
    assert producer.absmax_in == 60000.0


def test_an_operator_between_two_modules_is_its_holders_and_named_at_the_closest_look() -> None:
    class Scales(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x) * 1e4 * 1e4)

    net = nn.Sequential(nn.Linear(8, 8), Scales()).half().requires_grad_(False)
    at_modules = only(watched(net, given()))
    assert (at_modules.module, at_modules.before_module, at_modules.operator) == ("1", "1.second", "")
    at_operators = only(watched(net, given(), level="op"))
    assert (at_operators.module, at_operators.operator) == ("1", "mul")


def test_what_a_module_hides_again_is_told_with_its_killer() -> None:
    class Clamps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide = nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nan_to_num(self.wide(x), posinf=1.0, neginf=-1.0)

    net = nn.Sequential(Clamps(), nn.Linear(8, 8)).half().requires_grad_(False)
    net[0].wide.weight.fill_(60000.0)
    producer = only(watched(net, given().abs() + 1))
    assert (producer.module, producer.killed_by, producer.reaches) == ("0.wide", "0", "")


def test_nan_in_a_modules_own_weights_is_said() -> None:
    net = half_net()
    net.blocks[2].up.weight[0, 0] = float("nan")
    producer = only(watched(net, given()))
    assert (producer.module, producer.kind, producer.weights) == ("blocks.2.up", "nan", ("weight",))


def test_numbers_that_come_in_not_finite_are_the_callers() -> None:
    x = given()
    x = x / torch.zeros_like(x)
    with dtypecheck.watch() as seen:
        y = x * 1
        half_net()(y)
    producer = only(seen.run)
    assert producer.module == ""
    assert "test_watch.py" in producer.glue


def test_an_output_at_its_dtypes_limit_is_saturated_only_where_nothing_came_in_so() -> None:
    class Clamp(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x.float() * 1e9).clamp(-65504, 65504).half()

    net = nn.Sequential(Clamp(), nn.Identity()).half()
    producer = only(watched(net, given()))
    assert (producer.module, producer.kind) == ("0", "saturated")


def test_an_output_that_vanishes_is_underflow() -> None:
    net = nn.Sequential(nn.Linear(8, 8, bias=False)).half().requires_grad_(False)
    net[0].weight.fill_(1e-7)
    producer = only(watched(net, torch.full((2, 8), 1e-4).half()))
    assert (producer.module, producer.kind) == ("0", "underflow")


def test_the_same_producer_in_fifty_steps_is_one_with_a_count() -> None:
    net = overflowing(half_net())
    with dtypecheck.watch() as seen:
        for _ in range(50):
            net(given())
    assert only(seen.run).times == 50
    assert max(row.calls for row in seen.run.modules) == 50
    assert len(seen.run.modules) == 13


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_a_producer_is_found_in_every_mode_of_autograd(mode: Any) -> None:
    with mode():
        run = watched(overflowing(half_net()), given())
    assert only(run).module == "blocks.1.down"


def test_at_the_component_level_only_the_component_is_named() -> None:
    pipe = Pipe(text_encoder=half_net(), unet=overflowing(half_net()), vae=half_net())
    with dtypecheck.watch(pipe, level="component") as seen:
        pipe(given())
    assert only(seen.run).module == "unet"
    assert only(seen.run).carried_to == "vae"


# -- names


def test_a_pipelines_components_begin_the_paths_and_its_variable_is_known() -> None:
    pipe = Pipe(unet=overflowing(half_net()), vae=half_net())
    with dtypecheck.watch() as seen:
        pipe(given())
    assert only(seen.run).module == "unet.blocks.1.down"
    assert seen.run.variable == "pipe"
    assert seen.run.steps == {"unet": 1, "vae": 1}


def test_several_modules_without_a_pipeline_have_their_variables_as_names() -> None:
    encoder, decoder = half_net(), overflowing(half_net())
    with dtypecheck.watch() as seen:
        decoder(encoder(given()))
    assert only(seen.run).module == "decoder.blocks.1.down"


def test_layers_that_are_put_in_later_have_paths() -> None:
    net = half_net()
    with dtypecheck.watch() as seen:
        net(given())
        net.blocks[0].up = nn.Sequential(net.blocks[0].up, nn.Linear(8, 8).half())
        net(given())
    assert "blocks.0.up.1" in {row.module for row in seen.run.modules}


def test_a_compiled_part_is_one_module_and_that_is_said_at_once() -> None:
    net = half_net()
    compiled = torch.compile(net, backend="eager")
    run = watched(compiled, given())
    assert {row.module for row in run.modules} == {"net"}
    assert "--eager" in run.limits[0]
    eager = watched(compiled, given(), eager=True)
    assert "blocks.1.down" in {row.module for row in eager.modules}
    assert eager.limits == ()


def test_modules_that_run_in_other_threads_are_seen_each_in_its_own_stack() -> None:
    net = half_net()
    with dtypecheck.watch() as seen:
        threads = [threading.Thread(target=net, args=(given(),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert seen.run.steps == {"Net": 4}


# -- crashes


def test_a_crash_names_module_dtypes_and_the_line_that_made_the_tensor() -> None:
    net = half_net()
    with dtypecheck.watch() as seen:
        wide = torch.randn(2, 8)
        with pytest.raises(RuntimeError) as caught:
            net(wide * 2)
    crash = seen.run.crash
    assert crash is not None
    assert crash.module == "blocks.0.norm"
    assert [(operand.role, operand.dtype.short) for operand in crash.operands][:2] == [("input", "fp32"), ("weight", "fp16")]
    assert "test_watch.py" in crash.operands[0].made
    (note,) = caught.value.__notes__
    assert note.startswith("dtypecheck: net.blocks.0.norm has fp16 weights and was given fp32")
    assert "fix: " in note


def test_a_component_in_another_dtype_than_the_rest_is_blamed_not_its_neighbour() -> None:
    pipe = Pipe(text_encoder=half_net(), unet=half_net(), vae=Net().requires_grad_(False))
    with dtypecheck.watch() as seen, pytest.raises(RuntimeError) as caught:
        pipe(given())
    assert seen.run.crash is not None
    assert seen.run.crash.component == "vae"
    assert "vae" in seen.run.crash.remedy
    assert "pipe.vae" in caught.value.__notes__[0]


def test_the_giver_of_a_strange_tensor_is_a_component() -> None:
    pipe = Pipe(encoder=Net().requires_grad_(False), unet=half_net(), vae=half_net())
    with dtypecheck.watch() as seen, pytest.raises(RuntimeError):
        pipe(torch.randn(2, 8))
    assert seen.run.crash is not None
    assert seen.run.crash.operands[0].component == "encoder"


def test_a_half_tensor_that_autocast_left_behind_is_said_to_be_that() -> None:
    pipe = Pipe(unet=Net().requires_grad_(False), vae=Net().requires_grad_(False))

    def call(x: torch.Tensor) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = pipe.parts["unet"].blocks[0].up(x)
        pipe.parts["vae"].blocks[0].up(x)

    with dtypecheck.watch(pipe) as seen, pytest.raises(RuntimeError):
        call(torch.randn(2, 8))
    assert seen.run.crash is not None
    assert seen.run.crash.module == "vae.blocks.0.up"
    assert "autocast, which was left" in seen.run.crash.why


def test_a_swallowed_exception_carries_its_note_all_the_same() -> None:
    said = []
    with dtypecheck.watch() as seen:
        try:
            half_net()(torch.randn(2, 8))
        except RuntimeError:
            said.append(traceback.format_exc())
    assert "dtypecheck: " in said[0]
    assert seen.run.verdict == "crashes"


def test_the_users_traceback_keeps_every_line_of_his() -> None:
    def inner() -> None:
        half_net()(torch.randn(2, 8))

    with dtypecheck.watch(), pytest.raises(RuntimeError) as caught:
        inner()
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "inner" in names
    assert "forward" in names


def test_a_target_that_cannot_be_watched_is_refused() -> None:
    with pytest.raises(TypeError, match="no str"), dtypecheck.watch("unet"):  # type: ignore[arg-type]
        pass


# -- the guard


def test_a_guard_raises_out_of_the_call_that_gave_nan_and_not_before() -> None:
    net = half_net()
    with dtypecheck.guard(net):
        net(given())
        overflowing(net)
        with pytest.raises(FloatingPointError, match="not finite"):
            net(given())
    net(given())


def test_a_guard_calls_back_and_goes_on() -> None:
    reports: list[Any] = []
    pipe = Pipe(unet=overflowing(half_net()), vae=half_net())
    with dtypecheck.guard(pipe, on_bad=reports.append):
        pipe(given())
        pipe(given())
    assert [report.findings[0].name for report in reports] == ["numbers-not-finite"] * 2


def test_a_guard_looks_at_its_target_alone_and_does_not_keep_it() -> None:
    net, other = half_net(), overflowing(half_net())
    gone = weakref.ref(net)
    with dtypecheck.guard(net):
        other(given())
        del net
        other(given())
        gc.collect()
        assert gone() is None


def test_a_bad_call_in_one_thread_is_not_held_against_another() -> None:
    good, bad, outcomes = half_net(), overflowing(half_net()), []
    pipe = Pipe(unet=good)

    def call(hot: bool) -> None:
        for _ in range(20):
            try:
                pipe(torch.full((2, 8), float("inf")).half() if hot else given())
                outcomes.append((hot, "fine"))
            except FloatingPointError:
                outcomes.append((hot, "raised"))

    with dtypecheck.guard(pipe):
        threads = [threading.Thread(target=call, args=(hot,)) for hot in (False, True, False)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert set(outcomes) == {(False, "fine"), (True, "raised")}
    assert bad is not good


def test_guards_may_stop_in_any_order_and_a_patch_of_the_users_stays() -> None:
    call = nn.Module.__call__
    own = {name: vars(nn.Module)[name] for name in ("to", "half", "__init__")}
    first, second = dtypecheck.guard(half_net()), dtypecheck.guard(net := overflowing(half_net()))
    first.stop()
    with pytest.raises(FloatingPointError):
        net(given())
    second.stop()
    assert nn.Module.__call__ is call
    assert {name: vars(nn.Module)[name] for name in own} == own
    third = dtypecheck.guard(half_net())
    ours = nn.Module.__call__

    def theirs(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return ours(module, *args, **kwargs)

    nn.Module.__call__ = theirs  # type: ignore[method-assign]
    try:
        third.stop()
        assert nn.Module.__call__ is theirs
        net(given())
    finally:
        nn.Module.__call__ = call  # type: ignore[method-assign]


def test_a_mode_of_the_users_own_ends_where_he_ends_it() -> None:
    net = half_net()
    with dtypecheck.watch():
        with torch.device("meta"):
            nn.Linear(2, 2)(torch.ones(1, 2))
        assert torch.ones(1).device.type == "cpu"
        net(given())
    assert torch._C._len_torch_function_stack() == 0


def test_an_exception_that_was_caught_is_let_go_and_forgiven_when_the_component_runs_again() -> None:
    class Held:
        pass

    def crashes(net: nn.Module) -> Any:
        held = Held()
        gone = weakref.ref(held)
        with contextlib.suppress(RuntimeError):
            net(torch.randn(2, 8))
        return gone

    net = half_net()
    with dtypecheck.watch() as seen:
        gone = crashes(net)
        assert seen.run.verdict == "crashes"
        net(given())
        gc.collect()
        assert gone() is None
    assert seen.run.verdict == "runs"
    assert "crashed before" in seen.run.limits[0]


def test_modules_that_are_made_where_they_are_called_are_one_row() -> None:
    class Inline(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.Softmax(-1)(x)

    with dtypecheck.watch() as seen:
        net = Inline()
        for _ in range(10):
            net(given())
    assert [(row.module, row.calls) for row in seen.run.modules] == [("Softmax", 10), ("net", 10)]


def test_minus_infinity_that_hides_scores_is_meant() -> None:
    class Filter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.soft = nn.Linear(8, 8), nn.Softmax(-1)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            scores = self.head(x)
            scores = scores.masked_fill(scores < scores.median(-1, keepdim=True).values, float("-inf"))
            return self.soft(scores), scores

    assert watched(Filter().requires_grad_(False), given().float()).producers == ()


def test_a_guard_refuses_what_is_no_reaction() -> None:
    with pytest.raises(ValueError, match="on_bad"):
        dtypecheck.guard(half_net(), on_bad="ignore")  # type: ignore[arg-type]


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    from dtypecheck.request import WrongUse

    with pytest.raises(WrongUse, match="no such file"):
        dtypecheck.verbs.watch.watch_script(tmp_path / "none.py")
