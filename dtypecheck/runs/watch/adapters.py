"""The weights of an adapter beside those of the layers it was put into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import torch

from ..modules import dtype_of
from .beside import walk
from .story import Adapter

_WORDS: Final = {"LORA": "LoRA", "LOHA": "LoHa", "LOKR": "LoKr", "ADALORA": "AdaLoRA", "IA3": "IA3"}
_IP: Final = ("_ip.", "ip_adapter", "encoder_hid_proj", "image_projection_layers")
"""In the names of what an IP-Adapter adds."""


def kind_of(tuner: Any, name: str) -> str:
    """What PEFT puts in, as people call it."""
    config = getattr(tuner, "peft_config", None)
    config = config.get(name) if isinstance(config, dict) else config
    kind = getattr(config, "peft_type", "LORA")
    word = str(getattr(kind, "value", kind))
    return _WORDS.get(word.upper(), word)


def now(adapter: Adapter, module: torch.nn.Module) -> Adapter:
    """The adapter with the dtypes that it and its layers have now: of the first layer where they differ, else of the first."""
    first: Adapter | None = None
    for own, base in _ip(module) if adapter.kind == "IP-Adapter" else _layers(module, adapter.name):
        found = replace(adapter, dtype=dtype_of(own), base=dtype_of(base))
        if found.differs:
            return found
        first = first or found
    return first or adapter


def _layers(module: torch.nn.Module, name: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """A weight of the adapter and one of its layer, for each layer that has it."""
    for _, layer in walk(module):
        inner = dict(layer._modules.items()).get("base_layer")
        if inner is None:
            continue
        base = next((it for it in inner.parameters() if it.is_floating_point()), None)
        mine = (it for key, it in layer.named_parameters() if not key.startswith("base_layer.") and f".{name}" in f".{key}")
        own = next((it for it in mine if it.is_floating_point()), None)
        if own is not None and base is not None:
            yield own, base


def _ip(module: torch.nn.Module) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    base = next((it for key, it in module.named_parameters() if not any(word in key for word in _IP)), None)
    for key, parameter in module.named_parameters():
        if base is not None and any(word in key for word in _IP):
            yield parameter, base
