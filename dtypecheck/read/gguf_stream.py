"""The head of a GGUF file as a stream of numbers and texts, read in pieces; tokenizer tables are stepped over, not built.

source: docs/gguf.md of ggml (versions 1 to 3; version 1 has 32-bit lengths, version 3 may be big-endian).
"""

from __future__ import annotations

import struct
from typing import Final

from ..files import Entry, Files

PIECE: Final = 1 << 20
HEAD: Final = 100_000_000
"""Bytes of a head at most that are read. The largest tokenizers take twenty million."""
TEXT: Final = 64_000_000
"""Bytes of one text at most."""
TEXTS: Final = 5_000_000
"""Texts at most in all arrays together. The largest tokenizers have some 800,000."""
_ARRAY_COST: Final = 50
"""How many texts an array in an array counts for."""
_STRING: Final = 8
_ARRAY: Final = 9
_SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""struct letters of the plain value types."""


class Broken(Exception):
    """The head cannot be read on. cut: because the file ends in it."""

    def __init__(self, detail: str, cut: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.cut = cut


class Stream:
    """A place in the head. order: "<" or ">"; length: struct letter of lengths and counts, "I" in version 1, else "Q"."""

    __slots__ = ("_entry", "_files", "_held", "_read", "_start", "_texts", "length", "order", "position")

    def __init__(self, files: Files, entry: Entry) -> None:
        self._files = files
        self._entry = entry
        self._held = b""
        self._start = 0
        self._read = 0
        self._texts = 0
        self.order = "<"
        self.length = "Q"
        self.position = 0

    def _hold(self, count: int) -> int:
        """Have the next `count` bytes in memory; gives where in the held piece they begin. errors: Broken, OSError."""
        at = self.position - self._start
        if at >= 0 and at + count <= len(self._held):
            return at
        if self.position + count > self._entry.size:
            raise Broken(f"cut short: its head goes on behind byte {self._entry.size:,}, where the file ends", cut=True)
        self._read += max(count, PIECE)
        if self._read > HEAD:
            raise Broken(f"its head has more than {HEAD:,} bytes, which are not read")
        self._held = self._files.read(self._entry.name, self.position, max(count, PIECE))
        self._start = self.position
        if len(self._held) < count:
            raise Broken("the file is shorter than it was", cut=True)
        return 0

    def numbers(self, letters: str) -> tuple[int, ...]:
        """The next numbers, by their struct letters."""
        form = struct.Struct(self.order + letters)
        at = self._hold(form.size)
        self.position += form.size
        return form.unpack_from(self._held, at)

    def bytes(self, limit: int) -> bytes:
        """The next text as bytes, cut to `limit`; the whole of it is stepped over."""
        (count,) = self.numbers(self.length)
        if count > TEXT:
            raise Broken(f"it holds a text of {count:,} bytes, more than {TEXT:,} are not read")
        kept = min(count, limit)
        at = self._hold(kept)
        raw = self._held[at : at + kept]
        self.skip(count)
        return raw

    def skip(self, count: int) -> None:
        """Step over bytes without reading them."""
        if self.position + count > self._entry.size:
            raise Broken(f"cut short: its head goes on behind byte {self._entry.size:,}, where the file ends", cut=True)
        self.position += count

    def value(self, kind: int, limit: int) -> str | int | float | bool | None:
        """The next value of a type: texts cut to `limit` bytes, None for arrays, which are stepped over."""
        if kind in _SCALARS:
            return self.numbers(_SCALARS[kind])[0]
        if kind == _STRING:
            return self.bytes(limit).decode("utf-8", "backslashreplace")
        if kind != _ARRAY:
            raise Broken(f"it holds a value of the type {kind}, which GGUF does not have")
        self._skip_array()
        return None

    def _skip_array(self) -> None:
        """Step over an array; arrays in it are put behind one another, so that depth costs nothing."""
        waiting = 1
        while waiting:
            waiting -= 1
            kind, count = self.numbers("I" + self.length)
            if kind in _SCALARS:
                self.skip(count * struct.calcsize("<" + _SCALARS[kind]))
                continue
            if kind not in (_STRING, _ARRAY):
                raise Broken(f"it holds an array of the type {kind}, which GGUF does not have")
            self._texts += count if kind == _STRING else count * _ARRAY_COST
            if self._texts > TEXTS:
                raise Broken(f"it holds arrays with more than {TEXTS:,} texts, which are not read")
            if kind == _ARRAY:
                waiting += count
            else:
                self._skip_texts(count)

    def _skip_texts(self, count: int) -> None:
        """Step over texts, the hot loop of a file with a tokenizer."""
        form = struct.Struct(self.order + self.length)
        read, size = form.unpack_from, form.size
        while count:
            at = self._hold(size)
            held, last = self._held, len(self._held) - size
            while count and at <= last:
                at += size + read(held, at)[0]
                count -= 1
            position = self._start + at
            if position > self._entry.size:
                raise Broken(f"cut short: its head goes on behind byte {self._entry.size:,}, where the file ends", cut=True)
            self.position = position
