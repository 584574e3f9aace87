"""A rehearsal: the real code of a pipeline on phantom components, and the record of what it showed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch

from ..dtypes import DType
from ..knowledge import Knowledge
from ..subjects import Component, Pipeline
from ..subjects.shown import Run
from . import call, folder
from .contracts import Contracts
from .events import Events
from .modules import Modules
from .phantoms import inputs
from .phantoms.component import CannotBuild, build, weight_bytes
from .pretend import quiet, replaceable, replaced
from .words import first_line
from .world import World


class WrongCall(ValueError):
    """An argument that the call does not take; the text names the nearest one that it does."""


@dataclass(slots=True)
class Stage:
    """What a rehearsal needs: a world, the parts, and the call. weights: bytes by component."""

    world: World
    events: Events
    parts: dict[str, Any] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    substituted: list[str] = field(default_factory=list)
    weights: dict[str, int] = field(default_factory=dict)
    called: str = ""
    perform: Callable[[], object] | None = None


def rehearse(
    pipeline: Pipeline,
    root: Path | None,
    known: Knowledge,
    device: str,
    given: Mapping[str, Any] | None = None,
    instead: Mapping[str, object] | None = None,
) -> Run:
    """Run the call of a planned pipeline, or the forward of a transformers folder, without weights.

    root: the folder on disk, None for a pipeline that lies nowhere. device: a name of rules/devices.toml. given: arguments of
    the call that are not left to choice. instead: parts without weights (tokenizers, ...) to use in place of the folder's.
    Nothing in the folder is executed. Whatever goes wrong is in the Run. errors: WrongCall for an argument that is not taken.
    """
    stage = _stage(pipeline, known, device)
    try:
        with quiet():
            if pipeline.kind == "pipeline":
                _set_pipeline(stage, pipeline, folder.parts(pipeline, root, known, stage.world, instead), known, given or {})
            else:
                if given:
                    raise WrongCall(f"a transformers model is called with inputs of our own; it takes no {next(iter(given))!r}")
                _set_model(stage, pipeline, known)
    except CannotBuild as fault:
        named, colon, _ = str(fault).partition(":")
        where = named if colon and " " not in named else ""
        return _run(pipeline, device, stage, call.Outcomes("unknown", reason=str(fault), where=where))
    assert stage.perform is not None  # noqa: S101 - both ways above set it
    call.guard(stage.parts, stage.world)
    outcome = call.run(stage.perform, stage.parts, stage.roles, stage.world, int(known.row("devices", device).get("sm", 90)))
    if given and outcome.verdict == "unknown" and not stage.world.undecided:
        said = ", ".join(f"{name}={value}" for name, value in given.items())
        outcome = replace(outcome, reason=f"with --call {said}: {outcome.reason}")
    return _run(pipeline, device, stage, outcome)


def kind_of(device: str, known: Knowledge) -> str:
    """cuda, mps, cpu, ...: what the contracts of a device are looked up by."""
    return str(known.row("devices", device).get("kind", device))


def _stage(pipeline: Pipeline, known: Knowledge, device: str) -> Stage:
    dtypes: dict[str, DType] = {}
    for part in pipeline.components:
        dtype = folder.loadable(part, pipeline).loads().dtype
        if dtype is not None:
            dtypes[part.name] = dtype
    events = Events({name: dtype for name, dtype in dtypes.items() if dtype.is_half})
    world = World(Contracts(known, kind_of(device, known)), Modules(), events)
    world.dtypes = dtypes
    return Stage(world, events)


def _set_pipeline(stage: Stage, pipeline: Pipeline, found: folder.Parts, known: Knowledge, given: Mapping[str, Any]) -> None:
    stage.roles = {part.name: part.role for part in pipeline.components}
    stage.substituted = found.substituted
    try:
        with stage.world, replaced(stage.world, "building", True), replaceable():
            made = found.kind(**found.given)
    except Exception as fault:  # the pipeline's own code raises anything
        raise CannotBuild(f"{pipeline.klass} cannot be put together: {first_line(fault)}") from fault
    if hasattr(made, "set_progress_bar_config"):
        made.set_progress_bar_config(disable=True)
    stage.parts = dict(folder.modules(getattr(made, "components", found.given)))
    stage.weights = _weights(stage.parts, pipeline)
    check_arguments(made, given)

    def perform() -> object:
        arguments = inputs.for_call(made, given, known)
        stage.called = words(arguments)
        return made(**arguments)

    stage.perform = perform


def _weights(parts: Mapping[str, Any], pipeline: Pipeline) -> dict[str, int]:
    """Bytes of each component: of the phantom's parameters, of a packed one as it is stored."""
    return {name: _bytes(module, pipeline.named(name)) for name, module in parts.items()}


def _bytes(module: torch.nn.Module, part: Component | None) -> int:
    packed = part.loads().packed if part else None
    return weight_bytes(module) if packed is None else packed


def check_arguments(made: Any, given: Mapping[str, Any]) -> None:
    """errors: WrongCall when a given argument is not named by the call; what it would swallow without a name is no argument."""
    takes = inspect.signature(made.__call__).parameters
    for name in given:
        if name not in takes:
            near = get_close_matches(name, takes, n=1, cutoff=0.4)
            raise WrongCall(f"{type(made).__name__} takes no {name!r}" + (f"; the nearest is {near[0]}" if near else ""))


def words(arguments: Mapping[str, Any]) -> str:
    """What is called, in words: 2 steps at 64x64, 9 frames."""
    said = []
    if steps := arguments.get("num_inference_steps"):
        said.append(f"{steps} step{'s' if steps != 1 else ''}")
    if arguments.get("width") and arguments.get("height"):
        said.append(f"at {arguments['width']}x{arguments['height']}")
    text = " ".join(said)
    frames = arguments.get("num_frames")
    return ", ".join(filter(None, (text, f"{frames} frames" if frames else "")))


def _set_model(stage: Stage, pipeline: Pipeline, known: Knowledge) -> None:
    """A lone model: one forward, and two tokens where the class can generate; of diffusers those that a row says how to call."""
    part = next(iter(pipeline.components), None)
    if part is None or pipeline.kind not in ("model", "component"):
        raise CannotBuild("a single file holds no configs: rehearse a folder that it was made of, or is loaded with")
    library = "transformers" if part.family == "transformers" else "diffusers"
    name = part.name or "model"
    ready = folder.loadable(part, pipeline)
    module = build(ready, library, pipeline.request, known, stage.world)
    stage.substituted = [folder.unpacked(ready)] if part.quantised else []
    stage.parts = {name: module}
    stage.called = "one forward"
    stage.roles = {name: "model"}
    stage.weights = _weights(stage.parts, pipeline) if part.name else {name: _bytes(module, part)}
    try:
        arguments = _as_loaded(inputs.for_forward(module, known), module) if library == "diffusers" else model_inputs(module)
    except inputs.CannotCall as fault:
        raise CannotBuild(f"{part.label}: {fault}") from fault

    def perform() -> object:
        result = module(**arguments)
        if getattr(module, "can_generate", lambda: False)():
            stage.called = "one forward and two tokens"
            module.generate(**arguments, max_new_tokens=2, min_new_tokens=2, do_sample=False)
        return result

    stage.perform = perform


def model_inputs(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The smallest arguments of a transformers model's forward, by its main input: token ids, pictures or sound.

    Shapes: ids 1x8, pictures 1 x channels x size x size, sound 1 x 16,000 samples or 1 x bins x 3,000 frames.
    """
    settings = getattr(module, "config", None)
    main = getattr(module, "main_input_name", "input_ids")
    takes = inspect.signature(module.forward).parameters
    vision = getattr(settings, "vision_config", settings)
    size = getattr(vision, "image_size", 224) or 224
    pixels = (1, getattr(vision, "num_channels", 3) or 3, *((size, size) if isinstance(size, int) else tuple(size)))
    found: dict[str, torch.Tensor] = {}
    if main == "input_ids" or "input_ids" in takes:
        found["input_ids"] = torch.ones(1, 8, dtype=torch.long)
        found["attention_mask"] = torch.ones(1, 8, dtype=torch.long)
    if main == "pixel_values" or ("pixel_values" in takes and hasattr(settings, "projection_dim")):
        found["pixel_values"] = torch.zeros(pixels, dtype=_dtype(module))
    if main == "input_features":
        found["input_features"] = torch.zeros(1, getattr(settings, "num_mel_bins", 80), 3000, dtype=_dtype(module))
    if main == "input_values":
        found["input_values"] = torch.zeros(1, 16000, dtype=_dtype(module))
    if getattr(settings, "is_encoder_decoder", False) and main == "input_ids":
        found["decoder_input_ids"] = torch.ones(1, 1, dtype=torch.long)
    return {name: value for name, value in found.items() if name in takes}


def _as_loaded(arguments: Any, module: torch.nn.Module) -> Any:
    """The same with floating tensors in the model's dtype, as a pipeline of one dtype would hand them on."""
    match arguments:
        case dict():
            return {name: _as_loaded(value, module) for name, value in arguments.items()}
        case torch.Tensor() if arguments.is_floating_point():
            return arguments.to(_dtype(module))
    return arguments


def _dtype(module: torch.nn.Module) -> torch.dtype:
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)


def _run(pipeline: Pipeline, device: str, stage: Stage, outcome: call.Outcomes) -> Run:
    crash = outcome.crash
    at_root = pipeline.kind != "pipeline"
    own = next(iter(stage.parts), "") + "." if at_root else ""
    if crash and at_root:
        crash = replace(crash, module=crash.module.removeprefix(own))
    return Run(
        how="rehearsed",
        verdict=outcome.verdict,
        device=device,
        crash=crash,
        reason=outcome.reason,
        component=outcome.where.partition(".")[0],
        module=outcome.where.removeprefix(own),
        called=stage.called,
        events=tuple(replace(event, module=event.module.removeprefix(own)) for event in stage.events.seen()),
        modules=tuple(replace(row, module=row.module.removeprefix(own)) for row in stage.world.modules.rows()),
        weight_bytes=stage.weights,
        substituted=tuple(stage.substituted),
        pipeline=replace(pipeline, components=tuple(folder.loadable(part, pipeline) for part in pipeline.components)),
    )
