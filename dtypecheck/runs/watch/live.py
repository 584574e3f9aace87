"""The pipeline of a run as a subject: what its live components are and which dtypes they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from ...dtypes import DType
from ...findings import Where
from ...knowledge import Knowledge
from ...read.roles import role_of
from ...subjects import Claim, Component, Config, Load, Pipeline, Quantised, Request
from ..modules import dtype_of


def pipeline_of(components: Iterable[Component], klass: str | None, request: Request) -> Pipeline | None:
    """A record of the components by name; None without any. klass: of the pipeline, None where the script has none."""
    parts = {component.name: component for component in components}
    if not parts:
        return None
    return Pipeline(".", klass, "pipeline" if klass or len(parts) > 1 else "model", tuple(parts.values()), request=request)


def component(name: str, module: torch.nn.Module, known: Knowledge) -> Component:
    """A record of one component as it is now."""
    module = getattr(module, "_orig_mod", module)
    klass = type(module).__name__
    counts = _counts(module)
    main = max((dtype for dtype in counts if dtype.is_float), key=lambda dtype: counts[dtype], default=None)
    load = Load(main, Claim(main, Where(name), "shows") if main else None, counts)
    family = _family(type(module))
    role, config, packed = role_of(known, name, klass), _config(name, module), _packed(name, module)
    return Component(name, name, klass, family, role, config, quantised=packed, load=load)


def _family(kind: type) -> str:
    """The library that a class or one that it comes from is of; torch for a network of somebody's own."""
    libraries = (base.__module__.partition(".")[0] for base in kind.__mro__)
    return next((library for library in libraries if library in ("transformers", "diffusers")), "torch")


def _config(name: str, module: torch.nn.Module) -> Config | None:
    """Its settings, as its config.json would have them; None for a module that has none."""
    config: Any = getattr(module, "config", None)
    if isinstance(config, Mapping):
        return Config(name, {key: value for key, value in config.items() if _is_plain(value)})
    if not hasattr(config, "to_dict"):
        return None
    try:
        found = config.to_dict()
    except Exception:  # noqa: BLE001 - a class of the user's, or of a library we do not know
        return None
    return Config(name, {str(key): value for key, value in found.items() if _is_plain(value)})


def _is_plain(value: object, depth: int = 0) -> bool:
    """What JSON can hold."""
    if isinstance(value, (list, tuple)):
        return depth < 6 and all(_is_plain(item, depth + 1) for item in value)
    if isinstance(value, Mapping):
        return depth < 6 and all(isinstance(key, str) and _is_plain(item, depth + 1) for key, item in value.items())
    return value is None or isinstance(value, (str, bool, int, float))


def _counts(module: torch.nn.Module) -> dict[DType, int]:
    counts: dict[DType, int] = {}
    for tensor in module.parameters():
        dtype = dtype_of(tensor)
        counts[dtype] = counts.get(dtype, 0) + tensor.numel()
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _packed(name: str, module: torch.nn.Module) -> Quantised | None:
    """How a component says that it is quantised: the attribute that both libraries set."""
    config: Any = getattr(module, "quantization_config", None) or getattr(
        getattr(module, "config", None), "quantization_config", None
    )
    if config is None or not (getattr(module, "hf_quantizer", None) or getattr(module, "is_quantized", False)):
        return None
    method = config.get("quant_method") if isinstance(config, Mapping) else getattr(config, "quant_method", None)
    return Quantised(str(getattr(method, "value", method) or "quantised"), Where(name))
