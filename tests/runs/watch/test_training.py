"""Training that goes wrong in half, and training that does not: real optimizers and scalers, and what is told of them."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.runs.script.trace import Script
from dtypecheck.runs.watch.training import Training, _finite
from dtypecheck.subjects.shown import Event

HALVES = [torch.float16, torch.bfloat16]


class Net(torch.nn.Module):
    """Two components of one layer each."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.unet = torch.nn.Linear(4, 4)
        self.vae = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.vae(self.unet(x))


def naming(net: torch.nn.Module) -> Callable[[torch.Tensor], str]:
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    return lambda parameter: names.get(id(parameter), "")


def train(net: torch.nn.Module, optimizer: Any, steps: int = 2, scale: float = 1.0) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        dtype = next(net.parameters()).dtype
        (net(torch.full((2, 4), scale, dtype=dtype)).float() ** 2).mean().backward()
        optimizer.step()


def of(training: Training, kind: str) -> list[Event]:
    return [event for event in training.events() if event.kind == kind]


@pytest.mark.parametrize("dtype", HALVES)
def test_an_optimizer_that_steps_half_parameters_is_told_with_its_epsilon_and_states(dtype: torch.dtype) -> None:
    net = Net().to(dtype)
    with Training(naming(net)) as training:
        train(net, torch.optim.AdamW(net.parameters(), lr=1e-3), steps=3)
    events = of(training, "optimizer")
    ours = F16 if dtype is torch.float16 else BF16
    assert [(event.module, event.operator, event.dtypes, event.times) for event in events] == [
        ("unet.weight", "AdamW", (ours, ours), 3),
        ("vae.weight", "AdamW", (ours, ours), 3),
    ]
    assert all(event.by.endswith(" eps 1e-08") and "test_training.py:" in event.by for event in events)
    assert training.faults == []


def test_an_optimizer_without_states_or_epsilon_tells_neither() -> None:
    net = Net().half()
    with Training(naming(net)) as training:
        train(net, torch.optim.SGD(net.parameters(), lr=1e-3))
    assert [(event.operator, event.dtypes, "eps" in event.by) for event in training.events()] == [("SGD", (F16,), False)] * 2


def test_a_kernel_that_keeps_epsilon_in_float32_says_so_and_gives_no_nan() -> None:
    net = Net().half()
    with Training(naming(net)) as training:
        train(net, torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True), scale=1e-4)
    assert [event.by.endswith("eps 1e-08 fused") for event in of(training, "optimizer")] == [True, True]
    assert of(training, "optimizer-nan") == []


def test_the_parts_of_one_model_are_told_once() -> None:
    net = torch.nn.Sequential(*[torch.nn.Linear(2, 2) for _ in range(5)]).half()
    scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    with Training(naming(net)) as training:
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, eps=1e-3)
        scaler.scale(net(torch.ones(1, 2).half()).sum()).backward()
        with pytest.raises(ValueError, match="FP16"):
            scaler.step(optimizer)
        optimizer.step()
    assert [(event.kind, event.module, event.dtypes) for event in training.events()] == [
        ("scaler", "0.weight", (F16,)),
        ("optimizer", "0.weight", (F16, F16)),
    ]


def test_float32_parameters_and_what_is_frozen_are_no_news() -> None:
    net = Net().half()
    net.unet.requires_grad_(False)
    net.vae.float()
    net.unet.float()
    half = torch.nn.Parameter(torch.ones(2, dtype=torch.float16), requires_grad=False)
    with Training(naming(net)) as training, torch.autocast("cpu", torch.bfloat16):
        train(net, torch.optim.AdamW([*net.parameters(), half]))
    assert training.events() == ()


def test_the_line_is_the_scripts_own(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(
        dedent("""
        import torch

        net = torch.nn.Linear(2, 2).half()
        optimizer = torch.optim.Adam(net.parameters(), eps=1e-4)
        net(torch.ones(1, 2).half()).sum().backward()
        optimizer.step()
        """).lstrip()
    )
    with Training(script=Script(path, "train.py")) as training:
        runpy.run_path(str(path))
    assert [(event.by, event.module) for event in training.events()] == [("train.py:6 eps 0.0001", "")]


# Not finite any more


def test_adam_in_fp16_whose_epsilon_vanishes_is_caught_in_the_step_that_gives_nan() -> None:
    net = Net().half()
    with Training(naming(net)) as training:
        train(net, torch.optim.Adam(net.parameters()), steps=3, scale=0.0)  # no gradient for weights: 0 / 0
    (event,) = of(training, "optimizer-nan")
    assert not net.unet.weight.isfinite().all()
    assert (event.module, event.operator, event.dtypes, event.times) == ("unet.weight", "Adam", (F16,), 1)
    assert event.by.endswith("the parameter in step 1")
    assert len(of(training, "optimizer")) == 2


def test_a_second_moment_that_overflows_is_named_as_that() -> None:
    parameter = torch.nn.Parameter(torch.ones(8, dtype=torch.float16))
    with Training(lambda _: "unet.conv.weight") as training:
        optimizer = torch.optim.Adam([parameter], eps=1e-3)
        for gradient in (1.0, 30_000.0, 1.0):
            parameter.grad = torch.full_like(parameter, gradient)
            optimizer.step()
    (event,) = of(training, "optimizer-nan")
    assert parameter.isfinite().all()
    assert (event.module, event.dtypes, event.times) == ("unet.conv.weight", (F16, F16), 2)
    assert event.by.endswith("exp_avg_sq in step 2")


def test_a_gradient_that_was_not_finite_before_the_step_is_said_to_be_the_cause() -> None:
    net = Net().bfloat16()
    with Training(naming(net)) as training:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        train(net, optimizer)
        net(torch.full((1, 4), float("inf"), dtype=torch.bfloat16)).sum().backward()
        optimizer.step()
    (event,) = of(training, "optimizer-nan")
    assert event.by.endswith("the parameter in step 3, as its gradient was")
    assert event.times == 3


def test_parameters_that_were_not_finite_before_any_step_are_nobodys_fault_here() -> None:
    net = Net().half()
    net.unet.weight.data[0, 0] = float("nan")
    with Training(naming(net)) as training:
        train(net, torch.optim.SGD(net.parameters()))
    assert of(training, "optimizer-nan") == []
    assert len(of(training, "optimizer")) == 2


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adagrad, torch.optim.RMSprop, torch.optim.Adamax])
def test_bf16_training_that_goes_well_tells_of_no_nan(kind: Any) -> None:
    net = Net().bfloat16()
    with Training(naming(net)) as training:
        train(net, kind(net.parameters(), lr=1e-3), steps=4)
    assert of(training, "optimizer-nan") == []
    assert [event.dtypes for event in of(training, "optimizer")] == [(BF16, BF16)] * 2


def test_float32_states_of_half_parameters_are_looked_at_too() -> None:
    parameter = torch.nn.Parameter(torch.ones(8, dtype=torch.float16))
    optimizer = torch.optim.SGD([parameter], lr=0.0)
    with Training(lambda _: "unet.w") as training:
        parameter.grad = torch.ones_like(parameter)
        optimizer.state[parameter]["master"] = torch.full((8,), 1e38)
        optimizer.step()
        optimizer.state[parameter]["master"] *= 10
        optimizer.step()
    assert [(event.dtypes, event.times) for event in of(training, "optimizer-nan")] == [((F16, F32), 2)]


@pytest.mark.parametrize("on_cpu", [True, False])
def test_both_ways_to_reduce_say_the_same_of_large_and_lost_numbers(on_cpu: bool) -> None:
    largest = torch.full((1_000,), 65_504.0, dtype=torch.float16)
    lost = [largest.clone() for _ in range(3)]
    for tensor, value in zip(lost, (float("nan"), float("inf"), float("-inf")), strict=True):
        tensor[7] = value
    tensors = [largest, *lost, torch.full((2, 2), -3e38, dtype=torch.bfloat16), torch.zeros(3)]
    assert _finite(tensors, on_cpu) == [True, False, False, False, True, True]


# Gradient scalers


def test_a_scaler_on_fp16_gradients_is_told_before_it_raises() -> None:
    net = Net().half()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler("cpu")
    with Training(naming(net)) as training:
        scaler.scale(net(torch.ones(1, 4).half()).sum()).backward()
        with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
            scaler.step(optimizer)
    (first, second) = of(training, "scaler")
    assert (first.module, first.operator, first.dtypes, first.times) == ("unet.weight", "GradScaler", (F16,), 1)
    assert second.module == "vae.weight"
    assert "test_training.py:" in first.by


def test_a_scaler_on_bf16_gradients_is_counted_by_steps() -> None:
    parameter = torch.nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    optimizer = torch.optim.SGD([parameter], lr=1e-3)
    scaler = torch.amp.GradScaler("cpu")
    with Training(lambda _: "unet.w") as training:
        for _ in range(3):
            scaler.scale(parameter.sum()).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
    assert [(event.dtypes, event.times) for event in of(training, "scaler")] == [((BF16,), 3)]


@pytest.mark.parametrize("enabled", [True, False])
def test_a_scaler_on_float32_gradients_or_switched_off_is_no_news(enabled: bool) -> None:
    net = Net() if enabled else Net().half()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler("cpu", enabled=enabled)
    with Training(naming(net)) as training:
        scaler.scale(net(torch.ones(1, 4, dtype=net.vae.weight.dtype)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    assert of(training, "scaler") == []


def test_accelerates_own_optimizer_and_scaler_are_heard() -> None:
    from accelerate import Accelerator
    from accelerate.optimizer import AcceleratedOptimizer

    Accelerator(cpu=True)

    net = Net().half()
    scaler = torch.amp.GradScaler("cpu")
    optimizer = AcceleratedOptimizer(torch.optim.SGD(net.parameters(), lr=1e-3), scaler=scaler)
    with Training(naming(net)) as training:
        scaler.scale(net(torch.ones(1, 4).half()).sum()).backward()
        with pytest.raises(ValueError, match="FP16"):
            optimizer.step()
    assert [event.module for event in of(training, "scaler")] == ["unet.weight", "vae.weight"]


def test_lora_in_half_that_peft_trains_names_its_own_layers() -> None:
    from peft import LoraConfig, get_peft_model

    tuned = get_peft_model(Net().bfloat16(), LoraConfig(r=2, target_modules=["unet"]), autocast_adapter_dtype=False)
    with Training(naming(tuned)) as training:
        trained = [parameter for parameter in tuned.parameters() if parameter.requires_grad]
        train(tuned, torch.optim.AdamW(trained))
    (event,) = training.events()
    assert event.module.endswith("unet.lora_A.default.weight")
    assert event.dtypes == (BF16, BF16)


# It leaves the program alone


def test_training_ends_as_without_it_bit_for_bit() -> None:
    ends = []
    for watched in (False, True):
        net = Net().bfloat16()
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
        if watched:
            with Training(naming(net)):
                train(net, optimizer, steps=5)
        else:
            train(net, optimizer, steps=5)
        ends.append([parameter.detach().clone() for parameter in net.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))


def test_everything_is_as_it_was_afterwards_also_after_an_exception() -> None:
    before = [vars(torch.amp.GradScaler)["step"], vars(torch.amp.GradScaler)["unscale_"]]
    hooks = [dict(_global_optimizer_pre_hooks), dict(_global_optimizer_post_hooks)]

    def break_off() -> None:
        with Training():
            assert len(_global_optimizer_pre_hooks) == len(hooks[0]) + 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert [vars(torch.amp.GradScaler)["step"], vars(torch.amp.GradScaler)["unscale_"]] == before
    assert [dict(_global_optimizer_pre_hooks), dict(_global_optimizer_post_hooks)] == hooks


def test_what_fails_in_here_is_noted_and_the_step_goes_on() -> None:
    def hostile(parameter: torch.Tensor) -> str:
        raise ZeroDivisionError("hostile")

    parameter = torch.nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    parameter.grad = torch.ones_like(parameter)
    with Training(hostile) as training:
        torch.optim.SGD([parameter], lr=0.5).step()
    assert parameter.tolist() == [0.5] * 4
    assert training.faults == ["_before: ZeroDivisionError: hostile"]


def test_an_optimizer_dies_when_it_is_dropped() -> None:
    import gc
    import weakref

    net = Net().half()
    with Training(naming(net)) as training:
        optimizer = torch.optim.SGD(net.parameters())
        train(net, optimizer)
        gone = weakref.ref(optimizer)
        del optimizer
        gc.collect()
        assert gone() is None
    assert len(training.events()) == 2
