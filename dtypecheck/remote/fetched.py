"""Files that lie elsewhere: every byte is fetched once and kept, and of a weight file never more than a header takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ..files import Entry, Source
from ..read.formats import READERS, suffix_of
from .faults import Unreachable

MOST: Final = 64 << 20
"""Bytes that are fetched of one file at most. The headers of the largest models take a few million."""
FIRST: Final = 1 << 14
"""Bytes asked for first: the headers of small files fit in, those of large ones are not overshot."""

Fetch = Callable[[str, int, int], bytes]
"""The bytes of a name from one position to another, all of them. errors: OSError."""


@dataclass(slots=True)
class Fetched:
    """A place of which nothing is on this disk. listing: its files, sorted; fetch: how bytes of one are got.

    A file that could not be read once is not asked for again: its fault is raised again.
    """

    label: str
    listing: tuple[Entry, ...]
    fetch: Fetch
    source: Source | None = None
    most: int = MOST
    first_read: int = FIRST
    held: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    faults: dict[str, OSError] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sizes = {entry.name: entry.size for entry in self.listing}

    def entries(self) -> Iterator[Entry]:
        """Every file, as it was listed."""
        return iter(self.listing)

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file, out of what was fetched before where they are in it. errors: OSError; Unreachable for too many."""
        size = self._sizes[name]
        stop = size if length is None else min(size, start + length)
        if stop <= start:
            return b""
        pieces = self.held.setdefault(name, [])
        for begin, data in pieces:
            if begin <= start and stop <= begin + len(data):
                return data[start - begin : stop - begin]
        if name in self.faults:
            raise self.faults[name]
        wanted = stop - start + sum(len(data) for _, data in pieces)
        if wanted > self.most:
            why = "no weight file is downloaded for a look" if suffix_of(name) in READERS else "no setting is so large"
            text = f"{self.label}: {name}: {wanted:,} bytes would have to be fetched, {self.most:,} are the most: {why}"
            self.faults[name] = Unreachable(f"{text}; download it and name its path", "too much")
            raise self.faults[name]
        try:
            data = self.fetch(name, start, stop)
        except OSError as fault:
            self.faults[name] = fault
            raise
        pieces.append((start, data))
        return data
