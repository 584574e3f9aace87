"""How a file is cut for reading: each tensor into pieces that fit a buffer, and many pieces into one task for a thread.

Numbers that lie in another order than the tensor's own are read as they lie; gaps between them are left out; an element that
stands for many (an expanded tensor) is read once and counted so many times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..located import Place

TASK: Final = 1 << 24
"""Bytes that one thread or process looks at at a stretch."""
CHUNK: Final = 1 << 19
"""Bytes of a block of a piece, which should stay in a core's own cache between the passes over it."""
GAPS: Final = 1 << 18
"""Bytes of a piece with gaps in it, at most."""


class Piece(NamedTuple):
    """Bytes of tensor number `tensor`. shape, stride: of the elements to take, empty for all of them."""

    tensor: int
    start: int
    nbytes: int
    shape: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """The pieces of one tensor, and for how many elements each of its numbers stands."""

    pieces: tuple[Piece, ...]
    times: int


def overlaps(place: Place) -> bool:
    """True for a tensor that names some numbers of the file several times, in another way than by expanding them."""
    distinct = place.dtype.bits // 8
    for length, step in zip(place.shape, place.stride, strict=True):
        distinct *= length if step else 1
    return not place.contiguous and distinct > place.reach


def cut(index: int, place: Place) -> Cut:
    """A tensor as pieces of at most TASK bytes."""
    if not place.nbytes:
        return Cut((), 1)
    size = place.dtype.bits // 8
    if place.contiguous:
        return Cut(tuple(_slices(index, place.start, place.nbytes)), 1)
    axes = [(length, step) for length, step in zip(place.shape, place.stride, strict=True) if length > 1]
    times = 1
    for length, step in axes:
        times *= length if step == 0 else 1
    axes = sorted(((length, step) for length, step in axes if step), key=lambda axis: -axis[1])
    return Cut(tuple(_strided(index, place.start, axes, size)), times)


def _slices(index: int, start: int, nbytes: int) -> Iterator[Piece]:
    """Pieces that end, as far as whole numbers allow, at multiples of TASK in the file: large pages are mapped whole."""
    end = start + nbytes
    while start < end:
        stop = min(end, start + ((TASK - start % TASK) & -8 or TASK))
        yield Piece(index, start, stop - start)
        start = stop


def _strided(index: int, start: int, axes: list[tuple[int, int]], size: int) -> Iterator[Piece]:
    """axes: length and stride, the widest stride first, no stride twice in one place of the file unless they overlap."""
    elements = 1
    for length, _ in axes:
        elements *= length
    reach = (1 + sum((length - 1) * step for length, step in axes)) * size
    if elements * size == reach and _dense(axes):
        yield from _slices(index, start, reach)
    elif reach <= GAPS:
        yield Piece(index, start, reach, tuple(length for length, _ in axes), tuple(step * size for _, step in axes))
    else:
        (length, step), rest = axes[0], axes[1:]
        for half, first in ((length // 2, 0), (length - length // 2, length // 2)):
            inner = [(half, step), *rest] if half > 1 else rest
            yield from _strided(index, start + first * step * size, inner, size)


def _dense(axes: list[tuple[int, int]]) -> bool:
    """True when the elements lie one behind the other, each once."""
    step = 1
    for length, wide in reversed(axes):
        if wide != step:
            return False
        step *= length
    return True


def tasks(cuts: Iterable[Cut]) -> Iterator[tuple[Piece, ...]]:
    """The pieces in the order of the file, at most TASK bytes of them together, that begin between the same multiples of it."""
    held: list[Piece] = []
    amount = 0
    for piece in sorted((piece for found in cuts for piece in found.pieces), key=lambda piece: piece.start):
        if held and (amount + piece.nbytes > TASK or piece.start // TASK > held[0].start // TASK):
            yield tuple(held)
            held, amount = [], 0
        held.append(piece)
        amount += piece.nbytes
    if held:
        yield tuple(held)
