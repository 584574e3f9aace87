"""A safetensors header to columns: one or two reads, one cut at the quotes, no number of any tensor.

A header as the format's writers write it is cut at its quotes, and every piece between two quotes is accounted for. Any other
spelling of the same JSON (blanks, other key order, escapes) goes through the JSON parser, as far as it is small enough for that.
source: the format's README and safetensors/src/tensor.rs (24b0b28).
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Mapping
from math import prod
from operator import sub
from typing import Any, Final

from ..dtypes import BY_NAME, F4, U8, DType
from ..files import Entry, Files
from ..findings import Where
from ..subjects import Problem, Tensors
from .header import CONTRADICTS, HEADER_LIMIT, NOT_UNDERSTOOD, TRUNCATED, UNREADABLE, Header, refuse
from .strange import look_alike

FORMAT: Final = "safetensors"
_FIRST: Final = 1 << 16
_BLOCK: Final = 1 << 20
_SLOW_LIMIT: Final = 16_000_000
_STRIDE: Final = 10
_FIXED: Final = {2: ":{", 3: "dtype", 4: ":", 6: ",", 7: "shape", 9: "data_offsets"}
"""What stands between the quotes of one tensor, `"key":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},`, at which piece."""
_SHAPE: Final = re.compile(r":\[((?:[0-9]{1,19}(?:,[0-9]{1,19})*)?)\],")
_NUMBERS: Final = re.compile(r"[0-9,]*")
_METADATA: Final = '{"__metadata__":'


class _Columns:
    """Columns while they grow. sizes: bytes that dtype and shape ask for; unknown: dtype names the format does not have."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.dtypes: list[DType] = []
        self.shapes: list[tuple[int, ...]] = []
        self.sizes = array("Q")
        self.begins = array("Q")
        self.ends = array("Q")
        self.unknown: dict[str, list[str]] = {}

    def dtype(self, name: str, key: str) -> DType:
        """The dtype of a name; one that the format does not have is noted, and taken for bytes."""
        if name not in BY_NAME:
            self.unknown.setdefault(name, []).append(key)
        return BY_NAME.get(name, U8)


def read_safetensors(files: Files, entry: Entry) -> Header:
    """The header of a safetensors file: a little-endian u64 length, then JSON.

    errors: none raised; what is wrong with the file is in the result's `problems`.
    """
    try:
        first = files.read(entry.name, 0, min(entry.size, _FIRST))
        if strange := look_alike(first, entry):
            return Header(FORMAT, problems=(strange,))
        if len(first) < 8:
            return refuse(FORMAT, TRUNCATED, entry.name, f"{len(first)} bytes, where a header's length alone takes 8")
        length = int.from_bytes(first[:8], "little")
        if length > HEADER_LIMIT:
            detail = f"the header would be {length:,} bytes long, the format allows {HEADER_LIMIT:,}: not a safetensors file"
            return refuse(FORMAT, NOT_UNDERSTOOD, entry.name, detail)
        if 8 + length > entry.size:
            return refuse(FORMAT, TRUNCATED, entry.name, f"{entry.size:,} bytes, its header alone takes {8 + length:,}")
        rest = files.read(entry.name, len(first), 8 + length - len(first)) if 8 + length > len(first) else b""
    except OSError as fault:
        return refuse(FORMAT, UNREADABLE, entry.name, fault.strerror or str(fault))
    raw = first[8 : 8 + length] + rest
    del first, rest
    try:
        text = raw.decode()
    except UnicodeDecodeError as fault:
        return refuse(FORMAT, CONTRADICTS, entry.name, f"the header is not UTF-8 at byte {fault.start}")
    del raw
    return _understand(text, entry, length)


def _understand(text: str, entry: Entry, length: int) -> Header:
    columns = _Columns()
    metadata = _match(text.rstrip(), columns)
    if metadata is None:
        if len(text) > _SLOW_LIMIT:
            return refuse(FORMAT, NOT_UNDERSTOOD, entry.name, f"a header of {len(text):,} characters in an unusual spelling")
        columns = _Columns()
        try:
            metadata = _parse(text, columns)
        except (ValueError, RecursionError) as fault:
            return refuse(FORMAT, CONTRADICTS, entry.name, f"the header is not what the format says: {_shortly(fault)}")
    problems = [
        Problem(NOT_UNDERSTOOD, Where(entry.name, keys[0]), f"the unknown dtype {name!r}, first at {keys[0]}")
        for name, keys in sorted(columns.unknown.items())
    ]
    if not problems and (problem := _check(columns, entry, 8 + length)):
        problems.append(problem)
    return Header(FORMAT, Tensors(columns.keys, columns.dtypes, columns.shapes), metadata, tuple(problems))


def _match(text: str, columns: _Columns) -> dict[str, str] | None:
    """Fill the columns from a header in the usual spelling, give its metadata; None when it is spelled in another way."""
    metadata: dict[str, str] = {}
    position = 1
    if text.startswith(_METADATA):
        try:
            value, position = json.JSONDecoder().raw_decode(text, len(_METADATA))
        except (ValueError, RecursionError):
            return None
        if not _is_text_map(value):
            return None
        metadata = value
        position += text.startswith(",", position)
    elif not text.startswith("{"):
        return None
    specs: dict[tuple[str, str], _Spec] = {}
    while position < len(text) - 1:
        cut = text.find('},"', position + _BLOCK)
        stop = len(text) - 1 if cut < 0 else cut + 1
        if not _match_block(text[position:stop], columns, specs):
            return None
        position = stop + 1
    return metadata if text.endswith("}") and len(text) > 1 and len(set(columns.keys)) == len(columns.keys) else None


_Spec = tuple[DType, tuple[int, ...], int]


def _match_block(block: str, columns: _Columns, specs: dict[tuple[str, str], _Spec]) -> bool:
    """Add whole tensors, `"a":{...},"b":{...}`, to the columns; False when anything in the block is spelled otherwise."""
    pieces = block.split('"')
    count, rest = divmod(len(pieces), _STRIDE)
    if rest != 1 or pieces[0] or "\\" in block:
        return False
    if any(pieces[at::_STRIDE].count(word) != count for at, word in _FIXED.items()):
        return False
    spelled = list(zip(pieces[5::_STRIDE], pieces[8::_STRIDE], strict=True))
    for spec in set(spelled).difference(specs):
        if not (shaped := _SHAPE.fullmatch(spec[1])):
            return False
        shape = tuple(map(int, shaped[1].split(","))) if shaped[1] else ()
        dtype = BY_NAME.get(spec[0]) or columns.dtype(spec[0], pieces[1 + _STRIDE * spelled.index(spec)])
        specs[spec] = dtype, shape, dtype.nbytes(prod(shape))
    offsets = "".join(pieces[10::_STRIDE])
    if not (offsets.startswith(":[") and offsets.endswith("]}")):
        return False
    offsets = offsets[2:-2].replace("]},:[", ",")
    if not _NUMBERS.fullmatch(offsets):
        return False
    try:
        numbers = array("Q", map(int, offsets.split(",")))
        dtypes, shapes, sizes = zip(*map(specs.__getitem__, spelled), strict=True)
        columns.sizes.extend(sizes)
    except (ValueError, OverflowError):
        return False
    columns.keys += pieces[1::_STRIDE]
    columns.dtypes += dtypes
    columns.shapes += shapes
    columns.begins += numbers[::2]
    columns.ends += numbers[1::2]
    return len(numbers) == 2 * count


def _parse(text: str, columns: _Columns) -> dict[str, str]:
    """Fill the columns by the JSON parser, give the metadata. errors: ValueError says what is not as the format wants it."""
    pairs = json.loads(text, object_pairs_hook=_Pairs)
    if not isinstance(pairs, _Pairs):
        raise ValueError("its JSON is no object")
    metadata: dict[str, str] = {}
    seen: set[str] = set()
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"it names {key!r} twice")
        seen.add(key)
        if key == "__metadata__":
            metadata = dict(value) if isinstance(value, _Pairs) else {}
            if not isinstance(value, _Pairs) or not _is_text_map(metadata):
                raise ValueError("its __metadata__ is no map of texts")
            continue
        fields = dict(value) if isinstance(value, _Pairs) else {}
        dtype, shape, span = fields.get("dtype"), _whole(fields.get("shape")), _whole(fields.get("data_offsets"))
        if not isinstance(dtype, str) or shape is None or span is None or len(span) != 2:
            raise ValueError(f"tensor {key!r} lacks a dtype, a shape or two offsets")
        columns.keys.append(key)
        columns.dtypes.append(columns.dtype(dtype, key))
        columns.shapes.append(shape)
        size = columns.dtypes[-1].nbytes(prod(shape))
        if size >> 63:
            raise ValueError(f"tensor {key!r} would take {size:,} bytes")
        columns.sizes.append(size)
        columns.begins.append(span[0])
        columns.ends.append(span[1])
    return metadata


class _Pairs(list[tuple[str, Any]]):
    """The items of a JSON object, repeated keys and all."""


def _is_text_map(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(item, str) for pair in value.items() for item in pair)


def _whole(values: Any) -> tuple[int, ...] | None:
    """The values as a tuple if they are a JSON array of at most 64 whole numbers below 2**63, else None."""
    if not isinstance(values, list) or isinstance(values, _Pairs) or len(values) > 64:
        return None
    return tuple(values) if all(type(value) is int and 0 <= value < 1 << 63 for value in values) else None


def _check(columns: _Columns, entry: Entry, start: int) -> Problem | None:
    """What contradicts between shapes, offsets and the file's size; the first such thing, None if nothing does."""
    where = Where(entry.name)
    spans = list(map(sub, columns.ends, columns.begins))
    if spans != columns.sizes.tolist():
        for i, (span, size) in enumerate(zip(spans, columns.sizes, strict=True)):
            if span != size and not (columns.dtypes[i] is F4 and span == 2 * size):
                return _contradiction(columns, i, span, entry)
    del spans
    begins, ends = sorted(columns.begins), sorted(columns.ends)
    if begins and (begins[0] != 0 or begins[1:] != ends[:-1]):
        return Problem(CONTRADICTS, where, "the tensors do not lie one behind the other: their offsets overlap or leave gaps")
    stop = start + (ends[-1] if ends else 0)
    if entry.size < stop:
        detail = f"cut short: {entry.size:,} bytes, its header describes {stop:,} ({100 * entry.size // stop} % is there)"
        return Problem(TRUNCATED, where, detail)
    if entry.size > stop:
        return Problem(CONTRADICTS, where, f"{entry.size - stop:,} bytes follow the last tensor that the header describes")
    return None


def _contradiction(columns: _Columns, i: int, span: int, entry: Entry) -> Problem:
    key, dtype = columns.keys[i], columns.dtypes[i]
    shape = "x".join(map(str, columns.shapes[i])) or "scalar"
    detail = f"{key}: {shape} {dtype.short} takes {columns.sizes[i]:,} bytes, its offsets give {span:,}"
    return Problem(CONTRADICTS, Where(entry.name, key), detail)


def _shortly(fault: Exception) -> str:
    return "nested too deep" if isinstance(fault, RecursionError) else str(fault)[:200]
