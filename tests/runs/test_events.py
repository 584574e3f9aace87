"""Half tensors that meet wide ones are counted where they do, and told apart by who brought the wide one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.knowledge import Knowledge

torch = pytest.importorskip("torch")

from dtypecheck.runs import origins  # noqa: E402
from dtypecheck.runs.contracts import Contracts  # noqa: E402
from dtypecheck.runs.events import Events  # noqa: E402
from dtypecheck.runs.modules import Modules  # noqa: E402
from dtypecheck.runs.origins import Origin  # noqa: E402
from dtypecheck.runs.world import World  # noqa: E402

KNOWN = Knowledge()
HALF = torch.float16
ENCODER = Origin("component", "text_encoder")
Step = tuple[str, Callable[[Any], Any]]
"""A module, and what it makes of the stream it is given."""


def played(
    wide: Any,
    half: Any,
    origin: Origin | None,
    module: str = "unet.proj",
    times: int = 1,
    before: tuple[Step, ...] = (),
    after: tuple[Step, ...] = (),
) -> Events:
    """Add both inside a module, in a world that counts; before it the wide tensor passes other modules, and the sum after it."""
    events = Events({"unet": F16, "transformer": BF16})
    world = World(Contracts(KNOWN, "cuda"), Modules(), events)
    if origin:
        origins.mark(wide, origin)
    with world:
        for _ in range(times):
            stream = wide
            for place, work in (*before, (module, lambda given: half + given), *after):
                world.modules.enter(place)
                stream = work(stream)
                world.modules.leave()
    return events


def test_equal_dtypes_are_no_event() -> None:
    assert played(torch.ones(8, dtype=HALF), torch.ones(8, dtype=HALF), None).seen() == ()
    assert played(torch.ones(8), torch.ones(8), None).seen() == ()


@pytest.mark.parametrize("lone", ["wide", "half"])
def test_a_lone_number_promotes_nothing_that_counts(lone: str) -> None:
    wide, half = torch.ones(() if lone == "wide" else (8,)), torch.ones(() if lone == "half" else (8,), dtype=HALF)
    assert played(wide, half, Origin("component", "text_encoder")).seen() == ()


def test_whole_numbers_promote_nothing() -> None:
    assert played(torch.ones(8, dtype=torch.int64), torch.ones(8, dtype=HALF), None).seen() == ()


def test_a_cast_alone_is_no_event() -> None:
    events = Events({"unet": F16})
    with World(Contracts(KNOWN, "cuda"), Modules(), events):
        torch.ones(8, dtype=HALF).float()
    assert events.seen() == ()


def test_a_promotion_says_where_what_and_how_many_bytes_more() -> None:
    (event,) = played(torch.ones(4, 8), torch.ones(4, 8, dtype=HALF), Origin("component", "text_encoder"), times=3).seen()
    assert (event.kind, event.module, event.operator) == ("promoted", "unet.proj", "add")
    assert (event.dtypes, event.to, event.by) == ((F16, F32), F32, "text_encoder")
    assert (event.times, event.nbytes) == (3, 3 * 32 * 2)
    assert not event.by_design


def test_the_narrow_dtype_is_the_one_that_was_there() -> None:
    (event,) = played(torch.ones(8), torch.ones(8, dtype=torch.bfloat16), None).seen()
    assert event.dtypes == (BF16, F32)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        Origin("parameter", "unet.norm.weight"),
        Origin("component", "unet"),
        Origin("code", "get_timestep_embedding", where="diffusers/models/embeddings.py:1"),
    ],
)
def test_what_a_model_or_its_code_widens_by_itself_is_by_design(origin: Origin | None) -> None:
    (event,) = played(torch.ones(8), torch.ones(8, dtype=HALF), origin).seen()
    assert event.by_design


def test_an_argument_that_widens_a_half_component_is_nobody_s_design() -> None:
    (event,) = played(torch.ones(8), torch.ones(8, dtype=HALF), Origin("argument", "image")).seen()
    assert (event.by, event.by_design) == ("the argument image", False)


@pytest.mark.parametrize("module", ["", "vae.decoder"])
def test_in_the_glue_and_in_components_that_are_not_half_nothing_is_amiss(module: str) -> None:
    (event,) = played(torch.ones(8), torch.ones(8, dtype=HALF), Origin("component", "text_encoder"), module).seen()
    assert event.by_design


# What runs wide behind a promotion


@pytest.mark.parametrize(
    "step",
    [
        ("unet.out", lambda stream: stream.half()),
        ("unet.ids", lambda stream: stream > 0),
        ("vae.decoder", lambda stream: stream * 2),
        ("transformer.proj_in", lambda stream: stream * 2),
        ("", lambda stream: stream * 2),
        ("unet.norm", lambda stream: marked(torch.ones(8), Origin("component", "unet")) * 2),
        ("unet.norm", lambda stream: marked(torch.ones(8), Origin("parameter", "unet.norm.weight")) * 2),
        ("unet.time", lambda stream: marked(torch.ones(8), Origin("code", "get_timestep_embedding")) * 2),
        ("unet.image", lambda stream: marked(torch.ones(8), Origin("argument", "image")) * 2),
        ("unet.rope", lambda stream: torch.ones(8) * 2),
    ],
    ids=[
        "cast back",
        "compared",
        "another component",
        "another half one",
        "glue",
        "its own",
        "weight",
        "code",
        "image",
        "nobody",
    ],
)
def test_what_is_not_wide_because_of_the_same_tensor_is_not_behind(step: Step) -> None:
    (event,) = played(torch.ones(8), torch.ones(8, dtype=HALF), ENCODER, after=(step,)).seen()
    assert (event.downstream, event.nbytes) == (0, 8 * 2)


def test_once_cast_back_nothing_more_is_behind() -> None:
    after: tuple[Step, ...] = (("unet.out", lambda stream: stream.half()), ("unet.mid", lambda stream: stream * 2))
    (event,) = played(torch.ones(8), torch.ones(8, dtype=HALF), ENCODER, after=after).seen()
    assert (event.downstream, event.nbytes) == (0, 8 * 2)


def test_modules_that_go_on_in_the_wide_dtype_are_counted_once_each_and_every_result_of_theirs() -> None:
    after: tuple[Step, ...] = (
        ("unet.act", lambda stream: stream.relu()),
        ("unet.norm", lambda stream: stream * torch.ones(8)),
        ("unet.act", lambda stream: stream.relu()),
    )
    (event,) = played(torch.ones(8), torch.ones(8, dtype=HALF), ENCODER, after=after).seen()
    assert (event.downstream, event.nbytes) == (2, 4 * 8 * 2)
    (event,) = played(torch.ones(8), torch.ones(8, dtype=HALF), ENCODER, times=3, after=after).seen()
    assert (event.downstream, event.nbytes, event.times) == (2, 3 * 4 * 8 * 2, 3)


def test_a_module_is_behind_though_its_own_wide_weight_comes_first() -> None:
    weight = marked(torch.ones(8), Origin("parameter", "unet.norm.weight"))
    after: tuple[Step, ...] = (("unet.norm", lambda stream: weight * stream),)
    (event,) = played(torch.ones(8), torch.ones(8, dtype=HALF), ENCODER, after=after).seen()
    assert (event.downstream, event.nbytes) == (1, 2 * 8 * 2)


def test_a_module_is_not_behind_itself() -> None:
    after: tuple[Step, ...] = (("unet.proj", lambda stream: stream.relu()),)
    (event,) = played(torch.ones(8), torch.ones(8, dtype=HALF), ENCODER, after=after).seen()
    assert (event.downstream, event.nbytes) == (0, 2 * 8 * 2)


@pytest.mark.parametrize(
    "work", [lambda stream: stream.view(2, 4), lambda stream: stream.mul_(2)], ids=["a view", "a result in place"]
)
def test_what_takes_no_memory_of_its_own_counts_as_a_module_and_not_in_bytes(work: Callable[[Any], Any]) -> None:
    (event,) = played(torch.ones(8), torch.ones(8, dtype=HALF), ENCODER, after=(("unet.split", work),)).seen()
    assert (event.downstream, event.nbytes) == (1, 8 * 2)


def test_what_stands_before_the_promotion_is_not_behind_it_in_the_next_step_either() -> None:
    before: tuple[Step, ...] = (("unet.embed", lambda stream: stream * 2),)
    for times in (1, 2):
        (event,) = played(torch.ones(8), torch.ones(8, dtype=HALF), ENCODER, times=times, before=before).seen()
        assert (event.downstream, event.nbytes) == (0, times * 8 * 2)


def test_further_promotions_of_the_same_stream_are_behind_the_first_with_bytes_of_their_own() -> None:
    half = torch.ones(8, dtype=HALF)
    after: tuple[Step, ...] = (("unet.mid", lambda stream: stream + half), ("unet.act", lambda stream: stream.relu()))
    first, second = played(torch.ones(8), half, ENCODER, after=after).seen()
    assert (first.module, first.downstream, first.nbytes) == ("unet.proj", 2, 2 * 8 * 2)
    assert (second.module, second.downstream, second.nbytes) == ("unet.mid", 0, 8 * 2)


def test_streams_of_different_makers_have_followers_of_their_own() -> None:
    image = marked(torch.ones(8), Origin("argument", "image"))
    half = torch.ones(8, dtype=HALF)
    after: tuple[Step, ...] = (
        ("unet.act", lambda stream: stream.relu()),
        ("unet.image", lambda stream: half + image),
        ("unet.late", lambda stream: stream.relu()),
        ("unet.last", lambda stream: stream.relu()),
    )
    seen = played(torch.ones(8), half, ENCODER, after=after).seen()
    assert [(event.by, event.downstream) for event in seen] == [("text_encoder", 1), ("the argument image", 2)]


def test_behind_what_a_component_widens_by_design_nothing_is_counted() -> None:
    half = torch.ones(8, dtype=HALF)
    after: tuple[Step, ...] = (("unet.act", lambda stream: stream.relu()), ("unet.mid", lambda stream: stream + half))
    seen = played(torch.ones(8), half, Origin("component", "unet"), after=after).seen()
    assert [(event.by_design, event.downstream, event.nbytes) for event in seen] == [(True, 0, 8 * 2)] * 2


def test_tensors_without_numbers_are_followed_all_the_same() -> None:
    world = World(Contracts(KNOWN, "cuda"), Modules())
    wide, half = (world.without_numbers(torch.ones(8, dtype=dtype)) for dtype in (torch.float32, HALF))
    after: tuple[Step, ...] = (("unet.split", lambda stream: stream.view(2, 4)), ("unet.act", lambda stream: stream.relu()))
    (event,) = played(wide, half, ENCODER, after=after).seen()
    assert (event.downstream, event.nbytes) == (2, 2 * 8 * 2)


def marked(tensor: Any, origin: Origin) -> Any:
    """A tensor that somebody brought."""
    origins.mark(tensor, origin)
    return tensor
