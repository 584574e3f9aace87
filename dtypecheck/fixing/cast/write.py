"""Writes the file of a layout: its header, then one tensor after the other, in memory that does not grow with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ...dtypes import F16
from ...files import Files
from .engines import Name, chosen, need_numpy
from .hashes import Marks
from .layout import Layout
from .reading import opened
from .stream import Stream
from .tally import Pair, Tally

_AT_ONCE: Final = 1 << 20


class Out(Protocol):
    """A binary file, written from where it stands. With hashes in its metadata it is sought in, and read for its own sha256."""

    def write(self, data: memoryview | bytes, /) -> int | None:
        """Write bytes, and tell how many."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to another place."""

    def tell(self) -> int:
        """The place."""

    def readable(self) -> bool:
        """Whether it can be read too."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written. sha256: of it, "" when it was not asked for or the file cannot be read for it.

    sources: the sha256 of each source that was read whole and in order, None for the others. tallies: what became of the
    numbers, by the formats they had and have; with `clamp`, `over` is how many were cut to the largest number.
    """

    nbytes: int
    sha256: str = ""
    sources: Mapping[str, str | None] = field(default_factory=dict)
    tallies: Mapping[Pair, Tally] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def write(
    files: Files,
    layout: Layout,
    out: Out,
    told: Callable[[int], None] = lambda _: None,
    *,
    hashed: bool = True,
    sources_hashed: bool = False,
    by: Name | None = None,
) -> Written:
    """Write the file to `out`. told: hears of every so many bytes of the new file that are made.

    hashed, sources_hashed: whether to take the sha256 of the new file, and of the sources, on the way. by: the engine, chosen
    by itself otherwise.

    errors: Refusal for a number that would become inf, and for a source that cannot be read or was cut; OSError of `out`.
    """
    start = out.tell()
    marks = Marks(layout.metadata, layout.rows)
    whole = hashlib.sha256(layout.header) if hashed and not marks else None
    names = tuple(dict.fromkeys(part.source for part in layout.parts))
    with opened(files, names, sources_hashed) as sources:
        stream = Stream(layout.parts, sources, _engine(layout, by), layout.clamp, told)
        _put(out, layout.header)
        told(len(layout.header))
        stream.write(out, (*marks.digests, *([whole] if whole else [])))
        hashes = {name: source.sha256() for name, source in sources.items()}
    if marks:
        out.seek(start)
        _put(out, marks.header())
        out.seek(start + layout.nbytes)
    sha256 = whole.hexdigest() if whole else _read_back(out, start) if hashed and out.readable() else ""
    return Written(layout.nbytes, sha256, hashes, stream.tallies, layout.notes)


def _engine(layout: Layout, by: Name | None) -> Name | None:
    """Who casts; None where all bytes are taken as they lie. errors: Refusal when numpy is missing."""
    if not any(part.cast or not part.place.contiguous for part in layout.parts):
        return None
    need_numpy()
    return by or chosen(sum(part.place.nbytes for part in layout.parts if part.cast and part.dtype is F16))


def _put(out: Out, data: bytes) -> None:
    done = 0
    while done < len(data):
        count = out.write(data[done:])
        done += len(data) - done if count is None else count


def _read_back(out: Any, start: int) -> str:
    """The sha256 of what was written, read from the file: its header was not known before its end."""
    digest = hashlib.sha256()
    out.seek(start)
    while data := out.read(_AT_ONCE):
        digest.update(data)
    return digest.hexdigest()
