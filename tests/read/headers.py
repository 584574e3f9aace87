"""Headers of safetensors files, as this reader and as safetensors itself read them."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from dtypecheck.files import Entry, Memory
from dtypecheck.read.header import Header
from dtypecheck.read.weights import read_safetensors
from dtypecheck.subjects import Problem

safetensors = pytest.importorskip("safetensors")

METADATA = {"format": "pt", "braces": '{"a":{"b":[1]}},"c"', "quote": '"', "empty": "", "ü": "\n\\n", "": "no name"}

ODD_KEYS = [
    "",
    " ",
    "a.b",
    "größe",
    "日本",
    "\U0001f600",
    'with "quotes"',
    "back\\slash",
    "a\\",
    "},",
    '},"',
    "]},:[",
    '":{"',
    "tab\there",
    "nul\0",
    "\x7f",
]


def built(header: str | bytes | dict[str, Any], data: int = 0) -> bytes:
    """A file of this header and that many bytes of data."""
    if isinstance(header, dict):
        header = json.dumps(header, separators=(",", ":"))
    raw = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(raw)) + raw + bytes(data)


def tensor(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def header_of(content: bytes, size: int | None = None) -> Header:
    size = len(content) if size is None else size
    return read_safetensors(Memory({"m": content}, sizes={"m": size}), Entry("m", size, "m"))


def columns(header: Header) -> dict[str, tuple[str, list[int]]]:
    assert header.tensors is not None, header.problems
    assert len(header.tensors) == len(header.tensors.dtypes) == len(header.tensors.shapes)
    return {tensor.key: (tensor.dtype.name, list(tensor.shape)) for tensor in header.tensors}


def truth(content: bytes) -> dict[str, tuple[str, list[int]]]:
    """What safetensors itself reads. errors: SafetensorError."""
    return {key: (info["dtype"], info["shape"]) for key, info in safetensors.deserialize(content)}


def refused(content: bytes) -> bool:
    try:
        truth(content)
    except safetensors.SafetensorError:
        return True
    return False


def only(header: Header) -> Problem:
    """The one problem of a header, its words fit for a terminal."""
    (problem,) = header.problems
    assert problem.where.path == "m"
    assert problem.detail.isprintable()
    assert len(problem.detail) < 500
    return problem


def same_as_safetensors(content: bytes) -> None:
    header = header_of(content)
    assert header.problems == ()
    assert columns(header) == truth(content)


ONE = {"a": tensor("F32", [2], 0, 8)}
