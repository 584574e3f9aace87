"""Which of the classes that a model_index.json names `from_pretrained` cannot find, as far as the rows tell it.

A class that the rows do not have is wrong or newer than they are: only a plan for their own version is sure of it.
source: diffusers 0.42.1 pipelines/pipeline_loading_utils.py:353-500 and pipelines/pipeline_utils.py:930-1010
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from ..knowledge import Knowledge
from ..subjects import Pipeline, Request

CLASS: Final = "_class_name"
"""The key under which a model_index.json names the pipeline's own class."""
LIBRARIES: Final = ("diffusers", "transformers")
OTHERS: Final = ("onnxruntime.training",)
"""Further libraries that diffusers takes classes from; the rows do not list theirs."""
_PACKED: Final = "FlashPack"
"""What diffusers takes off a class's name before it looks it up."""


@dataclass(frozen=True, slots=True)
class Unfound:
    """An entry of model_index.json that does not load. key: its name there. text: why not. sure: False where it may be newer."""

    key: str
    text: str
    sure: bool = True


def unfound(pipeline: Pipeline, known: Knowledge) -> Iterator[Unfound]:
    """The entries that name nothing, in the order of the file; of a class that the rows do not know only that one."""
    if pipeline.config is None or pipeline.klass is None:
        return
    row, named = known.row("pipelines", pipeline.klass), pipeline.config.data.get(CLASS)
    if isinstance(named, list) or (not row and pipeline.klass not in classes("diffusers", known)):
        if not own_code(pipeline, "", named):
            yield Unfound(CLASS, no_class(named, _named("diffusers", known)), _sure(pipeline, "diffusers", known))
        return
    for name, value in pipeline.config.data.items():
        if name in row.get("components", ()) and (found := _entry(pipeline, name, value, known)):
            yield found


def _entry(pipeline: Pipeline, name: str, value: Any, known: Knowledge) -> Unfound | None:
    """What is wrong with the entry of a part that holds weights."""
    if text := malformed(value):
        return Unfound(name, text)
    library, klass = value
    if library is None or own_code(pipeline, name, library) or library in (*modules(known), *OTHERS):
        return None
    if library.partition(".")[0] in LIBRARIES and "." in library:
        return None  # a module of theirs counts where somebody has imported it
    if library not in LIBRARIES:
        return Unfound(name, no_library(name, library, _named("diffusers", known)), _sure(pipeline, "diffusers", known))
    if klass.removeprefix(_PACKED) in classes(library, known):
        return None
    return Unfound(name, f"{_named(library, known)} has no class {klass}", _sure(pipeline, library, known))


def malformed(value: Any) -> str:
    """Why an entry is none: diffusers unpacks a library and a class, and stumbles over anything else; null for both is one."""
    if not isinstance(value, list) or len(value) != 2:
        return f"{json.dumps(value)[:60]} is no pair of a library and a class"
    library, klass = value
    if library is None or (isinstance(library, str) and isinstance(klass, str)):
        return ""
    return f"{json.dumps(value)[:60]} names no {'class' if isinstance(library, str) else 'library'}"


def no_library(name: str, library: str, loader: str) -> str:
    """What is wrong with a library that nobody loads from."""
    return f"{loader} loads no parts from {library}, and there is no {name}/{library}.py"


def no_class(named: Any, library: str) -> str:
    """What is wrong with a pipeline's class that is not in its library: a list says in which file of the model it is."""
    if isinstance(named, list) and len(named) > 1:
        return f"{named[-1]} is in {named[0]}.py, and that is not there"
    return f"{library} has no class {named[-1] if isinstance(named, list) else named}"


def own_code(pipeline: Pipeline, part: str, library: Any) -> bool:
    """Whether a library is a Python file in the part's folder, "" for the pipeline's: code that comes with the model."""
    named = library[0] if isinstance(library, list) and library else library
    folder = "/".join(piece for piece in (pipeline.path, part) if piece not in ("", "."))
    inside = [path for path in pipeline.code if path.rpartition("/")[0] == folder]
    return bool(inside) if not part and not isinstance(library, list) else f"{folder}/{named}.py".lstrip("/") in inside


@lru_cache(maxsize=8)
def classes(library: str, known: Knowledge) -> frozenset[str]:
    """The classes that a library has, by the rows; those of transformers only as far as they hold weights."""
    return frozenset(str(known.row("classes", library).get("classes", "")).split())


@lru_cache(maxsize=8)
def modules(known: Knowledge) -> frozenset[str]:
    """The modules of diffusers' pipelines, which stand for a library too."""
    return frozenset(str(known.row("classes", "diffusers").get("modules", "")).split())


def _named(library: str, known: Knowledge) -> str:
    return f"{library} {known.row('classes', library).get('version', '')}".strip()


def _sure(pipeline: Pipeline, library: str, known: Knowledge) -> bool:
    """Whether the plan is for the very version that the rows are of, by somebody's word."""
    return _told(pipeline.request, library) == known.row("classes", library).get("version")


def _told(request: Request, library: str) -> str | None:
    """The version of a library that somebody told: the caller, a lock file or the installed package."""
    return next((version for name, version, by in request.libraries if name == library and by != "newest known"), None)
