"""A pipeline of a script as the same records that a folder gives: its parts with the dtype that each has there.

The parts of a pipeline that is known by its class alone come from the rows of pipelines.toml; those of a local folder from its
scan. What the script put in, or cast, takes their place. One record for each combination of conditions that can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from ..dtypes import F32, DType
from ..findings import Where
from ..knowledge import Knowledge
from ..loading import plan
from ..subjects import Component, Config, Load, Pipeline, Quantised, Request
from ..subjects.cases import ALWAYS, NOTHING_KNOWN, UNKNOWN, Case, Map, Seq, Value, both, just
from ..subjects.scripts import Call, Script, Thing

MOST_WORLDS: Final = 64
_OUTSIDE: Final = ("text_encoder", "image_encoder", "safety_checker")


@dataclass(frozen=True, slots=True)
class Held:
    """A pipeline of a script under one case. parts: the things of the script behind the components it did not load by itself.

    run: the call that runs it, None where nothing in the script does. upcast_known: False where no config says force_upcast.
    """

    thing: Thing
    case: Case
    pipeline: Pipeline
    parts: Mapping[str, Thing]
    start: Case
    run: Call | None
    asked: Any
    upcast_known: bool


@lru_cache(maxsize=4)
def held(script: Script, known: Knowledge) -> tuple[Held, ...]:
    """Every pipeline of a script at each moment it runs, in each case, as far as its class is known."""
    return tuple(_held(script, known))


def _held(script: Script, known: Knowledge) -> Iterator[Held]:
    for thing, number in script.pipelines:
        row = known.row("pipelines", thing.klass or "")
        if not row or "touched" in thing.flags:
            continue
        run = script.call(number)
        start = run.case if run else _born(script, thing)
        yield from _worlds(thing, run, start, row, known)


def _born(script: Script, thing: Thing) -> Case:
    loader = script.call(thing.loader)
    return loader.case if loader else ALWAYS


def _worlds(thing: Thing, run: Call | None, start: Case, row: Mapping[str, Any], known: Knowledge) -> Iterator[Held]:
    listed: dict[str, str] = dict(row.get("components", {}))
    if thing.loads and thing.loads.klass == thing.klass:
        listed = {component.name: component.klass or "" for component in thing.loads.components}
    names = [*listed, *(name for name in thing.fields if name not in listed and _models(thing.fields[name]))]
    worlds: list[tuple[Case, dict[str, tuple[Any, Thing | None]]]] = [(start, {})]
    for name in names:
        ways = list(_ways(thing, name))
        worlds = [
            (met, {**chosen, name: (dtype, part)})
            for case, chosen in worlds
            for way, dtype, part in ways
            if (met := both(case, way)) is not None
        ]
        if len(worlds) > MOST_WORLDS:
            return
    for case, chosen in worlds:
        asked = next((content for way, content in thing.dtype.ways if both(way, case) is not None), UNKNOWN)
        components = [_component(thing, name, listed.get(name, ""), *pick, row, asked, known) for name, pick in chosen.items()]
        parts = {name: part for name, (_, part) in chosen.items() if part is not None}
        found = tuple(component for component in components if component is not None)
        upcast_known = all(c.config is not None for c in found if c.role == "vae")
        request = Request({"": asked} if isinstance(asked, DType) else {})
        yield Held(
            thing, case, Pipeline(".", thing.klass, "pipeline", found, request=request), parts, start, run, asked, upcast_known
        )


def _models(value: Value) -> bool:
    return any(isinstance(content, Thing) and content.kind == "model" for _, content in value.ways)


def _ways(thing: Thing, name: str) -> Iterator[tuple[Case, Any, Thing | None]]:
    """The dtypes a part may have, with the thing that it is where the script put it there or touched it.

    None: the pipeline loads it and was not asked for a dtype. A part that is left out is UNKNOWN.
    """
    if name not in thing.fields:
        for case, content in thing.dtype.ways:
            if not isinstance(content, Map):
                yield case, content, None
                continue
            default = content.items.get("default", just(F32)) if content.whole else NOTHING_KNOWN
            for way, inner in content.items.get(name, default).ways:
                if (met := both(case, way)) is not None:
                    yield met, inner, None
        return
    for case, content in thing.fields[name].ways:
        part = _first(content)
        if part is None or part.flags & {"touched", "prepared", "adapted"}:
            yield case, UNKNOWN, None
            continue
        for way, dtype in part.dtype.ways:
            if (met := both(case, way)) is not None:
                yield met, dtype, part


def _first(content: Any) -> Thing | None:
    """A model, or the first of a list of models that all have one dtype."""
    if isinstance(content, Seq):
        models = [item.single for item in content.items]
        same = models and all(isinstance(m, Thing) and m.kind == "model" and m.dtype == models[0].dtype for m in models)
        return models[0] if same else None
    return content if isinstance(content, Thing) and content.kind == "model" else None


def _component(
    thing: Thing,
    name: str,
    klass: str,
    dtype: Any,
    part: Thing | None,
    row: Mapping[str, Any],
    asked: Any,
    known: Knowledge,
) -> Component | None:
    """One part with the dtype that it has; None for one that is left out."""
    scanned = thing.loads.named(name) if thing.loads and (part is None or part.loader == thing.loader) else None
    own = _scanned(part) if part is not None and scanned is None else scanned
    role = "denoiser" if name in row.get("denoisers", ()) else own.role if own else role_of_part(name, klass, known)
    if role == "weightless":
        return None
    if role == "denoiser" and row.get("denoisers") and name not in row["denoisers"]:
        role = "unused"  # it becomes part of another one when the pipeline is made
    if own is not None and part is None:
        return _planned(thing, own, asked, dtype, known)
    found = part.klass if part and part.klass else (own.klass if own else klass)
    outside = role in _OUTSIDE
    content = dtype if isinstance(dtype, DType) else (F32 if dtype is None and not outside else None)
    packed = "quantised" in (part or thing).flags and (part is not None or role in ("denoiser", "text_encoder"))
    quantised = Quantised("quantised", Where("")) if packed else None
    family = "transformers" if outside else "diffusers"
    config = own.config if own else _config(part, known)
    return Component(name, "", found or None, family, role, config, quantised=quantised, load=Load(content))


def role_of_part(name: str, klass: str, known: Knowledge) -> str:
    """What a pipeline uses a part for, by its name and class."""
    from ..read.roles import role_of

    return role_of(known, name, klass or None)


def _scanned(part: Thing) -> Component | None:
    if part.loads is None:
        return None
    named = [component for component in part.loads.components if component.klass == part.klass]
    return named[0] if len(named) == 1 else None


def _planned(thing: Thing, component: Component, asked: Any, dtype: Any, known: Knowledge) -> Component:
    """A component of a local folder as the pipeline's own request would load it."""
    if thing.loads is None:
        return component
    dtypes = {component.name: dtype} if isinstance(dtype, DType) else {}
    if dtype is not None and not dtypes:
        return replace(component, load=Load(None))
    request = replace(thing.loads.request, dtypes=dtypes)
    planned = plan(replace(thing.loads, components=(component,)), request, known)
    return planned.components[0]


def _config(part: Thing | None, known: Knowledge) -> Config | None:
    """The config that the id of a part on the Hub stands for, None where that is not known."""
    text = part.repo.text if part else None
    data = known.row("hub", text).get("config") if text else None
    return Config("", data) if data else None


def with_upcast(pipeline: Pipeline, force: bool) -> Pipeline:
    """The same pipeline with a VAE whose config says force_upcast, or denies it, where nothing is known of that."""
    # each component is made anew: it knows its pipeline, and the old ones keep theirs
    parts = tuple(
        replace(c, config=Config("", {"force_upcast": force}) if c.role == "vae" and c.config is None else c.config)
        for c in pipeline.components
    )
    return replace(pipeline, components=parts)
