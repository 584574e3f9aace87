"""The head of a GGUF file to columns: metadata, names, shapes and formats of the tensors, none of their numbers.

source: docs/gguf.md of ggml; gguf-py/gguf/gguf_reader.py of llama.cpp.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import prod
from typing import Final

from ..dtypes import DType
from ..files import Entry, Files
from ..findings import Where
from ..subjects import Problem, Tensors
from .ggml_types import GGML_TYPES
from .gguf_stream import Broken, Stream
from .header import CONTRADICTS, NOT_UNDERSTOOD, TRUNCATED, UNREADABLE, Header, refuse
from .shown import shown
from .strange import look_alike

FORMAT: Final = "gguf"
MOST: Final = 1_000_000
"""Tensors at most, and metadata at most."""
_KEY: Final = 1_024
_KEPT_TEXT: Final = 1_000
_KEPT: Final = 1_000
_KEPT_KEYS: Final = ("general.", "split.")
_DIMENSIONS: Final = 8
_ALIGNMENT: Final = 32
_TOLD: Final = 10


@dataclass(slots=True)
class _Rows:
    """Columns while they grow. ends: behind the last byte of the tensor that reaches furthest, and which that is."""

    keys: list[str] = field(default_factory=list)
    dtypes: list[DType] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    formats: Counter[str] = field(default_factory=Counter)
    spans: list[tuple[int, str]] = field(default_factory=list)
    nbytes: int = 0
    unknown: dict[int, str] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)


def read_gguf(files: Files, entry: Entry) -> Header:
    """The tensors of a GGUF file: logical shapes in the order torch has them; quantised formats as U8.

    metadata: `ggml_types` ("Q4_K: 210, F32: 63"), `tensor_bytes` (what they really take), `version`, and the file's own
    `general.*` and `split.*`. errors: none raised; what is wrong with the file is in the result's `problems`.
    """
    try:
        first = files.read(entry.name, 0, max(0, min(1024, entry.size)))
        if len(first) < 4 and b"GGUF".startswith(first):
            return refuse(FORMAT, TRUNCATED, entry.name, f"it has {len(first)} bytes" if first else "it is empty")
        if not first.startswith(b"GGUF"):
            return Header(FORMAT, problems=(_strange(first, entry),))
        return _head(Stream(files, entry), entry)
    except Broken as broken:
        return refuse(FORMAT, TRUNCATED if broken.cut else NOT_UNDERSTOOD, entry.name, broken.detail)
    except OSError as fault:
        return refuse(FORMAT, UNREADABLE, entry.name, fault.strerror or str(fault))


def _strange(first: bytes, entry: Entry) -> Problem:
    return look_alike(first, entry) or Problem(NOT_UNDERSTOOD, Where(entry.name), "not a GGUF file, by its first four bytes")


def _head(stream: Stream, entry: Entry) -> Header:
    stream.skip(4)
    (version,) = stream.numbers("I")
    if version & 0xFFFF == 0:
        stream.order = ">"
        version = int.from_bytes(version.to_bytes(4, "little"), "big")
    if version not in (1, 2, 3):
        raise Broken(f"it is of the GGUF version {version}, known are 1 to 3")
    stream.length = "I" if version == 1 else "Q"
    tensors, items = stream.numbers(2 * stream.length)
    if max(tensors, items) > MOST:
        raise Broken(f"it would have {tensors:,} tensors and {items:,} metadata, more than {MOST:,} are not read")
    metadata, alignment = _metadata(stream, items)
    rows = _Rows()
    for _ in range(tensors):
        _tensor(stream, rows)
    start = -(-stream.position // alignment) * alignment
    metadata["version"] = str(version) + (", big-endian" if stream.order == ">" else "")
    metadata["ggml_types"] = ", ".join(f"{name}: {count}" for name, count in rows.formats.most_common())
    metadata["tensor_bytes"] = str(rows.nbytes)
    return Header(FORMAT, Tensors(rows.keys, rows.dtypes, rows.shapes), metadata, tuple(_problems(rows, entry, start)))


def _metadata(stream: Stream, count: int) -> tuple[dict[str, str], int]:
    """The plain values under `general.` and `split.` as text, and the alignment of the tensors."""
    kept: dict[str, str] = {}
    alignment = _ALIGNMENT
    for _ in range(count):
        key = stream.bytes(_KEY).decode("utf-8", "backslashreplace")
        (kind,) = stream.numbers("I")
        value = stream.value(kind, _KEPT_TEXT)
        if key == "general.alignment":
            if type(value) is not int or value <= 0 or value & (value - 1) or value > 1 << 31:
                raise Broken(f"its alignment is {value!r}, which is no power of two")
            alignment = value
        if value is not None and key.startswith(_KEPT_KEYS) and len(kept) < _KEPT:
            kept[key[:200]] = str(value)
    return kept, alignment


def _tensor(stream: Stream, rows: _Rows) -> None:
    """Read one tensor's row and add it to the columns."""
    key = stream.bytes(_KEY).decode("utf-8", "backslashreplace")
    (dimensions,) = stream.numbers("I")
    if dimensions > _DIMENSIONS:
        raise Broken(f"its tensor {shown(key)} would have {dimensions:,} dimensions")
    lengths = stream.numbers(stream.length * dimensions) if dimensions else ()
    number, offset = stream.numbers("IQ")
    elements = prod(lengths)
    if elements >= 1 << 63 or max(lengths, default=0) >= 1 << 63:
        rows.faults.append((key, "it has more than 2^63 elements"))
        return
    known = GGML_TYPES.get(number)
    if known is None:
        rows.unknown.setdefault(number, key)
        return
    if elements % known.block or (lengths and lengths[0] % known.block):
        rows.faults.append(
            (key, f"its rows of {lengths[0] if lengths else 1} do not divide into blocks of {known.block} ({known.name})")
        )
    rows.keys.append(key)
    rows.dtypes.append(known.dtype)
    rows.shapes.append(lengths[::-1])
    rows.formats[known.name] += 1
    nbytes = -(-elements // known.block) * known.nbytes
    rows.nbytes += nbytes
    rows.spans.append((offset + nbytes, key))


def _problems(rows: _Rows, entry: Entry, start: int) -> list[Problem]:
    repeated = [key for key, count in Counter(rows.keys).items() if count > 1] if len(set(rows.keys)) < len(rows.keys) else []
    faults = rows.faults + [(key, "two tensors have this name") for key in repeated]
    problems = [Problem(CONTRADICTS, Where(entry.name, key), f"{shown(key)}: {what}") for key, what in faults[:_TOLD]]
    if len(faults) > _TOLD:
        problems.append(Problem(CONTRADICTS, Where(entry.name), f"and {len(faults) - _TOLD:,} more tensors like these"))
    problems += [
        Problem(NOT_UNDERSTOOD, Where(entry.name, key), f"the unknown ggml type {number}, first at {shown(key)}")
        for number, key in list(rows.unknown.items())[:_TOLD]
    ]
    end, last = max(rows.spans, default=(0, ""))
    if rows.spans and start + end > entry.size:
        missing = sum(start + stop > entry.size for stop, _ in rows.spans)
        detail = (
            f"cut short: {entry.size:,} bytes, its head describes {start + end:,} "
            f"({100 * entry.size // (start + end)} % is there, {missing:,} of {len(rows.spans):,} tensors are not)"
        )
        problems.append(Problem(TRUNCATED, Where(entry.name, last), detail))
    return problems
