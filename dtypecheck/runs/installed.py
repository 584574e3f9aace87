"""Which of the classes that a model_index.json names the installed libraries do not give: looked up as diffusers does.

No module is imported because a model names it, and no code that comes with a model is executed.
source: diffusers 0.42.1 pipelines/pipeline_loading_utils.py:353-500, 800-840 and pipelines/pipeline_utils.py:930-1010
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from typing import Any, Final

from ..loading.named import CLASS, LIBRARIES, OTHERS, malformed, no_class, no_library, own_code
from ..subjects import Pipeline

_LOADED: Final = {
    "diffusers": ("ModelMixin", "SchedulerMixin", "DiffusionPipeline", "OnnxRuntimeModel", "BaseGuidance"),
    "transformers": (
        *("PreTrainedTokenizer", "PreTrainedTokenizerFast", "PreTrainedModel"),
        *("FeatureExtractionMixin", "ProcessorMixin", "ImageProcessingMixin"),
    ),
}
"""What a class of a library has to be for diffusers to know how it is loaded."""
_LACKS: Final = object()
"""In place of what is there and cannot be imported on this machine."""


def unloadable(pipeline: Pipeline) -> Mapping[str, str]:
    """The entries of a pipeline's model_index.json that `from_pretrained` cannot load, each with the reason.

    Classes for which a package is missing on this machine are not among them: where they will run it may be there.
    """
    data = pipeline.config.data if pipeline.config else {}
    if not pipeline.klass or own_code(pipeline, "", data.get(CLASS)):
        return {}
    diffusers = importlib.import_module("diffusers")
    kind = _attribute(diffusers, pipeline.klass)
    if kind is _LACKS or hasattr(kind, "_backends"):
        return {}
    if not isinstance(kind, type) or isinstance(data.get(CLASS), list):
        return {CLASS: no_class(data.get(CLASS), _named("diffusers"))}
    if not issubclass(kind, diffusers.DiffusionPipeline):
        return {CLASS: f"{pipeline.klass} is no pipeline class"}
    found = {name: _wrong(pipeline, name, value) for name, value in _parts(kind, data)}
    return {name: text for name, text in found.items() if text}


def _parts(kind: type, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The entries that are parts for this class: what its `__init__` takes, without the settings among it."""
    takes = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    optional = getattr(kind, "_optional_components", ())
    for name, value in data.items():
        is_part = name in optional or (name in takes and takes[name].default is inspect.Parameter.empty)
        if name in takes and is_part and not name.startswith("_"):
            yield name, value


def _wrong(pipeline: Pipeline, name: str, value: Any) -> str:
    """Why a part cannot be loaded, empty where it can."""
    if text := malformed(value):
        return text
    library, word = value
    if library is None:
        return ""
    module = _attribute(importlib.import_module("diffusers.pipelines"), library)
    if module is not None:
        there = module is _LACKS or _attribute(module, word) is not None
        return "" if there else f"diffusers.pipelines.{library} has no class {word}"
    if own_code(pipeline, name, library) or library in OTHERS or _is_below(library):
        return ""
    if library not in LIBRARIES:
        return no_library(name, library, _named("diffusers"))
    return _wrong_in(library, word.removeprefix("FlashPack"))


def _is_below(library: str) -> bool:
    """Whether it is a module of one of the libraries: diffusers takes those that somebody has imported."""
    return library.partition(".")[0] in LIBRARIES and "." in library and (library in sys.modules or _found(library))


def _found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _wrong_in(library: str, word: str) -> str:
    """Why a class of a library cannot be loaded, empty where it can."""
    package = importlib.import_module(library)
    found = _attribute(package, _renamed(word) if library == "transformers" else word)
    if found is None:
        return f"{_named(library)} has no class {word}"
    if found is _LACKS or hasattr(found, "_backends"):
        return ""
    if not isinstance(found, type):
        return f"{word} is no class of {_named(library)}"
    bases = tuple(base for name in _LOADED[library] if isinstance(base := _attribute(package, name), type))
    return "" if issubclass(found, bases) else f"{word} has no way to be loaded that diffusers knows"


def _attribute(place: Any, word: str) -> Any:
    """What is called so there, None where nothing is."""
    try:
        return getattr(place, word, None)
    except Exception:  # noqa: BLE001 - a lazy module imports what it gives, and that may lack anything
        return _LACKS


def _renamed(word: str) -> str:
    """The name of today for a class that transformers dropped, where diffusers knows it."""
    try:
        from diffusers.utils.deprecation_utils import _maybe_remap_transformers_class
    except ImportError:
        return word
    return _maybe_remap_transformers_class(word) or word


def _named(library: str) -> str:
    return f"{library} {metadata.version(library)}"
