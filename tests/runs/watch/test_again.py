"""Calls made again without a trace: kept arguments, weights in float32 for a while, estimates from a thousand numbers."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from dtypecheck.runs.watch.again.calls import looking, unchanged
from dtypecheck.runs.watch.again.kept import Kept, Undo
from dtypecheck.runs.watch.again.nests import mapped
from dtypecheck.runs.watch.again.operators import Operators
from dtypecheck.runs.watch.again.sketch import apart, sketch
from dtypecheck.runs.watch.again.widened import Impossible, Widened, packed
from tests.runs.watch.nets import WIDTH, Answer, Block, Nest, Output, Pair, Recurrent, hidden

CPU = torch.device("cpu")


def of_all_kinds() -> tuple[torch.Tensor, dict[str, Any]]:
    one = torch.ones(2)
    cache = SimpleNamespace(keys=[one, torch.zeros(1)], length=1)
    return one, {
        "a": (one, [one]),
        "b": Pair(one, one),
        "c": Answer(one, {"x": one}),
        "d": Output(hidden=one),
        "cache": cache,
        "n": 3,
    }


def test_what_was_kept_is_not_changed_by_what_is_done_to_the_original_or_to_a_copy() -> None:
    one, nest = of_all_kinds()
    kept = Kept((one,), nest)
    nest["a"][1].append("more")
    nest["cache"].keys.append("more")
    one.mul_(5)
    for _ in range(2):
        (again,), kwargs = kept.again()
        found = [again, kwargs["a"][0], kwargs["a"][1][0], kwargs["b"].gate, kwargs["c"].extra["x"], kwargs["d"].hidden]
        found.append(kwargs["cache"].keys[0])
        assert all(tensor.tolist() == [1, 1] for tensor in found)
        assert len({id(tensor) for tensor in found}) == 1, "what was one tensor is one tensor"
        assert len(kwargs["a"][1]) == 1
        assert len(kwargs["cache"].keys) == 2
        assert [type(kwargs[name]) for name in "bcd"] == [Pair, Answer, Output]
        again.mul_(7)
        kwargs["cache"].keys.clear()


def test_an_undo_gives_the_caller_his_own_objects_back_as_they_were() -> None:
    one, nest = of_all_kinds()
    generator = torch.Generator().manual_seed(4)
    undo = Undo((one, generator), nest)
    keys, drawn = nest["cache"].keys, torch.rand(3, generator=generator)
    usual = torch.rand(3)
    one.mul_(5)
    keys.append("more")
    nest["cache"].keys, nest["cache"].length = [], 9
    nest["a"][1].clear()
    undo()
    assert one.tolist() == [1, 1]
    assert nest["cache"].keys is keys
    assert [type(it) for it in keys] == [torch.Tensor] * 2
    assert keys[0] is one
    assert nest["cache"].length == 1
    assert nest["a"][1][0] is one
    assert torch.equal(torch.rand(3, generator=generator), drawn)
    assert torch.equal(torch.rand(3), usual)


def test_a_nest_without_tensors_stays_the_same_objects() -> None:
    thing = SimpleNamespace(x=1, t=(1, "a"))
    assert mapped(thing, torch.clone) is thing
    assert mapped((1, thing), torch.clone)[1] is thing


def test_weights_are_float32_for_a_while_and_the_very_same_objects_afterwards() -> None:
    net = Recurrent().half()
    net.tied = net.last
    net.register_buffer("table", torch.ones(2, dtype=torch.float16))
    before = [*net.named_parameters(remove_duplicate=False), *net.named_buffers()]
    given = hidden()
    with Widened(net, CPU):
        assert {tensor.dtype for tensor in (*net.parameters(), *net.buffers())} == {torch.float32}
        assert net.tied.weight is net.last.weight
        wide = net(given)
    assert wide.dtype is torch.float32
    after = [*net.named_parameters(remove_duplicate=False), *net.named_buffers()]
    assert all(a[0] == b[0] and a[1] is b[1] for a, b in zip(before, after, strict=True))
    assert net(given.half()).dtype is torch.float16, "the LSTM's own list of weights is back too"
    assert torch.allclose(wide, copy.deepcopy(net).float()(given))


def test_the_weights_are_back_after_an_exception() -> None:
    net = Block().half()
    with pytest.raises(ZeroDivisionError), Widened(net, CPU):
        raise ZeroDivisionError
    assert {it.dtype for it in net.parameters()} == {torch.float16}


@pytest.mark.parametrize("memory", [6_000, 3_000])
def test_weights_that_do_not_fit_together_come_part_by_part(memory: int) -> None:
    net = Nest().half()
    given = hidden()
    most = 0

    def look(inner: Any, part: nn.Module, args: Any, kwargs: Any) -> Any:
        nonlocal most
        with weights.around(part):
            real = {it.data_ptr(): it for it in net.parameters() if it.is_contiguous() and not bool(it.isnan().any())}
            most = max(most, sum(4 * it.numel() for it in real.values()))
            return inner(part, *args, **kwargs)

    with Widened(net, CPU, memory) as weights, looking(look):
        made = net(given)
    whole = copy.deepcopy(net).float()
    assert torch.equal(made["logits"], whole(given)["logits"])
    assert 0 < most <= memory < sum(4 * it.numel() for it in whole.parameters())


def test_a_weight_that_is_read_before_its_part_runs_is_not_a_number() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = Block(), Block()

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return self.one(given) + self.two.up.weight.sum()

    net = Reads().half()
    with Widened(net, CPU, 5_000) as weights:

        def look(inner: Any, part: nn.Module, args: Any, kwargs: Any) -> Any:
            with weights.around(part):
                return inner(part, *args, **kwargs)

        with looking(look):
            made = net(hidden())
    assert bool(made.isnan().all())


def test_a_layer_that_alone_is_too_large_is_refused() -> None:
    with pytest.raises(Impossible, match="a Linear alone needs 4 MB in float32, and 1 MB may be used"):
        Widened(nn.Sequential(nn.Linear(1024, 1024)).half(), CPU, 1 << 20)


def test_quantised_weights_are_refused() -> None:
    net = nn.Linear(4, 4).half()
    net.weight = nn.Parameter(torch.ones(4, 4, dtype=torch.int8), requires_grad=False)
    assert packed(net) == "its weights are quantised (int8)"
    with pytest.raises(Impossible):
        Widened(net, CPU)


def test_what_a_call_sets_in_a_module_is_undone() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(WIDTH)
            self.seen: list[int] = []
            self.count = 0

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            self.count += 1
            self.seen.append(self.count)
            self.cache = given
            return self.norm(given)

    net = Counts().train()
    mean = net.norm.running_mean
    with unchanged(net):
        net(torch.randn(4, WIDTH) + 3)
    assert (net.count, net.seen, hasattr(net, "cache")) == (0, [], False)
    assert net.norm.running_mean is mean
    assert mean.tolist() == [0] * WIDTH
    assert int(net.norm.num_batches_tracked) == 0


@pytest.mark.parametrize("shape", [(3,), (1000,), (100_003,), (8, 333, 77)])
@pytest.mark.parametrize("off", [0.003, 0.2])
def test_an_estimate_from_a_thousand_numbers_is_near_the_truth(shape: tuple[int, ...], off: float) -> None:
    torch.manual_seed(1)
    y = torch.randn(shape)
    y.view(-1)[0] = 50  # massive activations are what a sample of places would miss
    x = y.clone()
    x.view(-1)[::3] *= 1 + off
    truth = float((x - y).norm() / y.norm())
    assert apart(sketch(x), sketch({"a": y})) == pytest.approx(truth, rel=0.1)
    assert all(it.numel() <= 1024 for it in sketch(x))


def test_the_operator_that_overflowed_says_how_much_it_needs() -> None:
    x = torch.full((2, 2), 300.0)
    found = []
    for dtype in (torch.float16, torch.float32):
        with Operators() as operators:
            (x.to(dtype) @ x.to(dtype)).sigmoid()
        found.append(operators)
    assert [step.name for step in found[0].steps if step.bad] == ["mm"]
    assert found[0].needs(found[1]) == pytest.approx(180_000)
