"""Overflows planted at random in real pipelines, models and networks: the watch names the module that plain hooks find."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

import torch

from dtypecheck import watch
from dtypecheck.dtypes import parse
from dtypecheck.subjects.numbers import Producer
from tests.runs.watch import families, planted
from tests.runs.watch.nets import WIDTH, CastLinear, InPlace
from tests.runs.watch.planted import KINDS, NothingThere, Plant, Truth

FAMILIES = {**families.FAMILIES, **families.WRAPPED}
SAMPLE = 16
MANY = 254
TRIES = 40


def draws(number: int, names: list[str]) -> Iterator[Plant]:
    """What plant number so and so may be, until one of them takes: the kind stays, family, dtype and layer are drawn again."""
    chance = random.Random(number)
    for again in range(TRIES):
        name = chance.choice(names)
        dtypes = FAMILIES[name].dtypes if name in FAMILIES else families.HALVES
        yield Plant(name, chance.choice(dtypes), KINDS[number % len(KINDS)], 1000 * number + again)


def grown(number: int, names: list[str], level: str = "module") -> tuple[Plant, Truth, tuple[Producer, ...]]:
    """The first of its draws that takes: what it is, the truth, and what the watch says."""
    for plant in draws(number, names):
        family = FAMILIES.get(plant.family) or families.of_class(plant.family)
        try:
            subject, _, truth = planted.planted(plant, family)
        except NothingThere:
            continue
        with watch(subject.target, level=level) as watched:
            planted.called(subject)
        return plant, truth, watched.run.producers
    raise AssertionError(f"nothing could be planted in {TRIES} draws of number {number}")


def check(number: int, names: list[str], level: str = "module") -> None:
    plant, truth, producers = grown(number, names, level)
    bad = [producer for producer in producers if producer.kind in ("nan", "inf")]
    assert bad, f"{plant}: nothing named; it is {truth.modules[0]}"
    assert bad[0].module in truth.modules, f"{plant}"
    assert bad[0].dtype == parse(str(truth.dtype)), f"{plant}"
    assert truth.step in (bad[0].step, None), f"{plant}"


@pytest.mark.parametrize("number", range(SAMPLE))
def test_the_producer_named_is_the_one_planted(number: int) -> None:
    check(number, list(FAMILIES))


@pytest.mark.parametrize("number", [18, 33])
def test_minus_inf_that_the_next_module_breaks_on_is_no_mask(number: int) -> None:
    """A composite module, or a block that adds in place, gave -inf beside finite numbers, and NaN came of it one module later."""
    check(number, list(FAMILIES))


@pytest.mark.parametrize("number", range(4))
def test_following_every_operator_names_the_same_module(number: int) -> None:
    check(number, list(FAMILIES), "op")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(SAMPLE, SAMPLE + MANY))
def test_the_producer_named_is_the_one_planted_in_any_class(number: int) -> None:
    check(number, [*FAMILIES, *families.any_class()])


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_in_place_that_overflows_is_its_blocks(sign: int, mode: type[torch.no_grad]) -> None:
    """The tensor is that of the layer, which was finite when the layer gave it. All -inf is no mask here: it goes on as NaN."""
    net = InPlace().half().eval()
    for block in net.blocks:
        block.layer.weight.data.zero_()
        block.layer.bias.data.fill_(sign * 30_000)
    with mode(), watch(net) as watched:
        net(torch.zeros(1, WIDTH, dtype=torch.float16))
    (found,) = (producer for producer in watched.run.producers if producer.kind == "inf")
    assert found.module == "blocks.2"


@pytest.mark.parametrize("sign", [1, -1])
def test_an_overflow_on_one_side_in_a_layer_of_its_own_kind_is_that_layers(sign: int) -> None:
    net = torch.nn.Sequential(torch.nn.Identity(), CastLinear(WIDTH, WIDTH), torch.nn.SiLU(), torch.nn.Linear(WIDTH, 2)).half()
    net[1].weight.data[:2] = sign * 30_000
    with torch.no_grad(), watch(net) as watched:
        net(torch.ones(2, WIDTH, dtype=torch.float16))
    assert watched.run.producers[0].module == "1"


@pytest.mark.parametrize("name", ["dict", "ordered", "data", "tuple", "named", "model", "keyword"])
@pytest.mark.parametrize("dtype", families.HALVES)
def test_the_producer_is_right_whatever_holds_its_output(name: str, dtype: torch.dtype) -> None:
    """0/0 in the code of a module that returns a dict, a dataclass, a tuple in a list ..."""
    subject = FAMILIES["nest"].make(dtype)
    module = getattr(subject.target, name)
    module.forward = planted.Spoiler(module.forward, 0, random.Random(name))
    truth = planted.asked(subject).truth
    with watch(subject.target) as watched:
        subject.call()
    assert truth is not None
    assert truth.modules == (name,)
    assert watched.run.producers[0].module == name


def test_a_number_lost_between_two_components_is_nobodys() -> None:
    """0/0 in the loop itself: the producer is the code between, not the component that is given it."""
    subject = FAMILIES["pipe"].make(torch.float16)
    block = subject.target.denoiser[1]
    with watch(subject.target) as watched, torch.inference_mode():
        hidden = subject.target.encoder(torch.randn(2, 5, WIDTH, dtype=torch.float16))["hidden"]
        subject.target.decoder(block(hidden / 0.0))
    (found,) = (producer for producer in watched.run.producers if producer.kind != "saturated")
    assert found.module == ""
    assert "denoiser" in found.before_module
