"""Hashes of the numbers that a file's metadata holds: they go stale with every cast, so they are computed anew or dropped.

`sshs_model_hash` is the sha256 of all that follows the header; `sshs_legacy_hash` the first 8 digits of that of 64 KiB from
1 MiB on, in the file as it would be with the trainer's own metadata (`ss_*`) alone; `modelspec.hash_NAME` is 0x and the named
hash of all that follows the header. source: kohya-ss/sd-scripts library/train_util.py; Stability-AI/ModelSpec README (02f6279).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from .header import Row, header

_MODEL: Final = "sshs_model_hash"
_LEGACY: Final = "sshs_legacy_hash"
_NAMED: Final = "modelspec.hash_"
_WINDOW: Final = (0x100000, 0x110000)
_LEGACY_DIGITS: Final = 8


class Window:
    """The hash of what lies between two places of the numbers."""

    def __init__(self, begin: int, end: int) -> None:
        self._begin, self._end, self._position = begin, end, 0
        self._digest = hashlib.sha256()

    def update(self, data: memoryview) -> None:
        """Take the next bytes in."""
        start, self._position = self._position, self._position + len(data)
        self._digest.update(data[max(0, self._begin - start) : max(0, self._end - start)])

    def hexdigest(self) -> str:
        """The hash in hexadecimal digits."""
        return self._digest.hexdigest()


def known(metadata: Mapping[str, str], rows: Sequence[Row]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The metadata with zeros where hashes will stand, without those that cannot be taken; and what was done, in words."""
    made = dict(metadata)
    anew, dropped = [], []
    for key in metadata:
        if key not in (_MODEL, _LEGACY) and not key.startswith(_NAMED):
            continue
        digits = _digits(key, metadata, rows)
        if digits:
            made[key] = digits
            anew.append(key)
        else:
            del made[key]
            dropped.append(key)
    notes = [f"metadata: {', '.join(anew)} computed anew"] if anew else []
    notes += [f"metadata: {', '.join(dropped)} dropped, it described the old numbers"] if dropped else []
    return made, tuple(notes)


def _digits(key: str, metadata: Mapping[str, str], rows: Sequence[Row]) -> str:
    """Zeros in the form of the hash, "" where it cannot be taken."""
    if key == _MODEL:
        return "0" * 64
    if key == _LEGACY:
        return "0" * _LEGACY_DIGITS if _begin(metadata, rows) >= 0 else ""
    name = key.removeprefix(_NAMED)
    size = hashlib.new(name, usedforsecurity=False).digest_size if name in hashlib.algorithms_guaranteed else 0
    return "0x" + "00" * size if size else ""


def _begin(metadata: Mapping[str, str], rows: Sequence[Row]) -> int:
    """Where in the numbers the window of the legacy hash begins; negative where the header itself lies in it."""
    return _WINDOW[0] - len(header(rows, {key: text for key, text in metadata.items() if key.startswith("ss_")}, always=True))


def _spelled(digest: Any, prefix: str = "", most: int | None = None) -> str:
    return prefix + str(digest.hexdigest())[:most]


class Marks:
    """The hashes that stand in a file's metadata, while its numbers are written."""

    def __init__(self, metadata: Mapping[str, str], rows: Sequence[Row]) -> None:
        self._metadata, self._rows = metadata, rows
        self._values: dict[str, Callable[[], str]] = {}
        self._digests: dict[str, Any] = {}
        for key in metadata:
            if key == _MODEL:
                self._values[key] = partial(_spelled, self._digest("sha256"))
            elif key == _LEGACY:
                begin = _begin(metadata, rows)
                window = self._digests[_LEGACY] = Window(begin, begin + _WINDOW[1] - _WINDOW[0])
                self._values[key] = partial(_spelled, window, "", _LEGACY_DIGITS)
            elif key.startswith(_NAMED):
                self._values[key] = partial(_spelled, self._digest(key.removeprefix(_NAMED)), "0x")

    def _digest(self, name: str) -> Any:
        if name not in self._digests:
            self._digests[name] = hashlib.new(name, usedforsecurity=False)
        return self._digests[name]

    def __bool__(self) -> bool:
        return bool(self._values)

    @property
    def digests(self) -> tuple[Any, ...]:
        """What all bytes that follow the header must be put into."""
        return tuple(self._digests.values())

    def header(self) -> bytes:
        """The header with the hashes in it, as long as the one without."""
        return header(self._rows, {**self._metadata, **{key: value() for key, value in self._values.items()}})
