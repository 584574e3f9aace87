"""The one place where applying and undoing touch a disk: every act can be counted, stopped before, or made to fail."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

AT_ONCE: Final = 1 << 23
"""Bytes that are read or written at a time."""
_HOLE: Final = bytes(1 << 20)
NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


_UNSYNCED: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS})
"""Why some file systems do not sync a folder: they cannot, and their names are as safe as they get."""


def _nothing(act: str, path: Path) -> None:
    """What happens before an act, where nothing is asked for."""


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """An error of a descriptor names the file, as one of a name does."""
    try:
        yield
    except OSError as fault:
        raise OSError(fault.errno, fault.strerror, str(path)) from None


@dataclass(frozen=True, slots=True)
class Acts:
    """The acts. before: called with the name and the path of each, ahead of it; what it raises, the act has raised."""

    before: Callable[[str, Path], None] = _nothing

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        """Make a folder."""
        self.before("mkdir", path)
        path.mkdir(mode)

    def rmdir(self, path: Path) -> None:
        """Take an empty folder away."""
        self.before("rmdir", path)
        path.rmdir()

    def link(self, source: Path, path: Path) -> None:
        """Give the file `source` (never what a link points to) the second name `path`."""
        self.before("link", path)
        os.link(source, path, follow_symlinks=False)

    def replace(self, source: Path, path: Path) -> None:
        """Give a file another name, in one act, whatever had it."""
        self.before("replace", path)
        source.replace(path)

    def unlink(self, path: Path) -> None:
        """Take a name away."""
        self.before("unlink", path)
        path.unlink()

    def create(self, path: Path, mode: int = 0o666) -> int:
        """A descriptor to write a file that was not there."""
        self.before("create", path)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW, mode)

    def append(self, path: Path) -> int:
        """A descriptor to write behind what a file holds."""
        self.before("append", path)
        return os.open(path, os.O_WRONLY | os.O_APPEND | NO_FOLLOW)

    def open(self, path: Path, follow: bool = False) -> int:
        """A descriptor to read a file. follow: also where the name is a link."""
        self.before("open", path)
        flags = NO_FOLLOW if not follow else getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        return os.open(path, os.O_RDONLY | flags)

    def read(self, handle: int, path: Path, length: int = AT_ONCE) -> bytes:
        """The next bytes of a file."""
        self.before("read", path)
        with _named(path):
            return os.read(handle, length)

    def write(self, handle: int, data: bytes | memoryview, path: Path) -> None:
        """All of the bytes."""
        self.before("write", path)
        view = memoryview(data)
        with _named(path):
            while view:
                view = view[os.write(handle, view) :]

    def write_sparse(self, handle: int, data: bytes, path: Path) -> None:
        """All of the bytes; whole stretches of zeros become a hole. The file has to be cut to its size in the end."""
        for start in range(0, len(data), len(_HOLE)):
            part = data[start : start + len(_HOLE)]
            if part == _HOLE:
                os.lseek(handle, len(part), os.SEEK_CUR)
            else:
                self.write(handle, part, path)

    def sync(self, handle: int, path: Path) -> None:
        """Wait until the disk holds what was written."""
        self.before("sync", path)
        with _named(path):
            os.fsync(handle)

    def sync_folder(self, path: Path) -> None:
        """Wait until the disk holds the names of a folder, where the system can."""
        self.before("sync", path)
        if sys.platform == "win32":
            return
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as fault:
            if fault.errno not in _UNSYNCED:
                raise OSError(fault.errno, fault.strerror, str(path)) from None
        finally:
            os.close(handle)

    def like(self, path: Path, model: os.stat_result) -> None:
        """Give a file the permission bits of another one, and its owner where that is allowed."""
        self.before("like", path)
        now = path.lstat()
        if sys.platform != "win32" and (now.st_uid, now.st_gid) != (model.st_uid, model.st_gid):
            with contextlib.suppress(OSError):
                os.chown(path, model.st_uid, model.st_gid)
        if now.st_mode & 0o777 != model.st_mode & 0o777:
            path.chmod(model.st_mode & 0o777)
