"""A safetensors header to columns: one or two reads, one cut at the quotes, no number of any tensor.

A header as the format's writers write it is cut at its quotes, and every piece between two quotes is accounted for. Any other
spelling of the same JSON (blanks, other key order, escapes) goes through the JSON parser, as far as it is small enough for that.
source: the format's README and safetensors/src/tensor.rs (24b0b28).
"""

from __future__ import annotations

import json
import re
from array import array
from math import isfinite
from operator import sub
from typing import Any, Final

from ..dtypes import BY_NAME, C128, U8, DType
from ..files import Entry, Files
from ..findings import Where
from ..subjects import Problem, Tensors
from .header import CONTRADICTS, HEADER_LIMIT, NOT_UNDERSTOOD, TRUNCATED, UNREADABLE, Header, refuse
from .shown import shown
from .strange import look_alike

FORMAT: Final = "safetensors"
DTYPES: Final = {name: dtype for name, dtype in BY_NAME.items() if dtype is not C128}
"""The dtypes that a safetensors header may name."""
_FIRST: Final = 1 << 16
_BLOCK: Final = 1 << 20
_SLOW_LIMIT: Final = 16_000_000
_STRIDE: Final = 10
_FIXED: Final = {2: ":{", 3: "dtype", 4: ":", 6: ",", 7: "shape", 9: "data_offsets"}
"""What stands between the quotes of one tensor, `"key":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},`, at which piece."""
_NUMBER: Final = "(?:0|[1-9][0-9]{0,19})"
_SHAPE: Final = re.compile(rf":\[((?:{_NUMBER}(?:,{_NUMBER})*)?)\],")
_NO_DIGITS: Final = dict.fromkeys(map(ord, "0123456789"))
_LEADING_ZERO: Final = re.compile(r"(?:^|,)0[0-9]")
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_METADATA: Final = '{"__metadata__":'
_FIELDS: Final = ("dtype", "shape", "data_offsets")
_DEEPEST: Final = 127
"""Levels of nesting that the format's own reader takes (serde_json stops at 128)."""
_TOLD: Final = 10
_NO_SIZE: Final = (1 << 64) - 1
"""Stands for the bytes of a shape that overflows, or whose narrow numbers fill no whole byte."""


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
        if name not in DTYPES:
            self.unknown.setdefault(name, []).append(key)
        return DTYPES.get(name, U8)


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
    metadata = _match(text.rstrip(" \t\r\n"), columns)
    if metadata is None:
        if len(text) > _SLOW_LIMIT:
            return refuse(FORMAT, NOT_UNDERSTOOD, entry.name, f"a header of {len(text):,} characters in an unusual spelling")
        columns = _Columns()
        try:
            metadata = _parse(text, columns)
        except (ValueError, RecursionError) as fault:
            return refuse(FORMAT, CONTRADICTS, entry.name, f"the header is not what the format says: {_shortly(fault)}")
    problems = [
        Problem(NOT_UNDERSTOOD, Where(entry.name, keys[0]), f"the unknown dtype {shown(name)!r}, first at {shown(keys[0])}")
        for name, keys in sorted(columns.unknown.items())[:_TOLD]
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
            value, position = json.JSONDecoder(object_pairs_hook=_Pairs).raw_decode(text, len(_METADATA))
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return None
        if not _is_text_map(value):
            return None
        metadata = dict(value)
        if text.startswith(',"', position):
            position += 1
        elif text[position:] != "}":
            return None
    elif not text.startswith("{"):
        return None
    specs: dict[tuple[str, str], _Spec] = {}
    while position < len(text) - 1:
        cut = text.find('},"', position + _BLOCK)
        stop = len(text) - 1 if cut < 0 else cut + 1
        if not _match_block(text[position:stop], columns, specs):
            return None
        position = stop + 1
    keys = set(columns.keys)
    usual = text.endswith("}") and len(text) > 1 and len(keys) == len(columns.keys) and "__metadata__" not in keys
    return metadata if usual else None


_Spec = tuple[DType, tuple[int, ...], int]


def _match_block(block: str, columns: _Columns, specs: dict[tuple[str, str], _Spec]) -> bool:
    """Add whole tensors, `"a":{...},"b":{...}`, to the columns; False when anything in the block is spelled otherwise."""
    pieces = block.split('"')
    count, rest = divmod(len(pieces), _STRIDE)
    if rest != 1 or pieces[0] or "\\" in block or (not block.isprintable() and _CONTROL.search(block)):
        return False
    if any(pieces[at::_STRIDE].count(word) != count for at, word in _FIXED.items()):
        return False
    spelled = list(zip(pieces[5::_STRIDE], pieces[8::_STRIDE], strict=True))
    for spec in set(spelled).difference(specs):
        if not (shaped := _SHAPE.fullmatch(spec[1])):
            return False
        shape = tuple(map(int, shaped[1].split(","))) if shaped[1] else ()
        if shape and max(shape) >> 64:
            return False
        dtype = DTYPES.get(spec[0]) or columns.dtype(spec[0], pieces[1 + _STRIDE * spelled.index(spec)])
        specs[spec] = dtype, shape, _nbytes(dtype, shape)
    offsets = "".join(pieces[10::_STRIDE])
    if not (offsets.startswith(":[") and offsets.endswith("]}")):
        return False
    offsets = offsets[2:-2]
    if offsets.translate(_NO_DIGITS) != "]},:[".join([","] * count):
        return False
    offsets = offsets.replace("]},:[", ",")
    if (offsets.startswith("0") or ",0" in offsets) and _LEADING_ZERO.search(offsets):
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
    return True


def _parse(text: str, columns: _Columns) -> dict[str, str]:
    """Fill the columns by the JSON parser, give the metadata. errors: ValueError says what is not as the format wants it."""
    pairs = json.loads(text, object_pairs_hook=_Pairs, parse_int=_integer, parse_float=_finite, parse_constant=_finite)
    if not isinstance(pairs, _Pairs):
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
            if value is not None and not _is_text_map(value):
                raise ValueError("its __metadata__ is no map of texts")
            metadata = dict(value or ())
            continue
        dtype, shape, (begin, end) = _fields(key, value)
        columns.keys.append(key)
        columns.dtypes.append(columns.dtype(dtype, key))
        columns.shapes.append(shape)
        columns.sizes.append(_nbytes(columns.dtypes[-1], shape))
        columns.begins.append(begin)
        columns.ends.append(end)
    return metadata


def _fields(key: str, value: Any) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Dtype name, shape and offsets of one tensor. Further fields are let be, as the format's own reader does."""
    names = [name for name, _ in value] if isinstance(value, _Pairs) else []
    if repeated := [name for name in _FIELDS if names.count(name) > 1]:
        raise ValueError(f"tensor {shown(key)!r} has {repeated[0]} twice")
    fields = dict(value) if isinstance(value, _Pairs) else {}
    dtype, shape, span = fields.get("dtype"), _whole(fields.get("shape")), _whole(fields.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or span is None or len(span) != 2:
        raise ValueError(f"tensor {shown(key)!r} lacks a dtype, a shape or two offsets")
    if len(fields) > len(_FIELDS) and _depth(value) + 1 > _DEEPEST:
        raise ValueError("nested too deep")
    return dtype, shape, span


def _nbytes(dtype: DType, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor; _NO_SIZE where they are no whole number or more than 64 bits can count, multiplied from the left."""
    count = 1
    for size in (*shape, dtype.bits):
        count *= size
        if count >> 64:
            return _NO_SIZE
    return _NO_SIZE if count % 8 else count // 8


def _integer(text: str) -> int | float:
    """A JSON integer as the format's own reader takes it: -0 and what 64 bits cannot count are no integers."""
    return int(text) if text != "-0" and len(text) <= 20 else _finite(text)


def _finite(text: str) -> float:
    """errors: ValueError for NaN, Infinity, and numbers beyond float64, which JSON's grammar or the format's reader refuse."""
    if not isfinite(value := float(text)):
        raise ValueError(f"{shown(text, 30)} is no number it may hold")
    return value


def _refuse_half_characters(pairs: _Pairs) -> None:
    try:
        json.dumps(pairs, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("an escape in it is half a character") from None


def _depth(value: Any) -> int:
    """Levels of brackets in a parsed JSON value."""
    deep, level = 0, [value]
    while level := [v for v in level if isinstance(v, list)]:
        deep += 1
        level = [inner[1] if isinstance(v, _Pairs) else inner for v in level for inner in v]
    return deep


class _Pairs(list[tuple[str, Any]]):
    """The items of a JSON object, repeated keys and all."""


def _is_text_map(value: Any) -> bool:
    return isinstance(value, _Pairs) and all(isinstance(item, str) for _, item in value)


def _whole(values: Any) -> tuple[int, ...] | None:
    """The values as a tuple if they are a JSON array of whole numbers that 64 bits can count, else None."""
    if not isinstance(values, list) or isinstance(values, _Pairs):
        return None
    return tuple(values) if all(type(value) is int and 0 <= value < 1 << 64 for value in values) else None


def _check(columns: _Columns, entry: Entry, start: int) -> Problem | None:
    """What contradicts between shapes, offsets and the file's size; the first such thing, None if nothing does."""
    where = Where(entry.name)
    spans = list(map(sub, columns.ends, columns.begins))
    if spans != columns.sizes.tolist():
        for i, (span, size) in enumerate(zip(spans, columns.sizes, strict=True)):
            if span != size:
                return _contradiction(columns, i, span, entry)
    del spans
    begins, ends = columns.begins, columns.ends
    if begins and (begins[0] != 0 or begins[1:] != ends[:-1]):
        order = sorted(zip(begins, ends, strict=True))
        begins, ends = array("Q", (begin for begin, _ in order)), array("Q", (end for _, end in order))
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
    shape = shown("x".join(map(str, columns.shapes[i])) or "scalar")
    size = "no whole number of bytes" if columns.sizes[i] == _NO_SIZE else f"{columns.sizes[i]:,} bytes"
    detail = f"{shown(key)}: {shape} {dtype.short} takes {size}, its offsets give {span:,}"
    return Problem(CONTRADICTS, Where(entry.name, key), detail)


def _shortly(fault: Exception) -> str:
    return "nested too deep" if isinstance(fault, RecursionError) else shown(str(fault), 200)
