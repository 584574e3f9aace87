"""Where bytes come from: names and reads, whether a directory, one file, or a dict in a test."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

SKIPPED_FOLDERS: Final = frozenset({".git", ".cache", ".dtypecheck", "__pycache__", ".venv", "node_modules"})
"""Folders that hold no model: version control, caches, environments, and our own data."""
SUFFIX_OF_UNDO: Final = ".dtypecheck-undo"
SUFFIX_OF_PART: Final = ".dtypecheck-part"
"""How the folders end that hold what a fix replaced, and what is being written: no model either."""

_Inode = tuple[int, int]


UNREADABLE: Final = -1
"""The size of an Entry that cannot be read; its identity then says why, behind `unlisted:`."""


class Entry(NamedTuple):
    """One file: posix name relative to the root, size in bytes, and an identity that two names of the same bytes share.

    stamp: when it was changed last, in nanoseconds since 1970, by its content or its inode; 0 where nobody tells.
    """

    name: str
    size: int
    identity: str
    stamp: int = 0


class Source(NamedTuple):
    """Where a target that is no plain folder came from, and which state of it.

    target: as it was asked for, without a revision. kind: hub, cache (of the hub, on this disk), url, store or archive.
    revision: the commit, "" where there is none. skeleton: it was read from what --save-skeleton kept of it.
    """

    target: str
    kind: str
    revision: str = ""
    skeleton: bool = False


def source_of(files: Files) -> Source | None:
    """Where files came from, None for a plain folder or file of this disk."""
    found = getattr(files, "source", None)
    return found if isinstance(found, Source) else None


def first_read(files: Files, usual: int) -> int:
    """How many bytes to ask for first of a file whose header may be long: fewer than usual where they come over a network."""
    found = getattr(files, "first_read", None)
    return found if isinstance(found, int) else usual


class Files(Protocol):
    """A place that holds files. Names are posix and relative; reading outside of it is impossible."""

    @property
    def label(self) -> str:
        """What people call this place: the target as it was given."""

    def entries(self) -> Iterator[Entry]:
        """Every file, sorted by the parts of its name."""

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `start` (fewer at the end of the file, all the rest for None).

        errors: OSError when the file cannot be read.
        """


_MOST_VISITS: Final = 64
"""How often one real directory is entered by ways over links: folders that link to each other would be walked for ever."""
_AT_ONCE: Final = 1 << 27
_DEEPEST: Final = 200
"""Levels of folders that are walked: no model has as many, and the walk recurs."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Files of a directory on this disk. Links are followed to read; a directory is not entered again from within itself."""

    root: Path
    label: str = ""
    source: Source | None = field(default=None, kw_only=True)

    def entries(self) -> Iterator[Entry]:
        """Every file below the root, sorted by name; folders that cannot be listed are told by an Entry of size -1."""
        yield from self._walk(self.root, "", frozenset(), False, Counter())

    def _walk(
        self, folder: Path, prefix: str, above: frozenset[_Inode], linked: bool, visits: Counter[_Inode]
    ) -> Iterator[Entry]:
        """linked: a link is on the way down to `folder`; visits: how often each folder was entered on such a way."""
        try:
            status = folder.stat()
            with os.scandir(folder) as listing:
                items = sorted(listing, key=lambda item: item.name)
        except OSError as fault:
            yield Entry(prefix.rstrip("/") or ".", -1, f"unlisted:{fault.strerror}")
            return
        if len(above) > _DEEPEST:
            yield Entry(prefix.rstrip("/"), -1, f"unlisted:more than {_DEEPEST} folders deep")
            return
        here = (status.st_dev, status.st_ino)
        visits[here] += linked
        if here in above or (linked and visits[here] > _MOST_VISITS):
            return
        hub_cache = any(item.name == "snapshots" for item in items) and any(item.name == "blobs" for item in items)
        for item in items:
            name = prefix + item.name
            try:
                if item.is_dir():
                    ours = item.name[0] == "." and item.name.endswith((SUFFIX_OF_UNDO, SUFFIX_OF_PART))
                    if item.name not in SKIPPED_FOLDERS and not ours and not (hub_cache and item.name in ("blobs", "refs")):
                        yield from self._walk(Path(item.path), name + "/", above | {here}, linked or item.is_symlink(), visits)
                elif item.is_file():
                    found = item.stat()
                    blob = _blob(item) if item.is_symlink() else None
                    yield Entry(name, found.st_size, blob or f"{found.st_dev}:{found.st_ino}", _changed(found))
                elif item.is_symlink():
                    yield Entry(name, -1, "unlisted:the link points to nothing")
            except OSError as fault:
                yield Entry(name, -1, f"unlisted:{fault.strerror}")

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file; `name` must be one that `entries` gave."""
        return _read(f"{self.root}/{name}", start, length)


@dataclass(frozen=True, slots=True)
class Listed(Directory):
    """A directory that is walked once, however often it is asked for its files: what comes or goes meanwhile is not seen."""

    found: list[Entry] = field(default_factory=list, compare=False)

    def entries(self) -> Iterator[Entry]:
        """Every file below the root, as it was when it was asked for first."""
        if not self.found:
            self.found.extend(Directory.entries(self))
        return iter(self.found)


@dataclass(frozen=True, slots=True)
class OneFile:
    """A single file on this disk, seen as a place that holds just it."""

    path: Path
    label: str = ""

    def entries(self) -> Iterator[Entry]:
        """The one file."""
        try:
            status = self.path.stat()
        except OSError as fault:
            yield Entry(self.path.name, -1, f"unlisted:{fault.strerror}")
            return
        yield Entry(self.path.name, status.st_size, f"{status.st_dev}:{status.st_ino}", _changed(status))

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of the file."""
        return _read(str(self.path), start, length)


@dataclass(frozen=True, slots=True)
class Some:
    """Those files of a place whose names are wanted."""

    files: Files
    wanted: Callable[[str], bool]
    label: str = ""

    def entries(self) -> Iterator[Entry]:
        """Those of them that are there."""
        return (entry for entry in self.files.entries() if self.wanted(entry.name))

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of one of them."""
        return self.files.read(name, start, length)


@dataclass(frozen=True, slots=True)
class Memory:
    """Files of a dict: what rule pages and tests are laid out in."""

    contents: Mapping[str, bytes]
    label: str = "memory"
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes that differ from the bytes held: a weight file of which only the header is there."""

    def entries(self) -> Iterator[Entry]:
        """Every name of the dict, sorted folder by folder as in a directory."""
        for name in sorted(self.contents, key=lambda name: name.split("/")):
            size = self.sizes.get(name, len(self.contents[name]))
            yield Entry(name, size, f"unlisted:{self.contents[name].decode()}" if size == UNREADABLE else name)

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of an entry; what lies past the held bytes reads as zeros, as in a sparse file."""
        content, size = self.contents[name], self.sizes.get(name, len(self.contents[name]))
        stop = size if length is None else min(size, start + length)
        held = content[start:stop]
        return held + b"\0" * (max(0, stop - start) - len(held)) if stop - start < 1 << 26 else held


def _read(path: str, start: int, length: int | None) -> bytes:
    """Bytes of a file of this disk, by the fewest calls: headers are read by the thousand."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        left = os.fstat(handle).st_size - start if length is None else length
        os.lseek(handle, start, os.SEEK_SET)
        parts = []
        while left > 0 and (part := os.read(handle, min(left, _AT_ONCE))):
            parts.append(part)
            left -= len(part)
    finally:
        os.close(handle)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _changed(status: os.stat_result) -> int:
    """When a file was changed last; who sets a time back changes the inode."""
    return max(status.st_mtime_ns, status.st_ctime_ns)


def _blob(link: os.DirEntry[str]) -> str | None:
    """The identity of a hub cache's link: its target in blobs/ is named by the sha256 of a large file's bytes."""
    target = Path(link.path).readlink()
    named = target.parent.name == "blobs" and len(target.name) == 64 and not target.name.strip("0123456789abcdef")
    return f"sha256:{target.name}" if named else None


def place(path: Path, label: str | None = None) -> Directory | OneFile:
    """The Files of a path on this disk: a directory, or a single file."""
    name = path.as_posix() if label is None else label
    return Directory(path, name) if path.is_dir() else OneFile(path, name)


def listed(files: Files) -> Files:
    """The same place; a directory is walked once at most."""
    return Listed(files.root, files.label, source=files.source) if isinstance(files, Directory) else files


def from_here(path: Path) -> str:
    """A path as the working directory sees it, "../" in front where it lies outside; as given where there is no way to it."""
    try:
        return Path(os.path.relpath(path)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def inside(folder: str, name: str) -> str | None:
    """`name`, as a file in `folder` names another file, made relative to the root; None if it would leave the folder."""
    if name.startswith(("/", "\\")) or "\\" in name or ":" in name or "\0" in name:
        return None
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            return None
        if part not in ("", "."):
            parts.append(part)
    return "/".join(([folder] if folder else []) + parts) if parts else None
