"""Tensors in any nest of tuples, lists, dicts, dataclasses and plain objects: the same nest with other tensors in it."""

from __future__ import annotations

import copy
import dataclasses
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch

from ..reduced import DEEP, FLOATS

HALF: Final = (torch.float16, torch.bfloat16)
_WHOLE: Final = (
    int, float, complex, bool, str, bytes, type(None), torch.device, torch.Size, torch.nn.Module, torch.Generator,
    type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType,
)  # fmt: skip
"""What is handed on as it is."""

Change = Callable[[Any], Any]
"""What becomes of a tensor, and of a dtype: modules are told by one in what to compute."""


def mapped(value: Any, change: Change, objects: bool = True, memo: dict[int, Any] | None = None, depth: int = 0) -> Any:
    """The same nest with every tensor and every dtype in it changed; what was one object stays one.

    objects: go into plain objects too, such as the caches of a language model, which are copied.
    """
    memo = {} if memo is None else memo
    if isinstance(value, torch.dtype):
        return change(value)
    if isinstance(value, _WHOLE):
        return value
    if id(value) in memo:
        return memo[id(value)][0]
    if isinstance(value, torch.Tensor):
        result: Any = change(value)
    elif depth > DEEP:
        result = value
    elif isinstance(value, (list, tuple)):
        result = _sequence(value, [mapped(item, change, objects, memo, depth + 1) for item in value])
    elif isinstance(value, dict):
        result = _mapping(value, {key: mapped(item, change, objects, memo, depth + 1) for key, item in value.items()})
    elif hasattr(value, "__dict__") and (objects or dataclasses.is_dataclass(value)):
        result = _object(value, {name: mapped(item, change, objects, memo, depth + 1) for name, item in vars(value).items()})
    else:
        result = value
    memo[id(value)] = result, value  # the value too, so that its number is not given to another meanwhile
    return result


def _sequence(value: Any, items: list[Any]) -> Any:
    if isinstance(value, tuple) and all(new is old for new, old in zip(items, value, strict=True)):
        return value
    if hasattr(value, "_fields"):
        return type(value)(*items)
    try:
        return items if type(value) is list else type(value)(items)
    except TypeError:
        return items


def _mapping(value: Any, items: dict[Any, Any]) -> Any:
    if type(value) is dict:
        return items
    result = copy.copy(value)
    for key, item in items.items():
        result[key] = item
    return result


def _object(value: Any, found: dict[str, Any]) -> Any:
    if all(found[name] is item for name, item in vars(value).items()):
        return value
    try:
        result = copy.copy(value)
    except (TypeError, RuntimeError):
        return value
    for name, item in found.items():
        object.__setattr__(result, name, item)
    return result


def walked(value: Any, seen: dict[int, Any] | None = None, depth: int = 0) -> Iterator[Any]:
    """Everything in a nest that can change: tensors, lists, dicts, objects, generators of random numbers; each once."""
    seen = {} if seen is None else seen
    if isinstance(value, torch.dtype):
        return
    if id(value) in seen or depth > DEEP or (isinstance(value, _WHOLE) and not isinstance(value, torch.Generator)):
        return
    seen[id(value)] = value
    if isinstance(value, tuple):
        inner: Any = value
    else:
        yield value
        inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
        if not isinstance(value, (torch.Tensor, torch.Generator, list, dict)):
            inner = list(getattr(value, "__dict__", {}).values())
    for item in list(inner):
        yield from walked(item, seen, depth + 1)


def is_plain(tensor: Any) -> bool:
    """True for a tensor whose numbers are what it holds: not packed, not spread over devices, not without numbers."""
    return type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.layout is torch.strided and not tensor.is_meta


def is_half(tensor: Any) -> bool:
    """True for plain tensors in one of the two half dtypes."""
    return is_plain(tensor) and tensor.dtype in HALF


def is_float(tensor: Any) -> bool:
    """True for plain tensors in a dtype that networks compute in."""
    return is_plain(tensor) and tensor.dtype in FLOATS


def cast(value: Any, dtype: torch.dtype) -> Any:
    """The same nest with the floating tensors in it in one dtype; plain objects stay as they are."""
    return mapped(value, lambda it: it.to(dtype) if is_float(it) else it, objects=False)


def widened(it: Any) -> Any:
    """A half tensor in float32, and float32 for a half dtype."""
    if isinstance(it, torch.dtype):
        return torch.float32 if it in HALF else it
    return it.float() if is_half(it) else it


def wide(value: Any) -> Any:
    """The same nest with float32 in place of the half dtypes."""
    return mapped(value, widened)
