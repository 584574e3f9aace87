"""A safetensors header to columns: one or two reads, one cut at the quotes, no number of any tensor.

A header as the format's writers write it is cut at its quotes, and every piece between two quotes is accounted for. Any other
spelling of the same JSON (blanks, other key order, escapes) goes through the JSON parser, as far as it is small enough for that.
source: the format's README and safetensors/src/tensor.rs (24b0b28).
"""

from __future__ import annotations

import json
import re
from array import array
from operator import add
from typing import Final, NamedTuple

from ..dtypes import DType
from ..files import Entry, Files, first_read
from ..findings import Where
from ..subjects import Problem, Tensors
from .columns import DTYPES, Columns, check, nbytes
from .header import CONTRADICTS, HEADER_LIMIT, NOT_UNDERSTOOD, TRUNCATED, UNREADABLE, Header, refuse
from .shown import shown
from .spelled import Pairs, is_text_map, parse
from .strange import look_alike

FORMAT: Final = "safetensors"
_FIRST: Final = 1 << 16
_BLOCK: Final = 1 << 20
_SLOW_LIMIT: Final = 16_000_000
_STRIDE: Final = 10
_FIXED: Final = {2: ":{", 3: "dtype", 4: ":", 6: ",", 7: "shape", 9: "data_offsets"}
"""What stands between the quotes of one tensor, `"key":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},`, at which piece."""
_NUMBER: Final = "(?:0|[1-9][0-9]{0,19})"
_SHAPE: Final = re.compile(rf":\[((?:{_NUMBER}(?:,{_NUMBER})*)?)\],")
_NO_DIGITS: Final = dict.fromkeys(map(ord, "0123456789"))
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_METADATA: Final = '{"__metadata__":'
_TOLD: Final = 10


def read_safetensors(files: Files, entry: Entry) -> Header:
    """The header of a safetensors file: a little-endian u64 length, then JSON.

    errors: none raised; what is wrong with the file is in the result's `problems`.
    """
    return read_columns(files, entry)[0]


def touch_safetensors(files: Files, entry: Entry) -> None:
    """Ask for the bytes of a header and do nothing with them: who reads it later finds them fetched."""
    _text(files, entry)


def read_columns(files: Files, entry: Entry) -> tuple[Header, Columns, int]:
    """The header, its columns with where each tensor begins and ends, and the byte of the file those are counted from."""
    text = _text(files, entry)
    if isinstance(text, Header):
        return text, Columns(), 0
    header, columns = _understand(text.json, entry, text.nbytes)
    return header, columns, 8 + text.nbytes


class _Text(NamedTuple):
    """The JSON of a header, and the bytes it takes in the file."""

    json: str
    nbytes: int


def _text(files: Files, entry: Entry) -> _Text | Header:
    try:
        first = files.read(entry.name, 0, min(entry.size, first_read(files, _FIRST)))
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
        return _Text(raw.decode(), length)
    except UnicodeDecodeError as fault:
        return refuse(FORMAT, CONTRADICTS, entry.name, f"the header is not UTF-8 at byte {fault.start}")


def _understand(text: str, entry: Entry, length: int) -> tuple[Header, Columns]:
    columns = Columns()
    metadata = _match(text.rstrip(" \t\r\n"), columns)
    if metadata is None:
        if len(text) > _SLOW_LIMIT:
            detail = f"a header of {len(text):,} characters in an unusual spelling"
            return refuse(FORMAT, NOT_UNDERSTOOD, entry.name, detail), columns
        columns = Columns()
        try:
            metadata = parse(text, columns)
        except (ValueError, RecursionError) as fault:
            detail = f"the header is not what the format says: {_shortly(fault)}"
            return refuse(FORMAT, CONTRADICTS, entry.name, detail), columns
    problems = [
        Problem(NOT_UNDERSTOOD, Where(entry.name, keys[0]), f"the unknown dtype {shown(name)!r}, first at {shown(keys[0])}")
        for name, keys in sorted(columns.unknown.items())[:_TOLD]
    ]
    if not problems and (problem := check(columns, entry, 8 + length)):
        problems.append(problem)
    return Header(FORMAT, Tensors(columns.keys, columns.dtypes, columns.shapes), metadata, tuple(problems)), columns


def _match(text: str, columns: Columns) -> dict[str, str] | None:
    """Fill the columns from a header in the usual spelling, give its metadata; None when it is spelled in another way."""
    metadata: dict[str, str] = {}
    position = 1
    if text.startswith(_METADATA):
        try:
            value, position = json.JSONDecoder(object_pairs_hook=Pairs).raw_decode(text, len(_METADATA))
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return None
        if not is_text_map(value):
            return None
        metadata = dict(value)
        if text.startswith(',"', position):
            position += 1
        elif text[position:] != "}":
            return None
    elif not text.startswith("{"):
        return None
    specs: dict[str, _Spec] = {}
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


def _match_block(block: str, columns: Columns, specs: dict[str, _Spec]) -> bool:
    """Add whole tensors, `"a":{...},"b":{...}`, to the columns; False when anything in the block is spelled otherwise."""
    pieces = block.split('"')
    count, rest = divmod(len(pieces), _STRIDE)
    if rest != 1 or pieces[0] or "\\" in block:
        return False
    keys = pieces[1::_STRIDE]
    if not (names := "".join(keys)).isprintable() and _CONTROL.search(names):
        return False
    if any(pieces[at::_STRIDE].count(word) != count for at, word in _FIXED.items()):
        return False
    spelled = list(map(add, pieces[5::_STRIDE], pieces[8::_STRIDE]))
    for spec in set(spelled).difference(specs):
        name, colon, bracketed = spec.partition(":")
        if not (shaped := _SHAPE.fullmatch(colon + bracketed)):
            return False
        shape = tuple(map(int, shaped[1].split(","))) if shaped[1] else ()
        if shape and max(shape) >> 64:
            return False
        dtype = DTYPES.get(name) or columns.dtype(name, keys[spelled.index(spec)])
        specs[spec] = dtype, shape, nbytes(dtype, shape)
    offsets = "".join(pieces[10::_STRIDE])
    if not (offsets.startswith(":[") and offsets.endswith("]}")):
        return False
    offsets = offsets[2:-2]
    if offsets.translate(_NO_DIGITS) != "]},:[".join([","] * count):
        return False
    try:
        numbers = array("Q", json.loads(f"[{offsets.replace(']},:[', ',')}]"))
        dtypes, shapes, sizes = zip(*map(specs.__getitem__, spelled), strict=True)
        columns.sizes.extend(sizes)
    except (ValueError, OverflowError):
        return False
    columns.keys += keys
    columns.dtypes += dtypes
    columns.shapes += shapes
    columns.begins += numbers[::2]
    columns.ends += numbers[1::2]
    return True


def _shortly(fault: Exception) -> str:
    return "nested too deep" if isinstance(fault, RecursionError) else shown(str(fault), 200)
