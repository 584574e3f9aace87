"""Every small pipeline runs its real code on the CPU in fp32; what cannot be built says why."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dtypecheck.knowledge import Knowledge
from dtypecheck.runs.phantoms import inputs, shrunken
from dtypecheck.runs.phantoms import rows as phantom_rows

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")

KNOWN = Knowledge()
SAMPLE = {
    "AnimateDiffPipeline",
    "CogVideoXPipeline",
    "Flux2KleinPipeline",
    "FluxControlNetPipeline",
    "FluxPipeline",
    "HunyuanDiTPipeline",
    "HunyuanVideo15Pipeline",
    "AceStepPipeline",
    "StableDiffusion3Pipeline",
    "StableDiffusionPipeline",
    "StableDiffusionXLPipeline",
    "WanPipeline",
}
LARGEST = 12_000_000
"""Parameters of one small pipeline: more would be slow, and would be noticed in the suite's memory."""


def cases() -> list[Any]:
    names = shrunken.known_classes(KNOWN)
    return [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.slow) for name in names]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    diffusers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    yield
    diffusers.utils.logging.enable_progress_bar()


@pytest.mark.parametrize("name", cases())
def test_a_small_pipeline_runs_for_real(name: str) -> None:
    made = shrunken.build(name, KNOWN)
    modules = [part for part in made.components.values() if isinstance(part, torch.nn.Module)]
    parameters = [parameter for module in modules for parameter in module.parameters()]
    assert {parameter.dtype for parameter in parameters if parameter.is_floating_point()} == {torch.float32}
    assert sum(parameter.numel() for parameter in parameters) < LARGEST
    made.set_progress_bar_config(disable=True)
    made.to(getattr(torch, phantom_rows.row(name, KNOWN).get("runs_in", "float32")))
    called = record(modules)
    with torch.no_grad():
        made_of = made(**inputs.for_call(made, {}, KNOWN))
    assert [thing for thing in things(made_of) if thing is not None]
    assert called, "no component was ever called"


def record(modules: list[Any]) -> set[str]:
    """Fills itself with the classes of what was run, the components or something inside them."""
    called: set[str] = set()
    for module in modules:
        for inner in module.modules():
            inner.register_forward_hook(lambda module, *_: called.add(type(module).__name__))
    return called


def things(outcome: Any) -> Iterator[Any]:
    match outcome:
        case torch.Tensor():
            yield outcome
        case Mapping():
            yield from outcome.values()
        case tuple() | list():
            yield from outcome
        case _:
            yield from vars(outcome).values()


@pytest.mark.parametrize("name", cases())
def test_what_a_row_names_exists_in_the_pipelines_signatures(name: str) -> None:
    row = KNOWN.row("phantoms", name)  # without what it takes over from another, whose call may take more
    kind = getattr(diffusers, name)
    assert set(row.get("call", {})) <= set(inspect.signature(kind.__call__).parameters)
    assert set(row.get("arguments", {})) <= set(inspect.signature(kind.__init__).parameters)
    assert set(row.get("parts", {})) <= set(inspect.signature(kind.__init__).parameters)


def test_the_sample_is_among_the_known() -> None:
    assert set(shrunken.known_classes(KNOWN)) >= SAMPLE


def test_most_classes_are_known_and_every_other_says_why() -> None:
    missing = shrunken.missing_classes(KNOWN)
    without = [name for name, reason in missing.items() if "no row" in reason]
    assert without == []
    assert len(shrunken.known_classes(KNOWN)) >= 200


def test_no_deprecated_class_has_a_row() -> None:
    deprecated = {name for name in KNOWN.names("pipelines") if KNOWN.row("pipelines", name).get("deprecated")}
    assert deprecated
    assert deprecated.isdisjoint(KNOWN.names("phantoms"))


def test_every_plain_header_is_a_class_that_exists() -> None:
    spoken = {one for pipeline in KNOWN.names("pipelines") for one in components(pipeline)}
    unknown = [
        name
        for name, row in KNOWN.all("phantoms")
        if ":" not in name and name not in ("sizes", "KarrasDiffusionSchedulers") and "kind" not in row
        if name not in spoken and not hasattr(transformers, name) and not hasattr(diffusers, name)
    ]
    assert unknown == []


def components(pipeline: str) -> set[str]:
    """The classes that pipelines.toml names for its components, some of which only the pipeline's own module knows."""
    return {one for word in KNOWN.row("pipelines", pipeline).get("components", {}).values() for one in word.split(" | ")}


@pytest.mark.parametrize("key", ["why", "source"])
def test_every_row_says_why_and_where_from(key: str) -> None:
    assert [name for name, row in KNOWN.all("phantoms") if not row.get(key)] == []


def test_no_class_has_two_rows() -> None:
    headers = [name for name, _ in KNOWN.all("phantoms")]
    assert sorted(headers) == sorted(set(headers))


def test_a_class_without_a_row_is_refused_by_name() -> None:
    with pytest.raises(shrunken.NoRow, match="NoSuchPipeline"):
        shrunken.build("NoSuchPipeline", KNOWN)


def test_a_fake_mode_around_the_build_leaves_no_parameter_real_and_the_scheduler_whole() -> None:
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True):
        made = shrunken.parts("FluxPipeline", KNOWN)
    assert all(isinstance(parameter, FakeTensor) for parameter in made["transformer"].parameters())
    assert not isinstance(made["scheduler"].sigmas, FakeTensor)


def test_a_part_of_another_class_does_not_take_the_config_of_the_one_it_replaces() -> None:
    base = {"parts": {"unet": {"class": "A", "config": {"width": 1}}}}
    assert phantom_rows.merged(base, {"parts": {"unet": {"class": "B"}}}) == {"parts": {"unet": {"class": "B"}}}
    assert phantom_rows.merged(base, {"parts": {"unet": {"config": {"depth": 2}}}}) == {
        "parts": {"unet": {"class": "A", "config": {"width": 1, "depth": 2}}}
    }
