"""Half tensors that meet wide ones are counted where they do, and told apart by who brought the wide one."""

from __future__ import annotations

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


def played(wide: Any, half: Any, origin: Origin | None, module: str = "unet.proj", times: int = 1) -> Events:
    """Add both inside a module, in a world that counts."""
    events = Events({"unet": F16})
    world = World(Contracts(KNOWN, "cuda"), Modules(), events)
    if origin:
        origins.mark(wide, origin)
    world.modules.enter(module)
    with world:
        for _ in range(times):
            half + wide
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
