"""What stands where weights should: a Git-LFS pointer, a web page, another format under this name."""

from __future__ import annotations

import re
from typing import Final

from ..files import Entry
from ..findings import Where
from ..subjects import Problem
from .header import LFS_POINTER, NOT_UNDERSTOOD

_LFS: Final = b"version https://git-lfs"
_TEXTS: Final = (
    (re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE), "a web page"),
    (re.compile(rb"\s*<\?xml"), "an XML document, likely a server's error message"),
    (re.compile(rb"<<<<<<< "), "text with the marks of a merge conflict"),
)
_MAGICS: Final = (
    (b"PK\x03\x04", "a zip archive, as torch.save writes"),
    (b"GGUF", "a GGUF file"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive"),
)
_BEGUN: Final = b"\0\0\0\0{"
"""Behind four bytes: a header's length below 4 GiB, which may begin with any magic, and the header's first letter."""


def look_alike(first: bytes, entry: Entry) -> Problem | None:
    """The problem of a file whose first bytes show that it is no safetensors file at all; None when they may be one."""
    if first.startswith(_LFS):
        size, _ = pointer(first)
        detail = "a Git-LFS pointer, not the weights" + (f" ({size:,} bytes)" if size else "")
        return Problem(LFS_POINTER, Where(entry.name), detail)
    for pattern, what in _TEXTS:
        if pattern.match(first):
            return Problem(NOT_UNDERSTOOD, Where(entry.name), f"{what}, not weights")
    for magic, what in _MAGICS:
        if first.startswith(magic) and first[4:9] != _BEGUN:
            return Problem(NOT_UNDERSTOOD, Where(entry.name), f"{what} under another format's name")
    return None


def pointer(first: bytes) -> tuple[int | None, str | None]:
    """The size in bytes and the sha256 that a Git-LFS pointer names."""
    size = re.search(rb"^size (\d{1,15})\r?$", first, re.MULTILINE)
    oid = re.search(rb"^oid sha256:([0-9a-f]{64})\r?$", first, re.MULTILINE)
    return (int(size[1]) if size else None), (oid[1].decode() if oid else None)
