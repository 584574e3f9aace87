"""Every kind of pipeline to its steps: one a component, or one for a file that holds several."""

from __future__ import annotations

from collections.abc import Iterator

from ...files import Files
from ...fixplan import Refused, Step
from ...knowledge import Knowledge
from ...subjects import Component, Pipeline
from .component import convert
from .single import convert_file
from .wish import Wish, impossible


def conversions(pipeline: Pipeline, files: Files, wish: Wish, known: Knowledge) -> tuple[tuple[Step, ...], tuple[Refused, ...]]:
    """The steps that store a planned pipeline, or the wished components of it, in another dtype, and what is refused.

    Reads headers and JSON files, no numbers: whether one of them overflows is seen when it is cast.
    """
    done = tuple(_each(pipeline, files, wish, known))
    steps = tuple(item for item in done if isinstance(item, Step))
    return steps, tuple(item for item in done if isinstance(item, Refused))


def _each(pipeline: Pipeline, files: Files, wish: Wish, known: Knowledge) -> Iterator[Step | Refused]:
    if no := impossible(wish, pipeline.path) or _unknown(pipeline, wish):
        yield no
    elif pipeline.kind == "single-file" or (pipeline.kind == "adapter" and not _sharded(pipeline)):
        yield convert_file(pipeline, files, wish, known)
    else:
        for component in pipeline.components:
            if _wished(component, wish):
                yield convert(component, files, wish, pipeline.request, known)


def _sharded(pipeline: Pipeline) -> bool:
    return any(chosen.index for component in pipeline.components for chosen in component.sets)


def _wished(component: Component, wish: Wish) -> bool:
    return not wish.components or bool({component.name, component.role} & set(wish.components))


def _unknown(pipeline: Pipeline, wish: Wish) -> Refused | None:
    """Refused when a component was named that the pipeline does not have."""
    of_roles = pipeline.kind != "pipeline"
    names = {c.name for c in pipeline.components} | {c.role for c in pipeline.components if of_roles}
    unknown = [name for name in wish.components if name not in names]
    if not unknown:
        return None
    there = ", ".join(dict.fromkeys(c.name for c in pipeline.components if c.name)) or "no named parts"
    return Refused(pipeline.path, f"it has no component {unknown[0]!r}; there is {there}")
