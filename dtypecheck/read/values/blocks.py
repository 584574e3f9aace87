"""The pieces of a file block by block: each block is looked at while it is in a core's own cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from ...dtypes import DType
from .casts import Scratch
from .look import look, parts
from .machine import Summed
from .patterns import Bits
from .pieces import CHUNK, Piece
from .source import Source
from .tally import Tally

LONG: Final = 1 << 21
"""Bytes of a block for a loop, which goes over it once: the fewer blocks, the less there is to do between them."""
WINDOW: Final = 1 << 20
"""Bytes of a task from which on a process that may die looks at it where it lies."""
Task = tuple[Piece, ...]
Found = dict[int, Tally]
"""By the number of the tensor."""


class Room:
    """The open file and the buffers of one thread. full: for the closer look, None for a quick one; mapped: it may die.

    loops: by dtype, in place of the passes that look at a block.
    """

    def __init__(self, source: Source, full: bool, loops: Mapping[DType, Summed], mapped: bool = False) -> None:
        self.source = source
        self.loops = loops
        self.mapped = mapped
        self.full = Scratch(CHUNK) if full else None
        held = bytearray(CHUNK)
        self.view = memoryview(held)
        self.bytes = np.frombuffer(held, np.uint8)

    def read(self, start: int, nbytes: int) -> Bits:
        """So many bytes of the file, as many as there is room for at most, until the next call."""
        self.source.into(start, self.view[:nbytes])
        return self.bytes[:nbytes]

    def look(self, blocks: Iterable[Bits], dtype: DType, tally: Tally) -> None:
        """Count a piece of a tensor, given as blocks."""
        look(blocks, dtype, self.full, tally, self.loops.get(dtype))

    def blocks(self, start: int, nbytes: int) -> Iterator[Bits]:
        """Bytes of the file as blocks, each until the next one."""
        for offset in range(0, nbytes, len(self.view)):
            yield self.read(start + offset, min(len(self.view), nbytes - offset))


def work(given: Iterable[Task], dtypes: Sequence[DType], room: Room) -> Found:
    """What one thread or process finds."""
    found: Found = {}
    for task in given:
        first, end = task[0].start, max(piece.start + piece.nbytes for piece in task)
        window = room.source.window(first, end - first) if room.mapped and _dense(task, end - first) else None
        if window is None:
            _read(task, dtypes, room, found)
        else:
            _mapped(task, dtypes, window, room, found)
            del window
    return found


def _dense(task: Task, reach: int) -> bool:
    """True where a window is worth its while: it is large, and most of it is looked at."""
    return WINDOW <= reach <= 2 * sum(piece.nbytes for piece in task)


def _mapped(task: Task, dtypes: Sequence[DType], window: Bits, room: Room, found: Found) -> None:
    """The pieces of one task, where they lie. window: begins with the first of them, at an address aligned as in the file."""
    for piece in task:
        dtype, at = dtypes[piece.tensor], piece.start - task[0].start
        raw, tally = window[at : at + piece.nbytes], found.setdefault(piece.tensor, Tally())
        if piece.shape:
            room.look((_taken(raw, piece, dtype),), dtype, tally)
        elif piece.start % (dtype.bits // 8):
            room.look(room.blocks(piece.start, piece.nbytes), dtype, tally)
        else:
            room.look(parts(raw, LONG if dtype in room.loops else len(room.view)), dtype, tally)


def _read(task: Task, dtypes: Sequence[DType], room: Room, found: Found) -> None:
    """The pieces of one task, by way of the buffer; neighbours that are small are read together."""
    for group in _groups(task, len(room.view)):
        first = group[0]
        dtype = dtypes[first.tensor]
        if len(group) == 1 and not first.shape:  # it may be larger than the buffer, and is aligned as that is
            room.look(room.blocks(first.start, first.nbytes), dtype, found.setdefault(first.tensor, Tally()))
            continue
        raw = room.read(first.start, max(piece.start + piece.nbytes for piece in group) - first.start)
        for piece in group:
            dtype, at = dtypes[piece.tensor], piece.start - first.start
            taken = _taken(raw[at : at + piece.nbytes], piece, dtype)
            room.look((taken,), dtype, found.setdefault(piece.tensor, Tally()))


def _groups(task: Task, most: int) -> Iterator[Task]:
    """The pieces of a task in groups of at most so many bytes of the file, where they are no larger themselves."""
    position = 0
    while position < len(task):
        first, stop = task[position], position + 1
        if first.nbytes <= most:
            while stop < len(task) and task[stop].start + task[stop].nbytes - first.start <= most:
                stop += 1
        yield task[position:stop]
        position = stop


def _taken(raw: Bits, piece: Piece, dtype: DType) -> Bits:
    """The bytes of the elements of a piece, without what lies between them."""
    if not piece.shape:
        return raw
    size = dtype.bits // 8
    elements = np.lib.stride_tricks.as_strided(raw[:size].view(f"V{size}"), (*piece.shape, 1), (*piece.stride, size))
    return np.ascontiguousarray(elements).reshape(-1).view(np.uint8)
