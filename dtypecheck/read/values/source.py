"""Bytes of a weight file into a buffer that is used again and again: a file that ends early is told, not guessed at."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

from ...files import Directory, Files, OneFile


class Shrunk(Exception):
    """The file ends before byte `at`, which was there when its header was read."""

    def __init__(self, at: int) -> None:
        super().__init__(f"byte {at:,}")
        self.at = at


class Source(Protocol):
    """One file, read by one thread."""

    def into(self, start: int, room: memoryview) -> None:
        """Fill `room` from byte `start` on. errors: Shrunk, OSError."""

    def close(self) -> None:
        """Let the file go."""


class _OnDisk:
    def __init__(self, path: Path) -> None:
        self.file: BinaryIO = path.open("rb", buffering=0)

    def into(self, start: int, room: memoryview) -> None:
        self.file.seek(start)
        done = 0
        while done < len(room):
            got = self.file.readinto(room[done:]) or 0  # type: ignore[attr-defined]
            if not got:
                raise Shrunk(start + done)
            done += got

    def close(self) -> None:
        self.file.close()


class _Other:
    def __init__(self, files: Files, name: str) -> None:
        self.files, self.name = files, name

    def into(self, start: int, room: memoryview) -> None:
        data = self.files.read(self.name, start, len(room))
        if len(data) < len(room):
            raise Shrunk(start + len(data))
        room[:] = data

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
