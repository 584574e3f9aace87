"""A component built from its config alone: the real class, its parameters with a shape and the load plan's dtype."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch

from ...dtypes import F32, DType
from ...knowledge import Knowledge
from ...loading import parameter_dtype
from ...subjects import Component, Request
from .. import origins
from ..origins import Origin
from ..pretend import replaced, unweighted
from ..words import first_line
from ..world import World

MOST_LAYERS: Final = 10_000
"""Layers that a config may ask for: no model has as many, and building them would take all memory."""


class CannotBuild(Exception):
    """A component that no phantom can be made of; the text names it and says why."""


def to_torch(dtype: DType) -> torch.dtype:
    """torch's name for one of our dtypes."""
    found: torch.dtype = getattr(torch, dtype.torch)
    return found


def klass(library: str, name: str) -> type:
    """A class of diffusers or transformers; library: as in model_index.json, a pipeline's module among them.

    errors: CannotBuild for everything else: code that comes with a model is never executed.
    """
    name = name.removeprefix("FlashPack")  # diffusers loads such a class as the one behind it
    if library.startswith(("diffusers", "transformers")):
        places = [library.partition(".")[0]]
    else:
        places = ["diffusers", "transformers", f"diffusers.pipelines.{library}"]
    for place in places:
        try:
            found = getattr(importlib.import_module(place), name, None)
        except ImportError:
            continue
        if isinstance(found, type):
            return found
    where = library if library in ("diffusers", "transformers") else "diffusers and transformers"
    raise CannotBuild(f"{name} is no class of the installed {where}; code that comes with a model is never executed")


def build(
    part: Component, library: str, request: Request, known: Knowledge, world: World, kind: type | None = None
) -> torch.nn.Module:
    """One component, its parameters without numbers. kind: its class, where that is known without a name.

    errors: CannotBuild, with the class's own complaint.
    """
    if not part.klass:
        raise CannotBuild(f"{part.label}: nothing says which class it is")
    kind = kind or klass(library, part.klass)
    if part.config is None:
        raise CannotBuild(f"{part.label}: there is no config that can be read to build {part.klass} from")
    for key, value in part.config.data.items():
        if isinstance(value, int) and value > MOST_LAYERS and re.search(r"layers?$|depth|blocks?$", key):
            raise CannotBuild(f"{part.label}: its config asks for {value:,} {key}")
    dtype = part.loads().dtype or F32
    asked = request.dtype_for(part.name) is not None
    with under(dtype if asked or part.family == "transformers" else F32), unweighted(), world, replaced(world, "building", True):
        module = instance(kind, dict(part.config.data), part.label, dtype)
        clothe(part.name, module, part, request, known, world)
    module.eval()
    return module


def instance(kind: type, config: Mapping[str, Any], label: str, dtype: DType) -> torch.nn.Module:
    """The class's own way from a config to a module."""
    config = {key: value for key, value in config.items() if key not in ("quantization_config", "auto_map", "_name_or_path")}
    try:
        if hasattr(kind, "config_class") and kind.config_class is not None:
            settings = kind.config_class.from_dict(config)
            module = kind._from_config(settings, dtype=to_torch(dtype))  # type: ignore[attr-defined]
        else:
            module = kind.from_config(config)  # type: ignore[attr-defined]
    except Exception as fault:  # foreign code on a foreign config raises anything
        raise CannotBuild(f"{label}: {kind.__name__} cannot be built from its config: {first_line(fault)}") from fault
    if not isinstance(module, torch.nn.Module):
        raise CannotBuild(f"{label}: {kind.__name__} is no torch module")
    return module


def clothe(name: str, module: torch.nn.Module, part: Component, request: Request, known: Knowledge, world: World) -> None:
    """Give every parameter, and every buffer that is saved, the dtype of the load plan, and take the numbers away."""
    stored = {tensor.key: tensor.dtype for _, tensor in chosen.tensors()} if (chosen := part.loads().chosen) else {}
    if part.quantised:
        stored = {key: dtype for key, dtype in stored.items() if dtype.is_wide}
    saved = set(module.state_dict(keep_vars=True))
    renewed: dict[int, torch.nn.Parameter] = {}
    for path, owner in module.named_modules():
        for key, parameter in list(owner._parameters.items()):
            if parameter is None:
                continue
            if id(parameter) not in renewed:
                full = f"{path}.{key}".strip(".")
                dtype = parameter.dtype
                if dtype.is_floating_point:
                    dtype = to_torch(parameter_dtype(part, full, stored.get(full, F32), request, known))
                new = world.parameter(parameter, dtype)
                origins.mark(new, Origin("parameter", f"{name}.{full}".strip(".")))
                renewed[id(parameter)] = new
            owner._parameters[key] = renewed[id(parameter)]
        for key, buffer in list(owner._buffers.items()):
            full = f"{path}.{key}".strip(".")
            if buffer is None or not buffer.is_floating_point():
                continue
            if full in saved:
                buffer = buffer.to(to_torch(parameter_dtype(part, full, stored.get(full, F32), request, known)))
                owner._buffers[key] = buffer
            origins.mark(buffer, Origin("parameter", f"{name}.{full}".strip(".")))


@contextmanager
def under(dtype: DType) -> Iterator[None]:
    """Modules and tables built meanwhile have this dtype where nothing else says so."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(to_torch(dtype))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def weight_bytes(module: torch.nn.Module) -> int:
    """Bytes of a module's parameters and buffers, shared ones once."""
    tensors = {id(t): t for t in (*module.parameters(), *module.buffers())}
    return sum(t.numel() * t.element_size() for t in tensors.values())
