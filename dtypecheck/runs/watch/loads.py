"""What was written for a loader and how its library understands that."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from typing import Any

import torch

from ..script import asked
from .callers import Called
from .story import Load

_METHODS = ("from_pretrained", "from_single_file", "from_config", "_from_config")


def load_of(owner: str, method: str, library: str, options: Mapping[str, Any], called: Called, name: str | None = None) -> Load:
    """The record of one call of a loader. owner: the class it was called on. name: as which component, None for a lone model.

    Its keyword is the one that was written, "" for none.
    """
    value = options.get("dtype") if options.get("dtype") is not None else options.get("torch_dtype")
    used = next((word for word in ("dtype", "torch_dtype") if options.get(word) is not None), "")
    table = value if isinstance(value, Mapping) and name is not None and method != "from_single_file" else None
    request = asked.of_pipeline(options) if table is not None else asked.of_model(options, library)
    return Load(
        line=called.line,
        loader=f"{owner}.{method}" if called.name in _METHODS or not called.name else called.name,
        library=library,
        name=name or "",
        said=_said(value),
        named=table is None or name in table or "default" in table,
        asked=request.dtype_for(name or ""),
        keyword=used,
        variant=str(options.get("variant") or ""),
        source=_source(options),
        built=method.endswith("from_config"),
    )


def keyword(library: str) -> str:
    """What the installed version of a library calls the dtype to load in.

    source: transformers 4.56 modeling_utils.py; diffusers 0.42.1 utils/deprecation_utils.py:15
    """
    if library == "diffusers":
        return "dtype" if hasattr(sys.modules.get("diffusers.utils.deprecation_utils"), "_resolve_dtype") else "torch_dtype"
    try:
        version = [int(part) for part in metadata.version(library or "transformers").split(".")[:2]]
    except (metadata.PackageNotFoundError, ValueError):
        return "dtype"
    return "dtype" if version >= [4, 56] else "torch_dtype"


def modules_of(result: Any) -> Iterator[tuple[str, torch.nn.Module]]:
    """The modules that a loader gave: itself, or a pipeline's by their names."""
    if isinstance(result, tuple) and result:
        result = result[0]
    if isinstance(result, torch.nn.Module):
        yield "", result
        return
    for name, part in _components(result).items():
        if isinstance(part, torch.nn.Module):
            yield name, part


def _components(pipe: Any) -> Mapping[str, Any]:
    if not hasattr(type(pipe), "components"):
        return {}
    try:
        found = pipe.components
    except Exception:  # noqa: BLE001 - a pipeline whose components do not fit its own signature
        found = vars(pipe)
    return found if isinstance(found, Mapping) else {}


def given(values: Iterable[Any]) -> Iterator[torch.nn.Module]:
    """The modules that the user passed in as objects, in lists too."""
    for value in values:
        if isinstance(value, torch.nn.Module):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from given(value)


def _said(value: object) -> str:
    match value:
        case None:
            return ""
        case Mapping():
            return "a table"
        case str():
            return repr(value)
    return str(value)


def _source(options: Mapping[str, Any]) -> str:
    found = options.get("", "")
    return str(found) if isinstance(found, str) or hasattr(found, "__fspath__") else ""
