"""The tensors of a new file cut into batches: as much as is read, cast, hashed and written at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .layout import Part
from .reading import Source
from .tally import Array


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one tensor: `size` bytes of a source from `start` on, which become `nbytes` bytes.

    at: where in the batch's buffer they lie before they are cast, to: where in the other one afterwards; bytes that are not cast
    go there at once. gathered: they themselves, where they had to be put together. last: whether the tensor ends with them.
    """

    part: Part
    source: Source
    start: int
    size: int
    nbytes: int
    at: int
    to: int
    last: bool
    gathered: Array = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Pieces that follow each other in the new file, `nbytes` bytes of it; number: how many batches come before."""

    number: int
    pieces: tuple[Piece, ...]
    nbytes: int


def batches(parts: Iterable[Part], sources: Mapping[str, Source], most: int) -> Iterator[Batch]:
    """All batches in the order of the file, each of at most so many bytes before it is cast and after.

    errors: Refusal for a source that cannot be read where a tensor is put together.
    """
    number, pieces, at, to = 0, list[Piece](), 0, 0
    for part in parts:
        held, made = (part.place.dtype.bits // 8, part.dtype.bits // 8) if part.cast else (1, 1)
        for start, size, gathered in _stretches(part, sources[part.source]):
            done = 0
            while True:
                at = -(-at // held) * held
                numbers = min((size - done) // held, (most - at) // held, (most - to) // made)
                taken, begin = numbers * held, start + done
                if taken or not size:
                    last = begin + taken == part.place.start + part.place.nbytes
                    some = None if gathered is None else gathered[done : done + taken]
                    pieces.append(Piece(part, sources[part.source], begin, taken, numbers * made, at, to, last, some))
                    at, to, done = at + taken, to + numbers * made, done + taken
                if done == size:
                    break
                yield Batch(number, tuple(pieces), to)
                number, pieces, at, to = number + 1, [], 0, 0
    if pieces:
        yield Batch(number, tuple(pieces), to)


def _stretches(part: Part, source: Source) -> Iterator[tuple[int, int, Array]]:
    """A tensor's bytes in order: where they begin and how many, and they themselves where they do not lie so."""
    place = part.place
    if place.contiguous:
        yield place.start, place.nbytes, None
        return
    from .gather import slabs

    done = 0
    for slab in slabs(source, place):
        yield place.start + done, len(slab), slab
        done += len(slab)
