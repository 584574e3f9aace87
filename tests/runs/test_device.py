"""A device that is not there answers as it would, the CPU does the work, and afterwards everything is as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from dtypecheck.knowledge import Knowledge

torch = pytest.importorskip("torch")

from dtypecheck.runs import call, edges  # noqa: E402
from dtypecheck.runs.call import Outcomes  # noqa: E402
from dtypecheck.runs.contracts import Contracts  # noqa: E402
from dtypecheck.runs.device import here, pretended, stands_for  # noqa: E402
from dtypecheck.runs.modules import Modules  # noqa: E402
from dtypecheck.runs.pretend import autocast_here  # noqa: E402
from dtypecheck.runs.world import World  # noqa: E402

KNOWN = Knowledge()
DEVICES = ["cuda", "mps", "xpu"]
LINEAR = torch.nn.functional.linear


def world(device: str) -> World:
    return World(Contracts(KNOWN, device), Modules())


def answers() -> dict[str, object]:
    """What this machine says of itself."""
    return {
        "mps": torch.backends.mps.is_available(),
        "cuda": torch.cuda.is_available(),
        "count": torch.cuda.device_count(),
        "tensor": torch.zeros(1).device,
        "event": torch.Event,
        "empty": torch.cuda.empty_cache,
        "fake": type.__getattribute__(torch._subclasses.fake_tensor.FakeTensor, "device"),
        "autocast": torch.amp.autocast_mode.autocast.__init__,
        "modes": len(torch.overrides._get_current_function_mode_stack()),
    }


# What must be left alone


def test_on_the_cpu_nobody_pretends() -> None:
    before = answers()
    with pretended("cpu", world("cpu")):
        assert answers() == before


@pytest.mark.parametrize("value", ["cuda:0", "mps", "cpu", torch.device("xpu", 1)])
def test_a_device_is_the_cpu_here(value: object) -> None:
    assert here(value) == torch.device("cpu")


@pytest.mark.parametrize("value", ["meta", "float16", "cuda kernels", None, 3, torch.float16])
def test_what_names_no_device_stays_what_it_is(value: object) -> None:
    assert here(value) is value


@pytest.mark.parametrize(("device", "kind"), [("cuda", "cuda"), ("rocm", "cuda"), ("mps", "mps"), ("xpu", "xpu"), ("cpu", "cpu")])
def test_a_device_stands_for_the_one_that_torch_names(device: str, kind: str) -> None:
    assert stands_for(device).type == kind


# What it answers


@pytest.mark.parametrize("device", DEVICES)
def test_every_tensor_says_that_it_is_there_and_none_is(device: str) -> None:
    around = world(device)
    with pretended(device, around), around:
        real = torch.zeros(2, device=device)
        fake = around.without_numbers(torch.zeros(2))
        moved = [torch.zeros(2).to(device), torch.zeros(2).to(f"{device}:0", torch.float16), torch.zeros(2).to(real)]
        module = torch.nn.Linear(2, 2).to(device)
        assert {tensor.device.type for tensor in (real, fake, fake + 1, *moved, module.weight)} == {device}
        assert (real.is_cuda, real.is_mps) == (device == "cuda", device == "mps")
        assert moved[1].dtype == torch.float16
    assert {tensor.device.type for tensor in (real, *moved, module.weight)} == {"cpu"}


def test_moves_of_cuda_keep_the_tensor() -> None:
    tensor = torch.arange(3)
    with pretended("cuda", world("cuda")):
        assert tensor.cuda().cpu().pin_memory().tolist() == [0, 1, 2]


@pytest.mark.parametrize("device", DEVICES)
def test_libraries_that_ask_what_there_is_are_told_this_device_alone(device: str) -> None:
    with pretended(device, world(device)):
        said = (torch.cuda.is_available(), torch.cuda.device_count() > 0, torch.backends.mps.is_available())
    assert said == (device == "cuda", device == "cuda", device == "mps")


@pytest.mark.parametrize(("capability", "pair", "bf16"), [(75, (7, 5), False), (80, (8, 0), True), (120, (12, 0), True)])
def test_a_cuda_device_has_the_capability_that_was_asked_for(capability: int, pair: tuple[int, int], bf16: bool) -> None:
    with pretended("cuda", world("cuda"), capability):
        assert torch.cuda.get_device_capability() == pair
        assert torch.cuda.is_bf16_supported() is bf16


def test_there_is_nothing_to_wait_for() -> None:
    with pretended("cuda", world("cuda")):
        event = torch.Event("cuda")
        event.record()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        assert event.query() is True


# Everything is put back


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt])
def test_afterwards_all_is_as_it_was(device: str, fault: type[BaseException] | None) -> None:
    before = answers()

    def meanwhile() -> None:
        with pretended(device, world(device)), autocast_here(device):
            assert answers() != before
            if fault:
                raise fault

    if fault:
        with pytest.raises(fault):
            meanwhile()
    else:
        meanwhile()
    assert answers() == before


def test_afterwards_all_is_as_it_was_also_when_a_call_fails() -> None:
    before = answers()
    applied, called, numpy = torch.nn.Module._apply, torch.nn.Module.__call__, torch.Tensor.numpy

    def fail() -> None:
        torch.zeros(2, device="cuda")
        raise ValueError("the prompt is empty")

    outcome = call.run(fail, {}, {}, world("cuda"))
    assert (outcome.verdict, outcome.crash) == ("unknown", None)
    assert "the prompt is empty" in outcome.reason
    assert answers() == before
    assert (torch.nn.Module._apply, torch.nn.Module.__call__, torch.Tensor.numpy) == (applied, called, numpy)
    assert torch.is_grad_enabled()


def test_another_thread_is_not_told_that_its_tensors_are_elsewhere() -> None:
    said: list[str] = []
    with pretended("cuda", world("cuda")):
        thread = threading.Thread(target=lambda: said.append(torch.zeros(1).device.type))
        thread.start()
        thread.join(60)
    assert said == ["cpu"]


# What a device lacks


class Doubles(torch.nn.Module):
    """A component that computes in float64 where its device does not say that it is of Apple."""

    def __init__(self, asks: bool) -> None:
        super().__init__()
        self.asks = asks

    def forward(self, sample: Any) -> Any:
        wide = torch.float32 if self.asks and sample.device.type == "mps" else torch.float64
        return sample.to(wide).sin().to(sample.dtype)


def doubled(device: str, asks: bool) -> Outcomes:
    around, component = world(device), Doubles(asks)
    edges.guard("transformer", component, around)
    sample = torch.ones(64, dtype=torch.float16)
    return call.run(lambda: component(sample), {"transformer": component}, {"transformer": "denoiser"}, around)


@pytest.mark.parametrize(("device", "asks"), [("cuda", False), ("cpu", False), ("mps", True)])
def test_float64_runs_where_there_is_such_a_thing_and_where_the_code_asks_first(device: str, asks: bool) -> None:
    assert doubled(device, asks) == Outcomes("runs")


def test_float64_on_mps_crashes_in_the_words_of_mps() -> None:
    outcome = doubled("mps", asks=False)
    assert outcome.verdict == "crashes"
    assert outcome.crash is not None
    assert outcome.crash.message.startswith("Cannot convert a MPS Tensor to float64")
    assert (outcome.crash.module, outcome.crash.stage) == ("transformer", "denoise")
    row = next(row for name, row in KNOWN.all("contracts") if name == "*" and "mps" in row["devices"])
    assert outcome.crash.confirmed is ("mps" in row["confirmed"])


# Autocast


def under(device: str, asked: str, work: Callable[[], Any], **options: Any) -> Any:
    around = world(device)
    with autocast_here(device), pretended(device, around), around, torch.no_grad(), torch.autocast(asked, **options):
        return work().dtype


@pytest.mark.parametrize("device", DEVICES)
def test_autocast_of_the_device_makes_products_half(device: str) -> None:
    assert under(device, device, lambda: LINEAR(torch.ones(2, 4), torch.ones(3, 4)), dtype=torch.bfloat16) == torch.bfloat16
    assert under(device, device, lambda: LINEAR(torch.ones(2, 4), torch.ones(3, 4))) == torch.float16


def test_autocast_of_cuda_computes_norms_in_float32() -> None:
    half = torch.ones(2, 4, dtype=torch.float16)
    assert under("cuda", "cuda", lambda: torch.nn.functional.layer_norm(half, (4,))) == torch.float32


def test_autocast_of_the_cpu_changes_nothing_on_cuda() -> None:
    assert under("cuda", "cpu", lambda: LINEAR(torch.ones(2, 4), torch.ones(3, 4)), dtype=torch.bfloat16) == torch.float32


def test_autocast_that_is_off_changes_nothing() -> None:
    assert under("cuda", "cuda", lambda: LINEAR(torch.ones(2, 4), torch.ones(3, 4)), enabled=False) == torch.float32


def test_mixed_products_break_no_contract_under_autocast() -> None:
    half, single = torch.ones(2, 4, dtype=torch.float16), torch.ones(3, 4)
    assert under("cuda", "cuda", lambda: LINEAR(half, single)) == torch.float16
    with pytest.raises(RuntimeError, match="dtype"):
        under("cuda", "cuda", lambda: LINEAR(half, single), enabled=False)
