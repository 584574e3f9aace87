"""A safetensors header that is spelled in another way than its writers do: the same JSON, read by the JSON parser."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, Final

from .columns import Columns, nbytes
from .shown import shown

_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_FIELDS: Final = ("dtype", "shape", "data_offsets")
_DEEPEST: Final = 127
"""Levels of nesting that the format's own reader takes (serde_json stops at 128)."""


def parse(text: str, columns: Columns) -> dict[str, str]:
    """Fill the columns by the JSON parser, give the metadata. errors: ValueError says what is not as the format wants it."""
    pairs = json.loads(text, object_pairs_hook=Pairs, parse_int=_integer, parse_float=_finite, parse_constant=_finite)
    if not isinstance(pairs, Pairs):
        raise ValueError("its JSON is no object")
    if _SURROGATE.search(text):
        _refuse_half_characters(pairs)
    metadata: dict[str, str] = {}
    seen: set[str] = set()
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"it names {shown(key)!r} twice")
        seen.add(key)
        if key == "__metadata__":
            if value is not None and not is_text_map(value):
                raise ValueError("its __metadata__ is no map of texts")
            metadata = dict(value or ())
            continue
        dtype, shape, (begin, end) = _fields(key, value)
        columns.keys.append(key)
        columns.dtypes.append(columns.dtype(dtype, key))
        columns.shapes.append(shape)
        columns.sizes.append(nbytes(columns.dtypes[-1], shape))
        columns.begins.append(begin)
        columns.ends.append(end)
    return metadata


def _fields(key: str, value: Any) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Dtype name, shape and offsets of one tensor. Further fields are let be, as the format's own reader does."""
    names = [name for name, _ in value] if isinstance(value, Pairs) else []
    if repeated := [name for name in _FIELDS if names.count(name) > 1]:
        raise ValueError(f"tensor {shown(key)!r} has {repeated[0]} twice")
    fields = dict(value) if isinstance(value, Pairs) else {}
    dtype, shape, span = fields.get("dtype"), _whole(fields.get("shape")), _whole(fields.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or span is None or len(span) != 2:
        raise ValueError(f"tensor {shown(key)!r} lacks a dtype, a shape or two offsets")
    if len(fields) > len(_FIELDS) and _depth(value) + 1 > _DEEPEST:
        raise ValueError("nested too deep")
    return dtype, shape, span


def _integer(text: str) -> int | float:
    """A JSON integer as the format's own reader takes it: -0 and what 64 bits cannot count are no integers."""
    return int(text) if text != "-0" and len(text) <= 20 else _finite(text)


def _finite(text: str) -> float:
    """errors: ValueError for NaN, Infinity, and numbers beyond float64, which JSON's grammar or the format's reader refuse."""
    if not isfinite(value := float(text)):
        raise ValueError(f"{shown(text, 30)} is no number it may hold")
    return value


def _refuse_half_characters(pairs: Pairs) -> None:
    try:
        json.dumps(pairs, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("an escape in it is half a character") from None


def _depth(value: Any) -> int:
    """Levels of brackets in a parsed JSON value."""
    deep, level = 0, [value]
    while level := [v for v in level if isinstance(v, list)]:
        deep += 1
        level = [inner[1] if isinstance(v, Pairs) else inner for v in level for inner in v]
    return deep


class Pairs(list[tuple[str, Any]]):
    """The items of a JSON object, repeated keys and all."""


def is_text_map(value: Any) -> bool:
    return isinstance(value, Pairs) and all(isinstance(item, str) for _, item in value)


def _whole(values: Any) -> tuple[int, ...] | None:
    """The values as a tuple if they are a JSON array of whole numbers that 64 bits can count, else None."""
    if not isinstance(values, list) or isinstance(values, Pairs):
        return None
    return tuple(values) if all(type(value) is int and 0 <= value < 1 << 64 for value in values) else None
