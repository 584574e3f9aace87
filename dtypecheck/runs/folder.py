"""From a model folder to the parts of its pipeline: phantoms of what holds weights, the rest as it is, stand-ins else."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ..dtypes import F32
from ..knowledge import Knowledge
from ..loading.named import own_code
from ..subjects import Component, Load, Pipeline
from ..subjects.shown import OWN_CODE
from .phantoms.component import CannotBuild, build, klass
from .phantoms.filled import of_another
from .phantoms.substitutes import CannotSubstitute, fed_by, substitute
from .phantoms.tokens import has_words
from .world import World

_NAME = re.compile(r"(?!\.)[\w.-]+")


@dataclass(slots=True)
class Parts:
    """What a pipeline class is called with. given: components and settings by name. substituted: what stands in, in words."""

    kind: type
    given: dict[str, Any] = field(default_factory=dict)
    substituted: list[str] = field(default_factory=list)


def parts(
    pipeline: Pipeline,
    root: Path | None,
    known: Knowledge,
    world: World,
    instead: Mapping[str, object] | None = None,
    kind: type | None = None,
    whole: bool = True,
) -> Parts:
    """Every part that the class of a planned pipeline takes.

    root: the folder that the pipeline's path is relative to, None for a pipeline that lies nowhere. instead: parts that are
    given. kind: another class than model_index.json names. whole: a tokenizer that model_index.json leaves out is stood in for
    too where a text encoder needs one, as whoever loads such a folder brings it.

    errors: CannotBuild names the component and says why.
    """
    if not pipeline.klass or pipeline.config is None:
        raise CannotBuild("model_index.json names no pipeline class")
    kind = kind or klass("diffusers", pipeline.klass)
    takes = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    optional = set(getattr(kind, "_optional_components", ()))
    index = pipeline.config.data
    parts_of_class = known.row("pipelines", pipeline.klass).get("components", {})
    found = Parts(kind, dict(instead or {}))
    if isinstance(named := index.get("_class_name"), list):
        found.substituted.append(f"pipeline: {named[0]}.{pipeline.klass}, {OWN_CODE}, by {kind.__name__}")
    strange: list[str] = []
    for part in pipeline.components:
        if part.role == "unused" or part.name in found.given or (takes and part.name not in takes):
            continue
        entry = index.get(part.name)
        if isinstance(entry, list) and entry[:1] == [None]:
            continue
        library = _library(entry)
        try:
            if part.role == "safety_checker" and part.name in optional:
                found.given[part.name] = None
                found.substituted.append(f"{part.name}: left out, it looks at finished pictures")
                continue
            part, library = _known_class(part, library, pipeline, known, found)
            ready = loadable(part, pipeline)
            found.given[part.name] = build(ready, library, pipeline.request, known, world)
            if part.quantised:
                found.substituted.append(unpacked(ready))
            elif part.klass and (few := of_another(ready, found.given[part.name])):
                strange.append(few)
        except CannotBuild as fault:
            if part.name not in optional:
                raise
            found.given[part.name] = None
            found.substituted.append(f"{part.name}: left out ({fault})")
    if strange:
        raise CannotBuild(strange[0])
    for name, value in index.items():
        if name in found.given or name.startswith("_") or name not in takes:
            continue
        if not _is_entry(value):
            found.given[name] = value
            continue
        value = value if value[0] else [None, None]  # without a library a part is left to the caller
        if whole and not value[1] and "Tokenizer" in _annotated(takes[name]) and fed_by(name, found.given, known) is not None:
            found.given[name] = _stand_in(name, "", takes[name], name in optional, found, known, "model_index.json has none")
        elif not value[1] and name in parts_of_class and name not in optional and takes[name].default is inspect.Parameter.empty:
            raise CannotBuild(f"{name}: model_index.json has none, and {pipeline.klass} cannot do without")
        elif (made := _rest(name, value, root, pipeline)) is not None or not value[1]:
            found.given[name] = made
        else:
            found.given[name] = _stand_in(name, str(value[1]), takes[name], name in optional, found, known)
    for name, parameter in takes.items():
        if name in found.given or name == "self" or parameter.default is not parameter.empty:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        found.given[name] = _stand_in(name, "", parameter, name in optional, found, known)
    if "requires_safety_checker" in takes and found.given.get("safety_checker") is None:
        found.given["requires_safety_checker"] = False
    return found


def loadable(part: Component, pipeline: Pipeline) -> Component:
    """The component with a load plan, also where no weights lie in the folder: then as if they were stored in float32."""
    if part.loads().dtype is not None:
        return part
    declared = part.declared.dtype if part.declared and part.family == "transformers" else None
    dtype = pipeline.request.dtype_for(part.name) or declared or F32
    planned = replace(part, load=Load(dtype))
    object.__setattr__(planned, "_pipeline", part._pipeline)
    return planned


def unpacked(part: Component) -> str:
    """What is said of a planned component whose weights are packed."""
    return f"{part.label}: its packed weights, by plain ones in {(part.loads().dtype or F32).short}"


def _is_entry(value: object) -> bool:
    """True for what model_index.json says of a component: its library and class."""
    return isinstance(value, list) and len(value) == 2 and all(word is None or isinstance(word, str) for word in value)


def _library(value: object) -> str:
    return str(value[0]) if isinstance(value, list) and len(value) == 2 and value[0] else "diffusers"


def _known_class(part: Component, library: str, pipeline: Pipeline, known: Knowledge, found: Parts) -> tuple[Component, str]:
    """The component with a class that is installed; for one of the model's own code, the class that the pipeline is made for."""
    try:
        klass(library, part.klass or "")
    except CannotBuild as fault:
        usual = str(known.row("pipelines", pipeline.klass or "").get("components", {}).get(part.name, "")).split(" | ")[0]
        if not usual or not own_code(pipeline, part.name, library):
            raise CannotBuild(f"{part.label}: {fault}") from fault
        klass("", usual)
        found.substituted.append(f"{part.name}: {part.klass}, {OWN_CODE}, by {usual}")
        return replace(part, klass=usual), ""
    return part, library


def _rest(name: str, value: list[Any], root: Path | None, pipeline: Pipeline) -> Any:
    """A scheduler, tokenizer or processor, read from its files; None where they do not give it."""
    library, wanted = value
    folder = root / pipeline.path / name if root else None
    if wanted and folder is not None and _NAME.fullmatch(name) and folder.is_dir():
        with contextlib.suppress(Exception):  # what the files cannot give is stood in for
            kind = klass(str(library), str(wanted))
            if has_words(kind, folder):
                return kind.from_pretrained(str(folder), local_files_only=True)  # type: ignore[attr-defined]
    return None


def _stand_in(
    name: str,
    wanted: str,
    parameter: inspect.Parameter,
    optional: bool,
    found: Parts,
    known: Knowledge,
    why: str = "its files are not there or cannot be read",
) -> Any:
    """Something in place of what the folder lacks: of the class it names, else of the one the pipeline is annotated with."""
    annotated = _annotated(parameter)
    if (made := _of_defaults(wanted)) is not None:
        found.substituted.append(f"{name}: a {wanted} with its defaults, {why}")
        return made
    words = (wanted, annotated) if _installed(wanted) else (annotated, wanted)
    for word in dict.fromkeys(filter(None, words)):
        try:
            made = substitute(name, word, found.given, known)
        except CannotSubstitute as fault:
            trouble: Exception = fault
            continue
        if made is not None:
            found.substituted.append(f"{name}: a {word} of our own, {why}")
        return made
    if optional:
        found.substituted.append(f"{name}: left out, there is nothing to make a {wanted or annotated} of")
        return None
    raise CannotBuild(f"{name}: {trouble if wanted or annotated else 'nothing says which class it is'}")


def _of_defaults(wanted: str) -> Any:
    """A scheduler, or another thing of diffusers without weights, as its class is without any settings; None for all else."""
    with contextlib.suppress(CannotBuild, TypeError):
        kind = klass("diffusers", wanted)
        if hasattr(kind, "from_config") and not issubclass(kind, torch.nn.Module):
            return kind()
    return None


def _installed(name: str) -> bool:
    try:
        return bool(name) and klass("", name) is not None
    except CannotBuild:
        return False


def _annotated(parameter: inspect.Parameter) -> str:
    """The first class that a parameter is annotated with."""
    note = parameter.annotation
    text = note if isinstance(note, str) else getattr(note, "__name__", str(note))
    return next(iter(re.findall(r"[A-Z]\w+", text)), "")


def modules(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Those parts that are torch modules."""
    return ((name, part) for name, part in given.items() if isinstance(part, torch.nn.Module))
