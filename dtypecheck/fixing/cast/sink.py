"""Where the new file goes: buffers that are filled here while two threads write and hash those that are full."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Final, Protocol

BUFFER: Final = 1 << 21
"""Bytes of a buffer. A multiple of 8: numbers lie widest first, so none is ever cut in two."""
_BUFFERS: Final = 3


class Output(Protocol):
    """What is written to: a binary file."""

    def write(self, data: memoryview, /) -> int | None:
        """Write bytes, and tell how many."""


class Digest(Protocol):
    """A hash in the making, of hashlib."""

    def update(self, data: memoryview, /) -> None:
        """Take bytes in."""


class Lanes:
    """Threads that each do one thing after another; hashing, writing and casting leave the interpreter's lock alone."""

    def __init__(self, count: int) -> None:
        self._lanes = [ThreadPoolExecutor(1) for _ in range(count)]

    def do(self, lane: int, job: Callable[[], object]) -> Future[Any]:
        """Start a job behind those of its lane."""
        return self._lanes[lane].submit(job)

    def close(self) -> None:
        """Wait for all of them."""
        for lane in self._lanes:
            lane.shutdown()


class Ring:
    """Buffers that are used one after the other, each again when what was begun with it is done."""

    def __init__(self, size: int, count: int) -> None:
        self._buffers = [memoryview(bytearray(size)) for _ in range(count)]
        self._begun: list[list[Future[Any]]] = [[] for _ in range(count)]
        self._at = 0

    @property
    def buffer(self) -> memoryview:
        """The one whose turn it is."""
        return self._buffers[self._at]

    def turn(self, begun: Iterable[Future[Any]]) -> None:
        """Go on to the next; `begun` is what still needs the one before. errors: what went wrong in a job."""
        self._begun[self._at] = list(begun)
        self._at = (self._at + 1) % len(self._buffers)
        for job in self._begun[self._at]:
            job.result()

    def finish(self) -> None:
        """Wait for all that was begun. errors: what went wrong in a job."""
        for jobs in self._begun:
            for job in jobs:
                job.result()


class Sink:
    """Takes bytes in order, by giving room for them; writes them, and takes them into the hashes."""

    def __init__(self, out: Output, digests: Iterable[Digest] = ()) -> None:
        self._out, self._digests = out, list(digests)
        self._lanes = Lanes(2 if self._digests else 1)
        self._ring = Ring(BUFFER, _BUFFERS)
        self._filled = 0
        self._fillers: list[Future[Any]] = []

    def room(self, nbytes: int) -> memoryview:
        """Where the next bytes go: `nbytes` of them, or fewer where a buffer ends."""
        if self._filled == BUFFER:
            self._flush()
        return self._ring.buffer[self._filled : self._filled + nbytes]

    def fill(self, nbytes: int, filler: Future[Any] | None = None) -> None:
        """So many bytes of the last room were put in, or will be when `filler` is done."""
        self._filled += nbytes
        if filler:
            self._fillers.append(filler)

    def put(self, data: memoryview) -> None:
        """Take these bytes."""
        done = 0
        while done < len(data):
            room = self.room(len(data) - done)
            room[:] = data[done : done + len(room)]
            self.fill(len(room))
            done += len(room)

    def finish(self) -> None:
        """Write what is left, and wait until all is written. errors: OSError of the file."""
        self._flush()
        self._ring.finish()

    def _flush(self) -> None:
        full, fillers = self._ring.buffer[: self._filled], self._fillers
        begun = [self._lanes.do(0, lambda: self._write(full, fillers))]
        if self._digests:
            begun.append(self._lanes.do(1, lambda: self._hash(full, fillers)))
        self._filled, self._fillers = 0, []
        self._ring.turn(begun)

    def _write(self, data: memoryview, fillers: Iterable[Future[Any]]) -> None:
        wait(fillers)
        while data:
            done = self._out.write(data)
            data = data[len(data) if done is None else done :]

    def _hash(self, data: memoryview, fillers: Iterable[Future[Any]]) -> None:
        wait(fillers)
        for digest in self._digests:
            digest.update(data)

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._lanes.close()
