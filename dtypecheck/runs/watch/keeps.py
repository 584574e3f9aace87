"""What a live module's class wants to stay in float32, and which parameters that are; the two libraries match differently.

diffusers: a listed name equals one part of a parameter's name, in float16 and bfloat16 (models/model_loading_utils.py:240).
transformers: in float16; its strict list in bfloat16 too, as patterns since version 5 (modeling_utils.py:3842).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch

from ...dtypes import BF16, F16, DType


def listed(module: torch.nn.Module, dtype: DType | None) -> tuple[str, ...]:
    """The names on the lists of a module's class that hold when it is loaded in this dtype."""
    if dtype not in (F16, BF16):
        return ()
    names = list(_names(module, "_keep_in_fp32_modules")) if dtype is F16 or not _of_transformers(module) else []
    return tuple(dict.fromkeys([*names, *_names(module, "_keep_in_fp32_modules_strict")]))


def wide(module: torch.nn.Module, dtype: DType) -> dict[str, list[torch.nn.Parameter]]:
    """The parameters that such lists, of the module or of what is in it, keep in float32 and that are, by the listed name."""
    found: dict[str, list[torch.nn.Parameter]] = {}
    for owner in _owners(module):
        for name in listed(owner, dtype):
            pattern = _pattern(name, _of_transformers(owner))
            for key, parameter in owner.named_parameters():
                if parameter.dtype is torch.float32 and pattern.search(key):
                    found.setdefault(name, []).append(parameter)
    return found


def lost(before: dict[str, list[torch.nn.Parameter]]) -> tuple[str, ...]:
    """The names whose parameters were float32 and are not any more."""
    return tuple(name for name, parameters in before.items() if any(it.dtype is not torch.float32 for it in parameters))


def _owners(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """The outermost modules that have a list; what is in them is matched by theirs."""
    if any(True for kind in ("_keep_in_fp32_modules", "_keep_in_fp32_modules_strict") for _ in _names(module, kind)):
        yield module
        return
    for child in module.children():
        yield from _owners(child)


def _names(module: torch.nn.Module, kind: str) -> tuple[str, ...]:
    value: Any = getattr(module, kind, None)
    return tuple(str(it) for it in value) if isinstance(value, (list, tuple, set, frozenset)) else ()


def _of_transformers(module: torch.nn.Module) -> bool:
    return any(kind.__module__ == "transformers.modeling_utils" for kind in type(module).__mro__)


def _pattern(name: str, anywhere: bool) -> re.Pattern[str]:
    if anywhere:
        return re.compile(name.replace("*", ".*"))
    return re.compile(rf"(?:^|\.){re.escape(name)}(?:\.|$)")
