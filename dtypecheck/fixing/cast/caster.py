"""Casts the pieces of a batch and counts what is lost; neighbours of one format at once, however short each of them is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np

from ...dtypes import DType
from ...read.shown import shown
from ..refusal import Refusal
from .batches import Piece
from .counting import Counter, clamp
from .engines import Name, engine
from .exact import exact
from .tally import Array, Overflow, Pair, Tally

_Block = tuple[Array, Array, Callable[[], None]]
"""What is cast, where to, and what does it."""
_Key = tuple[int, int, int, int, DType, DType]
_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class Counted:
    """tallies: what became of a batch's numbers, by the formats they had and have; overflows: of each piece that holds such."""

    tallies: list[tuple[Pair, Tally]] = field(default_factory=list)
    overflows: list[Overflow] = field(default_factory=list)


class Caster:
    """One thread's arithmetic, in buffers that are made once."""

    def __init__(self, by: Name, clamps: bool, held: memoryview, made: memoryview) -> None:
        """held, made: the buffers of what is cast and of what comes of it."""
        self._held, self._made = np.frombuffer(held, np.uint8), np.frombuffer(made, np.uint8)
        self._engine, self._clamps = engine(by), clamps
        self._most = self._engine.most
        self._counter = Counter(self._most)
        self._known: dict[_Key, list[_Block]] = {}

    def cast(self, pieces: Iterable[Piece]) -> Counted:
        """Cast from one buffer to the other what is to be cast. errors: Refusal for a number that is not whole and has to be."""
        return self._all(pieces, self._cast)

    def look(self, pieces: Iterable[Piece]) -> Counted:
        """What casting them would lose. errors: as for `cast`."""
        return self._all(pieces, self._look)

    def _all(self, pieces: Iterable[Piece], act: Callable[[list[Piece]], Tally]) -> Counted:
        counted = Counted()
        for run in _runs(pieces):
            tally = self._exactly(run[0]) if run[0].part.exact else act(run)
            counted.tallies.append(((run[0].part.place.dtype, run[0].part.dtype), tally))
            if tally.over:
                counted.overflows.extend(self._overflows(run))
        return counted

    def _cast(self, run: list[Piece]) -> Tally:
        source, target = run[0].part.place.dtype, run[0].part.dtype
        total = Tally()
        for held, made, cast in self._blocks(run):
            cast()
            tally = self._counter.after(held, made, source, target)
            if tally.over and self._clamps:
                clamp(held, made, source, target)
            total += tally
        return total

    def _blocks(self, run: list[Piece]) -> list[_Block]:
        """A run in blocks of as many numbers as the arithmetic's own buffers hold.

        They are kept: nearly all batches are full and of one format, so that the same few come again and again.
        """
        first, end = run[0], run[-1]
        source, target = first.part.place.dtype, first.part.dtype
        key = (first.at, end.at + end.size, first.to, end.to + end.nbytes, source, target)
        if key not in self._known:
            if len(self._known) == _KEPT:
                self._known.clear()
            held, made = self._cut(self._held[key[0] : key[1]], source), self._cut(self._made[key[2] : key[3]], target)
            self._known[key] = [
                (before, after, self._engine.bound(before, after, source, target))
                for before, after in zip(held, made, strict=True)
            ]
        return self._known[key]

    def _cut(self, raw: Array, dtype: DType) -> Iterator[Array]:
        step = self._most * dtype.bits // 8
        return (raw[at : at + step] for at in range(0, len(raw), step))

    def _look(self, run: list[Piece]) -> Tally:
        source, target = run[0].part.place.dtype, run[0].part.dtype
        blocks = self._cut(self._held[run[0].at : run[-1].at + run[-1].size], source)
        return sum((self._counter.before(held, source, target) for held in blocks), Tally())

    def _exactly(self, piece: Piece) -> Tally:
        held, made = self._held[piece.at : piece.at + piece.size], self._made[piece.to : piece.to + piece.nbytes]
        part = piece.part
        if wrong := exact(held, made, part.place.dtype, part.dtype):
            raise Refusal(f"{part.source}: {shown(part.place.key)} holds {wrong}, which {part.dtype.short} cannot hold")
        return Tally(piece.size * 8 // part.place.dtype.bits)

    def _overflows(self, run: list[Piece]) -> Iterator[Overflow]:
        """Which pieces hold what is too large: counted once more, since hardly any ever does."""
        source, target = run[0].part.place.dtype, run[0].part.dtype
        for piece in run:
            own = self._look([piece])
            if own.over:
                yield Overflow(piece.part.source, piece.part.place.key, source, target, own.over, own.top)


def _runs(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """What is cast, neighbours of one format together; whole numbers by themselves, since they are refused by name."""
    for kind, run in groupby(pieces, _kind):
        if kind is not None and kind[2]:
            yield from ([piece] for piece in run)
        elif kind is not None:
            yield list(run)


def _kind(piece: Piece) -> tuple[DType, DType, bool] | None:
    part = piece.part
    return (part.place.dtype, part.dtype, part.exact) if part.cast else None
