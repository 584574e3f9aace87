"""Bytes of a weight file: read into a buffer, or where they lie; a file that ends early is told, not guessed at."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import numpy as np

from ...files import Directory, Files, OneFile
from .patterns import Bits

_POPULATE_READ: Final = 22
"""madvise on Linux 5.14: fill the page table at once, with an error for a page that cannot be had."""
_PROBE: Final = 1 << 20
"""Bytes from one probe to the next of whether a file is in memory."""


class Shrunk(Exception):
    """The file ends before byte `at`, which was there when its header was read."""

    def __init__(self, at: int) -> None:
        super().__init__(f"byte {at:,}")
        self.at = at


class Source(Protocol):
    """One file, read by one thread. on_disk: of this machine, so that a child process can open it as well."""

    on_disk: bool

    def into(self, start: int, room: memoryview) -> None:
        """Fill `room` from byte `start` on. errors: Shrunk, OSError."""

    def window(self, start: int, nbytes: int) -> Bits | None:
        """The bytes from `start` on where they lie, as uint8, without a copy; None where they are better read.

        For a process that may die: a file that is cut short while it is looked at this way ends it (SIGBUS).
        """

    def close(self) -> None:
        """Let the file go."""


class _OnDisk:
    on_disk = True

    def __init__(self, path: Path) -> None:
        self.file: BinaryIO = path.open("rb", buffering=0)

    def into(self, start: int, room: memoryview) -> None:
        self.file.seek(start)
        done = 0
        while done < len(room):
            got = self.file.readinto(room[done:]) or 0  # type: ignore[attr-defined]
            if not got:
                raise Shrunk(min(start + done, os.fstat(self.file.fileno()).st_size))
            done += got

    def window(self, start: int, nbytes: int) -> Bits | None:
        first = start - start % mmap.ALLOCATIONGRANULARITY
        try:
            if not self._in_memory(start, nbytes):
                return None
            window = mmap.mmap(self.file.fileno(), start + nbytes - first, access=mmap.ACCESS_READ, offset=first)
            window.madvise(_POPULATE_READ)
        except (OSError, ValueError):  # ValueError: it is shorter than that by now
            return None
        return np.frombuffer(window, np.uint8, nbytes, start - first)

    def _in_memory(self, start: int, nbytes: int) -> bool:
        """True when no probe waits for the disk. errors: OSError where one would, so that reading is faster, or none can tell."""
        room = [bytearray(1)]
        probes = (*range(start, start + nbytes, _PROBE), start + nbytes - 1)
        return all(os.preadv(self.file.fileno(), room, at, os.RWF_NOWAIT) for at in probes)

    def close(self) -> None:
        self.file.close()


class _Other:
    on_disk = False

    def __init__(self, files: Files, name: str) -> None:
        self.files, self.name = files, name

    def into(self, start: int, room: memoryview) -> None:
        data = self.files.read(self.name, start, len(room))
        if len(data) < len(room):
            raise Shrunk(start + len(data))
        room[:] = data

    def window(self, start: int, nbytes: int) -> Bits | None:
        return None

    def close(self) -> None:
        pass


def open_source(files: Files, name: str) -> Source:
    """A file of a place, to be read: without copies in between where it lies on this disk. errors: OSError."""
    match files:
        case Directory(root=root):
            return _OnDisk(root / name)
        case OneFile(path=path):
            return _OnDisk(path)
    return _Other(files, name)
