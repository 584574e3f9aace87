"""Batches under way at an engine: as many as keep it busy, as few as keep memory flat, and answered in their order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from ..rows import Batch, Fault, Row

AHEAD: Final = 4
"""Batches a process that are under way or waiting: enough that none is idle, few enough that memory stays flat."""
_AGAIN: Final = 5.0
"""Seconds after which a cluster is asked for its size again: it may grow and shrink."""

Given = TypeVar("Given")


def in_order(
    batches: Iterable[Batch],
    begin: Callable[[Batch], Given],
    end: Callable[[Given], list[Row] | Fault],
    room: Callable[[], int],
) -> Iterator[list[Row] | Fault]:
    """begin: hands a batch in. end: waits for what became of it. room: how many may be under way."""
    under_way: deque[Given] = deque()
    for batch in batches:
        under_way.append(begin(batch))
        while len(under_way) >= room():
            yield end(under_way.popleft())
    while under_way:
        yield end(under_way.popleft())


def room_of(processes: Callable[[], int], most: int | None) -> Callable[[], int]:
    """Room for batches at a cluster. processes: how many it has now. most: what may be under way, None for what keeps it busy."""
    asked, room = 0.0, 1

    def now() -> int:
        nonlocal asked, room
        if not asked or time.monotonic() - asked > _AGAIN:
            room = max(1, AHEAD * processes())
            room = room if most is None else min(room, most)
            asked = time.monotonic()
        return room

    return now
