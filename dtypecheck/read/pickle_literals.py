"""The texts and numbers in a pickle: an opcode's raw argument to a value.

Texts that are no UTF-8 (lone surrogates too) keep their bytes as escapes, so that every text can be printed.
"""

from __future__ import annotations

import re
from typing import Final

from .pickle_machine import Stopped
from .pickle_values import Thing

_LONGEST_NUMBER: Final = 40
_ESCAPE: Final = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))", re.DOTALL)
_LETTERS: Final = {
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"\\": b"\\",
    b"'": b"'",
    b'"': b'"',
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"v": b"\v",
}


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def whole(raw: bytes) -> object:
    """A number written as text: `12`, `12L`, or `00` and `01` for the two truths."""
    if raw in (b"00", b"01"):
        return raw == b"01"
    if len(raw) > _LONGEST_NUMBER:
        return Thing()
    try:
        return int(raw.removesuffix(b"L"))
    except ValueError:
        raise Stopped(f"the pickle has {text(raw)!r} where a number belongs") from None


def index(raw: bytes) -> int:
    number = whole(raw)
    if not isinstance(number, int):
        raise Stopped("the pickle has a memo index without end")
    return number


def real(raw: bytes) -> float:
    try:
        return float(raw[:_LONGEST_NUMBER])
    except ValueError:
        raise Stopped(f"the pickle has {text(raw[:_LONGEST_NUMBER])!r} where a number belongs") from None


def quoted(raw: bytes) -> str:
    """A text of protocol 0, with the escapes of a bytes literal. codecs.escape_decode warns of those that are none."""
    return text(_ESCAPE.sub(_meant, raw[1:-1]))


def _meant(escape: re.Match[bytes]) -> bytes:
    two, octal, other = escape.groups()
    if two or octal:
        return bytes([int(two, 16) if two else int(octal, 8) & 0xFF])
    return _LETTERS.get(other, escape[0])


def escaped(raw: bytes) -> str:
    return text(raw.decode("raw-unicode-escape", "backslashreplace").encode("utf-8", "surrogatepass"))


def long(raw: bytes) -> object:
    return int.from_bytes(raw, "little", signed=True) if len(raw) <= _LONGEST_NUMBER else Thing()


def little(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
