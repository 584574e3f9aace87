"""Every tensor of a file once, block by block: by child processes if it is large, which may look at it where it lies; else read.

A file that loses its end kills who looks at it where it lies. Only a child does; where one dies, all is done again by reading.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from ...dtypes import DType
from ..located import Place
from .blocks import Found, Room, Task, work
from .children import MOST, by_children, can_fork
from .machine import MACHINE
from .pieces import cut, tasks
from .source import Source
from .tally import Tally

LARGE: Final = 1 << 26
"""Bytes from which on it takes less time to start child processes than to do without."""
AT_ONCE: Final = 4
"""Processes or threads at most; more of them wait for the memory."""


class _Shared(Iterator[int]):
    """The numbers below `amount`, each for one of the threads that ask."""

    def __init__(self, amount: int) -> None:
        self.amount = amount
        self.lock = threading.Lock()
        self.given = 0

    def __next__(self) -> int:
        with self.lock:
            if self.given >= self.amount:
                raise StopIteration
            self.given += 1
            return self.given - 1

    def stop(self) -> None:
        """Give out no more."""
        with self.lock:
            self.given = self.amount


def count(places: Sequence[Place], opened: Callable[[], Source], full: bool) -> tuple[Tally, ...]:
    """A tally for each of the places. opened: the file, for one thread or process.

    errors: Shrunk, OSError.
    """
    cuts = [cut(index, place) for index, place in enumerate(places)]
    dtypes = [place.dtype for place in places]
    given = tuple(tasks(cuts))
    totals = [Tally() for _ in places]
    if given:
        nbytes = sum(piece.nbytes for task in given for piece in task)
        room = partial(Room, full=full, loops=MACHINE.loops(dtypes, full, nbytes))
        in_children = _in_children(given, dtypes, opened, room) if nbytes >= LARGE else None
        for found in in_children or _in_threads(given, dtypes, opened, room):
            for index, tally in found.items():
                totals[index].add(tally, cuts[index].times)
    return tuple(totals)


def _cores(most: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(AT_ONCE, cores, most)


def _in_children(
    given: Sequence[Task], dtypes: Sequence[DType], opened: Callable[[], Source], room: Callable[..., Room]
) -> list[Found] | None:
    """What child processes find; None where there can be none, or they failed."""
    if not can_fork():
        return None
    source = opened()
    source.close()
    each = -(-len(given) // MOST)

    def told(numbers: Iterator[int]) -> bytes:
        parts = (task for number in numbers for task in given[number * each : (number + 1) * each])
        found = work(parts, dtypes, room(opened(), mapped=True))
        return json.dumps([(index, tally.packed()) for index, tally in found.items()]).encode()

    answers = by_children(told, -(-len(given) // each), _cores(len(given))) if source.on_disk else None
    if answers is None:
        return None
    return [{index: Tally.unpacked(row) for index, row in json.loads(answer)} for answer in answers]


def _in_threads(
    given: Sequence[Task], dtypes: Sequence[DType], opened: Callable[[], Source], room: Callable[..., Room]
) -> Iterator[Found]:
    """What this thread and some others find. After the first error no further task is begun."""
    rest = _Shared(len(given))

    def share() -> Found:
        source: Source | None = None
        try:
            source = opened()
            return work((given[number] for number in rest), dtypes, room(source))
        finally:
            rest.stop()
            if source:
                source.close()

    others = _cores(len(given)) - 1
    if not others:
        yield share()
        return
    with ThreadPoolExecutor(others) as pool:
        running = [pool.submit(share) for _ in range(others)]
        yield share()
        yield from (each.result() for each in running)
