"""The numbers of a layout from their sources to the new file: a thread for each core reads a batch, casts, hashes and writes it.

Nothing is handed from one thread to another, so that what one read is still in its core's cache when it is cast and written;
only what must happen in the order of the file waits for its turn.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

from .batches import Batch, Piece, batches
from .engines import Name
from .layout import Part
from .reading import Source
from .tally import Overflow, Pair, Tally
from .turns import Turns, hands, together

if TYPE_CHECKING:
    from .caster import Caster, Counted

BUFFER: Final = 1 << 21
"""Bytes of a batch at most, before it is cast and after: about what a core's cache holds until they are written."""


class Output(Protocol):
    """What is written to: a binary file."""

    def write(self, data: memoryview, /) -> int | None:
        """Write bytes, and tell how many."""


class Digest(Protocol):
    """A hash in the making, of hashlib."""

    def update(self, data: memoryview, /) -> None:
        """Take bytes in."""


class Hand:
    """One thread's buffers: what is read to be cast, and what will be written. by: the engine, None where nothing is cast."""

    def __init__(self, by: Name | None, clamps: bool) -> None:
        # of their own pages: what begins in the middle of a cache line is read and written more slowly
        self.held, self.made = memoryview(mmap.mmap(-1, BUFFER)), memoryview(mmap.mmap(-1, BUFFER))
        self.caster: Caster | None = None
        if by:
            from .caster import Caster

            self.caster = Caster(by, clamps, self.held, self.made)

    def read(self, pieces: Sequence[Piece]) -> None:
        """Fill the buffers; bytes that stay as they are go where they are written from. errors: Refusal."""
        for piece in pieces:
            room = self.held[piece.at : piece.at + piece.size] if piece.part.cast else self.made[piece.to : piece.to + piece.size]
            if piece.gathered is not None:
                room[:] = piece.gathered.data
                continue
            piece.source.into(piece.start, room)
            piece.source.hash(piece.start, room)


class Stream:
    """Tensors on their way; `tallies` and `overflows` tell what was met. by: the engine, None where nothing is cast."""

    def __init__(
        self,
        parts: Sequence[Part],
        sources: Mapping[str, Source],
        by: Name | None,
        clamps: bool = True,
        told: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._by, self._clamps, self._told = by, clamps, told
        self._ordered = any(source.hashed for source in sources.values())
        self._hands = hands(max(sum(part.nbytes for part in parts), sum(part.place.nbytes for part in parts)) // BUFFER)
        self._batches, self._taking = batches(parts, sources, BUFFER), Lock()
        # one casts while others read and write: two would wake each other for the interpreter's lock after every short step
        self._casting = Lock()
        self._reading, self._hashing, self._writing = Turns(), Turns(), Turns()
        self.tallies: dict[Pair, Tally] = {}
        self.overflows: list[Overflow] = []

    def write(self, out: Output, digests: Sequence[Digest] = ()) -> None:
        """Write all tensors, and take them into the hashes.

        errors: Refusal when a source cannot be read, or a tensor holds what cannot be cast; OSError of the file.
        """
        self._do(lambda batch, hand: self._write(batch, hand, out, digests))

    def look(self) -> None:
        """Count what is lost, without casting. errors: Refusal when a source cannot be read."""
        self._do(self._look)

    def _do(self, act: Callable[[Batch, Hand], None]) -> None:
        together([partial(self._each, act)] * self._hands, self._stop)

    def _stop(self) -> None:
        for turns in (self._reading, self._hashing, self._writing):
            turns.stop()

    def _each(self, act: Callable[[Batch, Hand], None]) -> None:
        """What each thread does."""
        hand = Hand(self._by, self._clamps)
        while batch := self._taken():
            act(batch, hand)

    def _taken(self) -> Batch | None:
        with self._taking:
            return next(self._batches, None)

    def _write(self, batch: Batch, hand: Hand, out: Output, digests: Sequence[Digest]) -> None:
        if self._ordered:
            with self._reading.of(batch.number):
                hand.read(batch.pieces)
        else:
            hand.read(batch.pieces)
        counted = self._counted(hand.caster.cast, batch) if hand.caster else None
        data = hand.made[: batch.nbytes]
        if digests:
            with self._hashing.of(batch.number):
                for digest in digests:
                    digest.update(data)
        with self._writing.of(batch.number):
            if counted:
                self._book(counted, batch)
            while data:
                done = out.write(data)
                data = data[len(data) if done is None else done :]
            for piece in batch.pieces:
                self._told(piece.nbytes)

    def _look(self, batch: Batch, hand: Hand) -> None:
        hand.read(batch.pieces)
        counted = self._counted(hand.caster.look, batch) if hand.caster else None
        with self._writing.of(batch.number):
            if counted:
                self._book(counted, batch)
            for piece in batch.pieces:
                self._told(piece.nbytes)

    def _counted(self, act: Callable[[Sequence[Piece]], Counted], batch: Batch) -> Counted:
        with self._casting:
            return act(batch.pieces)

    def _book(self, counted: Counted, batch: Batch) -> None:
        """errors: Refusal once all of a tensor was counted that cannot be cast."""
        for pair, tally in counted.tallies:
            self.tallies[pair] = self.tallies.get(pair, Tally()) + tally
        for overflow in counted.overflows:
            before = self.overflows[-1] if self.overflows else None
            if before and (before.source, before.key) == (overflow.source, overflow.key):
                both = replace(before, count=before.count + overflow.count, top=max(before.top, overflow.top))
                self.overflows[-1] = both
            else:
                self.overflows.append(overflow)
        if self.overflows and not self._clamps:
            first, end = self.overflows[0], batch.pieces[-1]
            if end.last or (end.part.source, end.part.place.key) != (first.source, first.key):
                raise first.refusal()
