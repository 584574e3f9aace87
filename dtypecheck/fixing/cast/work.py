"""The threads that cast: each reads a piece of a tensor, casts it to where it goes, and counts what is lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Final

import numpy as np

from ...read.shown import shown
from ..refusal import Refusal
from .counting import Counter, clamp
from .engines import Engine
from .exact import exact
from .layout import Part
from .reading import Source
from .tally import Array, Tally

PIECE: Final = 1 << 17
"""Numbers that are cast at once: few enough for what is read, cast and counted to stay in a core's cache."""
_MOST: Final = 4
"""Threads at most: memory is not faster for more."""


@dataclass(frozen=True, slots=True)
class Piece:
    """`size` bytes of a source from `start` on, which are numbers of one tensor; held: they themselves, once they were read."""

    part: Part
    source: Source
    start: int
    size: int
    held: Array = None

    def cut(self, begin: int, end: int) -> Piece:
        """A part of it, counted in its bytes."""
        held = None if self.held is None else self.held[begin:end]
        return replace(self, start=self.start + begin, size=end - begin, held=held)


class Worker:
    """One thread's buffers."""

    def __init__(self, engine: Engine, clamps: bool) -> None:
        self._engine, self._clamps = engine, clamps
        self._counter = Counter(PIECE)
        self._buffer = memoryview(bytearray(8 * PIECE))

    def cast(self, piece: Piece, room: memoryview) -> Tally:
        """Cast a piece into `room`. errors: Refusal when it cannot be read, or is not whole and has to be."""
        held, made = self._held(piece), np.frombuffer(room, np.uint8)
        source, target = piece.part.place.dtype, piece.part.dtype
        if piece.part.exact:
            return _exactly(piece, held, made)
        special = self._engine.asks and self._counter.special(held, source, target)
        self._engine.cast(held, made, source, target, special)
        tally = self._counter.after(held, made, source, target)
        if tally.over and self._clamps:
            clamp(held, made, source, target)
        return tally

    def look(self, piece: Piece) -> Tally:
        """What casting a piece would lose. errors: as for `cast`."""
        held, part = self._held(piece), piece.part
        if part.exact:
            return _exactly(piece, held, np.empty(piece.size * part.dtype.bits // part.place.dtype.bits, np.uint8))
        return self._counter.before(held, part.place.dtype, part.dtype)

    def _held(self, piece: Piece) -> Array:
        if piece.held is not None:
            return piece.held
        buffer = self._buffer[: piece.size]
        piece.source.into(piece.start, buffer)
        return np.frombuffer(buffer, np.uint8)


def _exactly(piece: Piece, held: Array, made: Array) -> Tally:
    part = piece.part
    if wrong := exact(held, made, part.place.dtype, part.dtype):
        raise Refusal(f"{part.source}: {shown(part.place.key)} holds {wrong}, which {part.dtype.short} cannot hold")
    return Tally(piece.size * 8 // part.place.dtype.bits)


class Crew:
    """Workers, one for each core that is there."""

    def __init__(self, hire: Callable[[], Worker]) -> None:
        workers: Sequence[Worker] = [hire() for _ in range(min(_MOST, _cores()))]
        self._threads = ThreadPoolExecutor(len(workers))
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in workers:
            self._idle.put(worker)

    def do(self, job: Callable[[Worker], Tally]) -> Future[Tally]:
        """Have a worker do this."""
        return self._threads.submit(self._with_one, job)

    def _with_one(self, job: Callable[[Worker], Tally]) -> Tally:
        worker = self._idle.get()
        try:
            return job(worker)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Wait for what was begun, and begin no more."""
        self._threads.shutdown(cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
