"""What a script would write: caught, listed, and readable again until it ends; nothing reaches the disk.

Caught are `open`, the folder and file functions of `os` and `shutil`, and the savers of the libraries (savers.py). It is no
sandbox: what writes by other ways (a subprocess, a library of its own) writes.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from .changes import Changes

_UNLISTED: Final = ("/.cache/", "/__pycache__/", "/.config/")
"""What libraries write for themselves: caught all the same."""


class Writes:
    """Files and folders that exist only for the script. paths: all that it would have written, in order."""

    def __init__(self) -> None:
        self.paths: dict[str, None] = {}
        self.files: dict[str, bytes] = {}
        self.folders: set[str] = set()
        self.gone: set[str] = set()
        self.scratch: list[str] = []
        self.free = 0

    def note(self, path: object) -> None:
        """Something would have been written here. path: as the script gives it."""
        text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else str(path)
        if not any(part in full(text).replace("\\", "/") for part in _UNLISTED):
            self.paths.setdefault(_short(text))

    def real(self, path: object) -> bool:
        """True where the disk itself answers: descriptors, devices, folders that tempfile made for the script."""
        if self.free or not isinstance(path, (str, bytes, os.PathLike)):
            return True
        text = full(path)
        return text.startswith(("/dev/", "/proc/")) or any(text.startswith(place) for place in self.scratch)

    def catch(self, changes: Changes) -> None:
        """From now on."""
        opened = self._open(io.open)
        changes.change(builtins, "open", opened)
        changes.change(io, "open", opened)
        for name in ("mkdir", "rmdir", "remove", "unlink", "rename", "replace", "stat"):
            changes.wrap(os, name, getattr(self, f"_{name}"))
        for name in ("rmtree", "move"):
            changes.wrap(shutil, name, self._none_of)
        for name in ("mkdtemp", "mkstemp"):
            changes.wrap(tempfile, name, self._temporary)
        for name in ("NamedTemporaryFile", "TemporaryFile"):
            changes.wrap(tempfile, name, self._temporary)

    @contextmanager
    def freely(self) -> Iterator[None]:
        """Meanwhile nothing is caught."""
        self.free += 1
        try:
            yield
        finally:
            self.free -= 1

    def _open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def open(
            file: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: str | None = None,
            errors: str | None = None,
            newline: str | None = None,
            closefd: bool = True,
            opener: Any = None,
        ) -> Any:
            given = (mode, buffering, encoding, errors, newline, closefd, opener)
            if opener is not None or self.real(file):
                return real(file, *given)
            path = full(file)
            if not set(mode) & set("wax+"):
                if path not in self.files:
                    return real(file, *given)
                return _wrapped(_Kept(self, path, self.files[path], file), mode, encoding, errors, newline)
            before = self.files.get(path)
            exists = before is not None or Path(path).is_file()
            if "x" in mode and exists:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), file)
            if "r" in mode and not exists:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file)
            if not Path(path).parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file)
            if before is None and exists and "w" not in mode:
                with real(path, "rb") as stream:
                    before = stream.read()
            self.note(file)
            made = _Kept(self, path, b"" if "w" in mode else before or b"", file)
            if "a" in mode:
                made.seek(0, io.SEEK_END)
            return _wrapped(made, mode, encoding, errors, newline)

        return open

    def _mkdir(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def mkdir(path: Any, mode: int = 0o777, **kwargs: Any) -> None:
            if self.real(path):
                real(path, mode, **kwargs)
                return
            if Path(os.fsdecode(path)).exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            place = full(path)
            if not Path(place).parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            self.folders.add(place)
            self.note(f"{os.fsdecode(path).rstrip('/')}/")

        return mkdir

    def _remove(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def remove(path: Any, **kwargs: Any) -> None:
            if self.real(path) or kwargs.get("dir_fd") is not None:
                real(path, **kwargs)
            elif self.files.pop(full(path), None) is None:
                Path(os.fsdecode(path)).stat()
                self.gone.add(full(path))

        return remove

    _unlink = _remove

    def _rmdir(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def rmdir(path: Any, **kwargs: Any) -> None:
            if self.real(path) or kwargs.get("dir_fd") is not None:
                real(path, **kwargs)
            else:
                self.folders.discard(full(path))

        return rmdir

    def _rename(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def rename(source: Any, target: Any, **kwargs: Any) -> None:
            if self.real(source) and self.real(target):
                real(source, target, **kwargs)
                return
            self.note(target)
            place = full(source)
            self.files[full(target)] = self.files.pop(place) if place in self.files else Path(place).read_bytes()

        return rename

    _replace = _rename

    def _none_of(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def nothing(path: Any, *args: Any, **kwargs: Any) -> Any:
            return real(path, *args, **kwargs) if self.real(path) else None

        return nothing

    def _stat(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def status(path: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(path, (str, bytes, os.PathLike)) and not self.free and kwargs.get("dir_fd") is None:
                place = full(path)
                if place in self.files:
                    return os.stat_result((stat.S_IFREG | 0o644, 0, 0, 1, 0, 0, len(self.files[place]), 0, 0, 0))
                if place in self.folders:
                    return os.stat_result((stat.S_IFDIR | 0o755, 0, 0, 2, 0, 0, 0, 0, 0, 0))
                if place in self.gone:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            return real(path, *args, **kwargs)

        return status

    def _temporary(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def made(*args: Any, **kwargs: Any) -> Any:
            with self.freely():
                found = real(*args, **kwargs)
            place = found[1] if isinstance(found, tuple) else getattr(found, "name", found)
            if isinstance(place, str):
                self.scratch.append(full(place))
            return found

        return made


class _Kept(io.BytesIO):
    """A file in memory that knows its name, and leaves its bytes behind when it is closed."""

    def __init__(self, writes: Writes, path: str, content: bytes, name: Any) -> None:
        super().__init__(content)
        self._writes, self._path, self.name = writes, path, name
        writes.files[path] = content

    def flush(self) -> None:
        super().flush()
        self._writes.files[self._path] = self.getvalue()

    def close(self) -> None:
        if not self.closed:
            self._writes.files[self._path] = self.getvalue()
        super().close()


def _wrapped(made: _Kept, mode: str, encoding: str | None, errors: str | None, newline: str | None) -> Any:
    return made if "b" in mode else io.TextIOWrapper(made, encoding or "utf-8", errors, newline)


def full(path: Any) -> str:
    """A path as the keys of `files` have it: absolute, without dots."""
    return os.path.normpath(Path(os.fsdecode(path)).absolute())


def _short(text: str) -> str:
    """A path as people read it: relative to the working directory where it lies in it."""
    slash = "/" if text.endswith("/") else ""
    here = str(Path.cwd()) + os.sep
    return full(text).removeprefix(here).replace("\\", "/") + slash
