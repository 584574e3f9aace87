"""A component with its numbers: the real class of the installed library, built from its config, filled from the bytes of files.

Nothing is unpickled, no code of the model runs: the readers say where the numbers lie, and they are taken from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from ...dtypes import F32, DType
from ...files import Files
from ...knowledge import Knowledge
from ...loading import parameter_dtype
from ...read.located import Unlocated, locate
from ...runs.foreign import foreign
from ...runs.phantoms.component import CannotBuild, klass, to_torch, under
from ...runs.pretend import quiet, unweighted
from ...subjects import Component, Request
from .bytes import gathered


class CannotFill(Exception):
    """A component that no model can be made of here; the text says why."""


def filled(part: Component, files: Files, request: Request, known: Knowledge, dtype: DType | None = None) -> torch.nn.Module:
    """A planned component with its weights. dtype: of all its floating numbers; None for those that its load plan gives.

    errors: CannotFill.
    """
    chosen, loads = part.loads().chosen, part.loads().dtype
    if chosen is None or loads is None or part.config is None or not part.klass:
        raise CannotFill(part.loads().failure or "nothing says how to build it")
    if part.quantised:
        raise CannotFill("its weights are packed")
    wanted = dtype or loads
    with foreign(CannotFill, f"{part.klass} cannot be built from these files"), quiet():
        try:
            kind = klass(part.family, part.klass) if part.family == "diffusers" else klass("", part.klass)
            if hasattr(kind, "config_class") and kind.config_class is not None:
                module = _of_transformers(kind, part, files, wanted)
            else:
                module = _of_diffusers(kind, part, files, request, known, dtype)
        except (CannotBuild, Unlocated) as fault:
            raise CannotFill(str(fault)) from fault
    if lost := [name for name, tensor in module.state_dict().items() if tensor.is_meta]:
        raise CannotFill(f"{lost[0]} is in none of its files")
    return module.eval().requires_grad_(False)


def _of_transformers(kind: Any, part: Component, files: Files, dtype: DType) -> torch.nn.Module:
    """By the library's own loader, which renames keys, ties and keeps what it keeps."""
    assert part.config is not None  # noqa: S101 - asked above
    settings = kind.config_class.from_dict(_plain(part.config.data))
    state = dict(tensors(part, files))
    module: torch.nn.Module = kind.from_pretrained(None, config=settings, state_dict=state, dtype=to_torch(dtype))
    return module


def _of_diffusers(
    kind: Any, part: Component, files: Files, request: Request, known: Knowledge, dtype: DType | None
) -> torch.nn.Module:
    """Without weights first, then each tensor in the dtype that the load plan says it gets."""
    assert part.config is not None  # noqa: S101 - asked above
    asked = request.dtype_for(part.name) is not None
    with under(dtype or (part.loads().dtype or F32 if asked else F32)), unweighted():
        module: torch.nn.Module = kind.from_config(_plain(part.config.data))
    chosen = part.loads().chosen
    stored = {tensor.key: tensor.dtype for _, tensor in chosen.tensors()} if chosen else {}
    state: dict[str, torch.Tensor] = {}
    for key, tensor in tensors(part, files):
        wanted = dtype or parameter_dtype(part, key, stored[key], request, known)
        state[key] = tensor.to(to_torch(wanted)) if tensor.is_floating_point() else tensor
    module._fix_state_dict_keys_on_load(state)
    missing = module.load_state_dict(state, strict=False, assign=True).missing_keys
    if missing:
        raise CannotFill(f"{missing[0]} is in none of its files")
    return module


def tensors(part: Component, files: Files) -> Iterator[tuple[str, torch.Tensor]]:
    """Key and numbers of every tensor that the load plan reads, in the stored dtype."""
    chosen = part.loads().chosen
    sizes = {entry.name: entry for entry in files.entries()}
    for file in chosen.files if chosen else ():
        for place in locate(files, sizes[file.path]).places:
            raw = bytearray(gathered(files, file.path, place))
            if not place.dtype.torch:
                raise CannotFill(f"torch has no {place.dtype.short}")
            flat = torch.frombuffer(raw, dtype=to_torch(place.dtype)) if raw else torch.empty(0, dtype=to_torch(place.dtype))
            yield place.key, flat.reshape(place.shape)


def _plain(config: Any) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("quantization_config", "auto_map", "_name_or_path")}
