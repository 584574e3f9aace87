"""A source while it is read: bytes into buffers that are used again, and the sha256 of the file on the way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Final

from ...files import Directory, Entry, Files, OneFile
from ..refusal import Refusal

_GAP: Final = 1 << 20
"""Bytes between two tensors that are read only for the hash, at most: what else an archive holds. More is a tensor left out."""
_ENDS: Final = 1 << 27
_AT_ONCE: Final = 1 << 20


class Source:
    """One file. Where it lies on this disk it is opened once."""

    def __init__(self, files: Files, entry: Entry, hashed: bool = False) -> None:
        self.entry = entry
        self._files = files
        self._handle = _opened(files, entry)
        self._digest = hashlib.sha256() if hashed else None
        self._position = 0
        self._lock = Lock()

    @property
    def hashed(self) -> bool:
        """Whether a hash can still come of it."""
        return self._digest is not None

    def into(self, start: int, buffer: memoryview) -> None:
        """Fill the buffer with the bytes from `start`. errors: Refusal when they are not there any more, or cannot be read."""
        try:
            done = self._read(start, buffer)
        except OSError as fault:
            raise Refusal(f"{self.entry.name}: {fault.strerror or fault}") from None
        if done != len(buffer):
            raise Refusal(f"{self.entry.name}: it ends at byte {start + done:,}; it was cut while it was read")

    def _read(self, start: int, buffer: memoryview) -> int:
        if self._handle is None:
            held = self._files.read(self.entry.name, start, len(buffer))
            buffer[: len(held)] = held
            return len(held)
        done = 0
        while done < len(buffer) and (count := self._read_at(self._handle, start + done, buffer[done:])):
            done += count
        return done

    def _read_at(self, handle: FileIO, start: int, buffer: memoryview) -> int:
        """Several threads read one file: each says where, and none moves the place of another."""
        if hasattr(os, "preadv"):
            return os.preadv(handle.fileno(), [buffer], start)
        with self._lock:
            handle.seek(start)
            return handle.readinto(buffer) or 0

    def hash(self, start: int, held: memoryview) -> None:
        """Take bytes that were read into the hash; once they do not follow what was read before, there is no hash."""
        if self._digest is None:
            return
        gap = start - self._position
        if gap < 0 or gap > (_GAP if self._position else _ENDS):
            self._digest = None
            return
        self._fill(start)
        self._digest.update(held)
        self._position = start + len(held)

    def _fill(self, stop: int) -> None:
        """Hash what lies between the last tensor and `stop`; read by itself, since it may happen in another thread."""
        while self._digest and self._position < stop:
            try:
                held = self._files.read(self.entry.name, self._position, min(_AT_ONCE, stop - self._position))
            except OSError:
                held = b""
            if not held:
                self._digest = None
                return
            self._digest.update(held)
            self._position += len(held)

    def sha256(self) -> str | None:
        """Of the whole file; None when it was not read whole and in order."""
        if self._digest is not None and self.entry.size - self._position <= _ENDS:
            self._fill(self.entry.size)
        whole = self._digest is not None and self._position == self.entry.size
        return self._digest.hexdigest() if self._digest and whole else None

    def close(self) -> None:
        """Give the file back."""
        if self._handle:
            self._handle.close()


def _opened(files: Files, entry: Entry) -> FileIO | None:
    match files:
        case Directory(root=root):
            path = Path(root) / entry.name
        case OneFile(path=path):
            pass
        case _:
            return None
    try:
        return FileIO(path)
    except OSError as fault:
        raise Refusal(f"{entry.name}: {fault.strerror}") from None


@contextmanager
def opened(files: Files, names: tuple[str, ...], hashed: bool = False) -> Iterator[dict[str, Source]]:
    """The sources by name, closed at the end. errors: Refusal for one that is not there."""
    entries = {entry.name: entry for entry in files.entries()}
    sources: dict[str, Source] = {}
    try:
        for name in names:
            if name not in entries:
                raise Refusal(f"{name}: there is no such file")
            sources[name] = Source(files, entries[name], hashed)
        yield sources
    finally:
        for source in sources.values():
            source.close()
