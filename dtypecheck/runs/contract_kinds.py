"""The kinds of demand an operator can make of its tensors' dtypes; each says None when met, else what its message needs besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

from ..knowledge import Row

Given = Mapping[str, Any]
"""The arguments of a call by their names in its schema."""
Broken = Mapping[str, Any]
"""Words for the message that are not arguments: a dtype, or text."""

_HALF: Final = (torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)
_NAMES: Final[Mapping[str, str]] = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
    "C128": "complex128",
}
_DTYPES: Final[Mapping[str, torch.dtype]] = {name: getattr(torch, word) for name, word in _NAMES.items()}


def _dtype(given: Given, name: str) -> torch.dtype | None:
    value = given.get(name)
    return value.dtype if isinstance(value, torch.Tensor) else None


def _same(row: Row, given: Given) -> Broken | None:
    """`same = [a, b]`: these two have one dtype."""
    first, second = row["same"]
    one, other = _dtype(given, first), _dtype(given, second)
    return {} if one is not None and other is not None and one != other else None


def _lacks(row: Row, given: Given) -> Broken | None:
    """`lacks = [dtypes], of = a`: the device has no kernel for these."""
    dtype = _dtype(given, row["of"])
    return {} if dtype is not None and any(_DTYPES[name] == dtype for name in row["lacks"]) else None


def _has(row: Row, given: Given) -> Broken | None:
    """`has = [dtypes], of = a`: the device has a kernel for these only."""
    dtype = _dtype(given, row["of"])
    return {} if dtype is not None and all(_DTYPES[name] != dtype for name in row["has"]) else None


def _mixed(row: Row, given: Given) -> Broken | None:
    """`mixed = [input, weight, bias, ...]`: what all share, or half numbers with fp32 parameters. `fault` picks the clause.

    The first parameter decides whether this is a mixed call; in one that is not, the others are read as what the input is.
    """
    first, *names = row["mixed"]
    base = _dtype(given, first)
    dtypes = [found for name in names if (found := _dtype(given, name)) is not None]
    if base is None or not dtypes:
        return None
    clause = row["fault"]
    if dtypes[0] == base:
        other = next((found for found in dtypes if found != base), None)
        return {"found": other} if clause == "other" and other is not None else None
    if any(found != torch.float32 for found in dtypes):
        return {} if clause == "parameter" else None
    return {} if clause == "input" and base not in _HALF else None


KINDS: Final[Mapping[str, Callable[[Row, Given], Broken | None]]] = {
    "same": _same,
    "lacks": _lacks,
    "has": _has,
    "mixed": _mixed,
}
