"""A report as bytes and back: our own frozen data by name, no pickle, so that bytes of anybody can do no harm."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from .. import dtypes
from ..dtypes import DType
from ..report import Report

_MODULES: Final = (
    "edits", "findings", "files", "report",
    "subjects", "subjects.cases", "subjects.planned", "subjects.stored", "subjects.written",
)  # fmt: skip
"""Where the classes are that a report on files is made of."""


class Unstorable(ValueError):
    """Something in a report that is none of our plain data."""


def encode(report: Report) -> bytes:
    """A report as JSON that names our classes. errors: Unstorable."""
    return json.dumps(_out(report), separators=(",", ":")).encode()


def decode(data: bytes) -> Report:
    """The report again. errors: Unstorable for what is none."""
    try:
        found = _in(json.loads(data))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as fault:
        raise Unstorable(str(fault)) from None
    if not isinstance(found, Report):
        raise Unstorable("no report")
    return found


def _out(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case DType():
            return ["d", value.name]
        case Counter():
            return ["C", *([_out(key), _out(item)] for key, item in value.items())]
        case Mapping():
            return ["m", *([_out(key), _out(item)] for key, item in value.items())]
        case frozenset():
            return ["s", *sorted(map(_out, value), key=json.dumps)]
        case list():
            return ["l", *map(_out, value)]
    name = type(value).__name__
    if _classes().get(name) is type(value):
        if isinstance(value, tuple):
            return [name, *map(_out, value)]
        return [name, *(_out(getattr(value, each)) for each in _names(name))]
    if type(value) is tuple:
        return ["t", *map(_out, value)]
    raise Unstorable(f"{type(value).__module__}.{name}")


def _in(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    mark, *rest = value
    match mark:
        case "d":
            return _dtypes()[rest[0]]
        case "C":
            return Counter({_in(key): _in(item) for key, item in rest})
        case "m":
            return {_in(key): _in(item) for key, item in rest}
        case "s":
            return frozenset(map(_in, rest))
        case "l":
            return [_in(item) for item in rest]
        case "t":
            return tuple(_in(item) for item in rest)
    kind = _classes()[mark]
    items = [_in(item) for item in rest]
    return kind(**dict(zip(_names(mark), items, strict=True)))


@cache
def _names(mark: str) -> tuple[str, ...]:
    """What a class is made with; what it makes of that itself, as the way from a part to its whole, is made again."""
    kind = _classes()[mark]
    return tuple(each.name for each in fields(kind) if each.init) if is_dataclass(kind) else kind._fields


@cache
def _dtypes() -> dict[str, DType]:
    return {value.name: value for value in vars(dtypes).values() if isinstance(value, DType)}


@cache
def _classes() -> dict[str, Any]:
    """Every class of plain data of the modules, by name."""
    found: dict[str, Any] = {}
    for name in _MODULES:
        module = import_module(f"..{name}", __package__)
        found |= {kind.__name__: kind for kind in vars(module).values() if _plain(kind, module)}
    return found


def _plain(kind: object, module: ModuleType) -> bool:
    if not isinstance(kind, type) or kind.__module__ != module.__name__:
        return False
    return is_dataclass(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
