"""The numbers of a layout from their sources to the new file: cut into pieces, which threads cast while others write and hash."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from .engines import Name, engine
from .gather import slabs
from .layout import Part
from .reading import Source
from .sink import Lanes, Ring, Sink
from .tally import Overflow, Pair, Tally
from .work import PIECE, Crew, Piece, Worker

_BEGUN: Final = 64
"""Tensors of which something may be unfinished while the next are begun."""
_SMALL: Final = 1 << 16
"""Bytes that are cast at once rather than handed to a thread."""
_Job = Future[Tally] | Tally
"""A tally, or one to come."""


class Stream:
    """Casts tensors one after the other; `tallies` and `overflows` tell what was met, once `finish` was called."""

    def __init__(
        self, by: Name, clamps: bool, sources: dict[str, Source], lanes: Lanes, told: Callable[[int], None] = lambda _: None
    ) -> None:
        self._clamps, self._sources, self._lanes, self._told = clamps, sources, lanes, told
        self._worker = Worker(engine(by, PIECE), clamps)
        self._crew = Crew(lambda: Worker(engine(by, PIECE), clamps))
        self._ring = Ring(8 * PIECE, 4 if any(source.hashed for source in sources.values()) else 0)
        self._begun: deque[tuple[Part, list[_Job]]] = deque()
        self.tallies: dict[Pair, Tally] = {}
        self.overflows: list[Overflow] = []

    def write(self, part: Part, sink: Sink) -> None:
        """Write one tensor. errors: Refusal when this one or one before holds what cannot be cast."""
        if not part.cast:
            for piece in self._pieces(part):
                sink.put(piece.held.data)
                self._told(piece.size)
            return
        begun: list[_Job] = []
        for piece in self._pieces(part):
            if piece.held is None and piece.source.hashed:
                begun += self._hashed(piece, sink)
            else:
                begun += self._cast(piece, sink)
        self._begun.append((part, begun))
        self._settle(_BEGUN)
        self._refuse()

    def look(self, part: Part) -> None:
        """Count what is lost of one tensor, without casting it."""
        begun: list[_Job] = []
        for piece in self._pieces(part):
            begun.append(self._do(piece, partial(_look, piece)))
            if len(begun) >= _BEGUN:
                _result(begun[-_BEGUN])
            self._told(piece.size * part.dtype.bits // part.place.dtype.bits)
        self._begun.append((part, begun))
        self._settle(_BEGUN)

    def finish(self) -> None:
        """Wait for all that was begun to write. errors: Refusal as for `write`."""
        self.counted()
        self._refuse()

    def counted(self) -> None:
        """Wait for all that was begun to count."""
        self._settle(0)

    def close(self) -> None:
        """Send the threads home."""
        self._crew.close()

    def _do(self, piece: Piece, job: Callable[[Worker], Tally]) -> _Job:
        """Have it done by a thread, or here where the piece is too small to wake one for it."""
        return self._crew.do(job) if piece.size > _SMALL else job(self._worker)

    def _cast(self, piece: Piece, sink: Sink) -> Iterator[_Job]:
        """Have a piece cast into the sink's buffers; one that does not fit into what is left of a buffer is cut."""
        held, made = piece.part.place.dtype.bits, piece.part.dtype.bits
        done = 0
        while done < piece.size:
            room = sink.room((piece.size - done) * made // held)
            stop = done + len(room) * held // made
            part = piece.cut(done, stop)
            job = self._do(part, partial(_cast, part, room))
            sink.fill(len(room), job if isinstance(job, Future) else None)
            self._told(len(room))
            done = stop
            yield job

    def _hashed(self, piece: Piece, sink: Sink) -> list[_Job]:
        """The same for a piece whose source is hashed: pieces are then read here, in order, and hashed while they are cast."""
        held = self._ring.buffer[: piece.size]
        piece.source.into(piece.start, held)
        hashing = self._lanes.do(0, partial(piece.source.hash, piece.start, held))
        jobs = list(self._cast(replace(piece, held=np.frombuffer(held, np.uint8)), sink))
        self._ring.turn([hashing, *(job for job in jobs if isinstance(job, Future))])
        return jobs

    def _refuse(self) -> None:
        if self.overflows and not self._clamps:
            raise self.overflows[0].refusal()

    def _settle(self, most: int) -> None:
        """Book the tensors that are done, and wait until at most so many are not."""
        while self._begun and (len(self._begun) > most or all(map(_is_done, self._begun[0][1]))):
            part, jobs = self._begun.popleft()
            tally = sum(map(_result, jobs), Tally())
            held = part.place.dtype
            pair = (held, part.dtype)
            self.tallies[pair] = self.tallies.get(pair, Tally()) + tally
            if tally.over:
                self.overflows.append(Overflow(part.source, part.place.key, held, part.dtype, tally.over, tally.top))

    def _pieces(self, part: Part) -> Iterator[Piece]:
        """A tensor in parts of at most PIECE numbers, in order; read already where they had to be put together."""
        place, source = part.place, self._sources[part.source]
        size = PIECE * (place.dtype.bits // 8)
        if place.contiguous:
            for at in range(0, place.nbytes, size):
                yield Piece(part, source, place.start + at, min(size, place.nbytes - at))
            return
        for slab in slabs(source, place):
            for at in range(0, len(slab), size):
                held = slab[at : at + size]
                yield Piece(part, source, place.start, len(held), held)


def _is_done(job: _Job) -> bool:
    return isinstance(job, Tally) or job.done()


def _result(job: _Job) -> Tally:
    return job if isinstance(job, Tally) else job.result()


def _cast(piece: Piece, room: memoryview, worker: Worker) -> Tally:
    return worker.cast(piece, room)


def _look(piece: Piece, worker: Worker) -> Tally:
    return worker.look(piece)
