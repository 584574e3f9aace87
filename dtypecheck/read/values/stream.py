"""Every tensor of a file once, in small pieces, by a few threads: numpy lets go of the interpreter while it counts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, Final

import numpy as np

from ...dtypes import DType
from ..located import Place
from .casts import Scratch
from .look import look
from .pieces import Piece, cut, tasks
from .source import Source
from .tally import Tally

CHUNK: Final = 1 << 19
"""Bytes of a buffer, which should stay in a core's own cache between the passes; twice that for a full look, which has many."""
THREADS: Final = 4
"""At most; more of them wait for the memory."""
_Tallies = list[tuple[int, Tally]]


class Room(threading.local):
    """The buffers and the open file of one thread. full: for the closer look, None for a quick one."""

    def __init__(self, opened: Callable[[], Source], full: bool) -> None:
        self.source = opened()
        size = CHUNK << full
        self.full = Scratch(size) if full else None
        held = bytearray(size)
        self.view = memoryview(held)
        self.bytes = np.frombuffer(held, np.uint8)


def count(
    places: Sequence[Place], opened: Callable[[], Source], full: bool, told: Callable[[int], None] | None = None
) -> tuple[Tally, ...]:
    """A tally for each of the places. opened: the file, for one thread; told: called with the bytes that were just read.

    errors: Shrunk, OSError.
    """
    cuts = [cut(index, place) for index, place in enumerate(places)]
    totals = [Tally() for _ in places]
    sources: list[Source] = []

    def keep() -> Source:
        source = opened()
        sources.append(source)
        return source

    room = Room(keep, full)

    def work(task: tuple[Piece, ...]) -> tuple[_Tallies, int]:
        return _work(task, places, room), sum(piece.nbytes for piece in task)

    try:
        for found, amount in _spread(work, tasks(cuts)):
            for index, tally in found:
                totals[index].add(tally, cuts[index].times)
            if told:
                told(amount)
    finally:
        for source in sources:
            source.close()
    return tuple(totals)


def _spread(
    work: Callable[[tuple[Piece, ...]], tuple[_Tallies, int]], given: Iterable[tuple[Piece, ...]]
) -> Iterator[tuple[_Tallies, int]]:
    """The results, in any order. After the first error no further task is begun."""
    threads = min(THREADS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    rest = iter(given)
    first = list(islice(rest, 2))
    if len(first) < 2 or threads < 2:
        yield from map(work, (*first, *rest))
        return
    with ThreadPoolExecutor(threads) as pool:
        running: set[Future[tuple[_Tallies, int]]] = {pool.submit(work, task) for task in (*first, *islice(rest, 2 * threads))}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                running.update(pool.submit(work, task) for task in islice(rest, 1))


def _work(task: tuple[Piece, ...], places: Sequence[Place], room: Room) -> _Tallies:
    """The pieces of one task; neighbours that are small are read together."""
    found: dict[int, Tally] = {}
    position = 0
    while position < len(task):
        first = task[position]
        stop = position + 1
        while (
            first.nbytes <= len(room.view)
            and stop < len(task)
            and task[stop].start + task[stop].nbytes - first.start <= len(room.view)
        ):
            stop += 1
        group = task[position:stop]
        if len(group) > 1 or first.shape:
            end = max(piece.start + piece.nbytes for piece in group)
            room.source.into(first.start, room.view[: end - first.start])
            for piece in group:
                at = piece.start - first.start
                dtype = places[piece.tensor].dtype
                raw = _taken(room.bytes[at : at + piece.nbytes], piece, dtype)
                look(raw, dtype, room.full, found.setdefault(piece.tensor, Tally()))
        else:
            _alone(first, places[first.tensor].dtype, room, found.setdefault(first.tensor, Tally()))
        position = stop
    return list(found.items())


def _alone(piece: Piece, dtype: DType, room: Room, tally: Tally) -> None:
    """A piece that may be larger than the buffer; it begins where the buffer does, so that its numbers are aligned."""
    for offset in range(0, piece.nbytes, len(room.view)):
        size = min(len(room.view), piece.nbytes - offset)
        whole = size == len(room.view)
        room.source.into(piece.start + offset, room.view if whole else room.view[:size])
        look(room.bytes if whole else room.bytes[:size], dtype, room.full, tally)


def _taken(raw: Any, piece: Piece, dtype: DType) -> Any:
    """The bytes of the elements of a piece, without what lies between them."""
    if not piece.shape:
        return raw
    size = dtype.bits // 8
    elements = np.lib.stride_tricks.as_strided(raw[:size].view(f"V{size}"), (*piece.shape, 1), (*piece.stride, size))
    return np.ascontiguousarray(elements).reshape(-1).view(np.uint8)
