"""What a target is on the disk: its folder, where its undo data lies, and which of its files may be replaced at all."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...files import SUFFIX_OF_UNDO, Directory, Entry, inside
from ..refusal import Refusal
from ..traces import undo_of

OUT: Final = "--out DIR"


@dataclass(frozen=True, slots=True)
class Target:
    """root: the real folder of the files. name: the one file that is meant, "" for the folder. label: as people typed it."""

    root: Path
    name: str
    label: str

    @property
    def place(self) -> Path:
        """The folder, or the one file."""
        return self.root / self.name if self.name else self.root

    @property
    def undo(self) -> Path:
        """The folder of its undo data: beside it, so on the same file system, and never inside."""
        return undo_of(self.place)

    def holds(self, path: str) -> None:
        """errors: Refusal for a path that is not its own to change."""
        if inside("", path) != path:
            raise Refusal(f"{path!r} is no file inside of {self.label}")
        if self.name and "/" in path:
            raise Refusal(f"{path}: {self.label} is a single file; only files beside it are changed")
        if any(part.endswith(SUFFIX_OF_UNDO) for part in path.split("/")):
            raise Refusal(f"{path}: this is undo data")


@dataclass(frozen=True, slots=True)
class Touched(Directory):
    """Files: the ones of a folder that a plan names, as far as they are there. Links are followed to read."""

    names: tuple[str, ...] = ()

    def entries(self) -> Iterator[Entry]:
        """Those that are there, sorted by the parts of their names."""
        for name in sorted(self.names, key=lambda name: name.split("/")):
            path = self.root / name
            if path.is_file():
                found = path.stat()
                yield Entry(name, found.st_size, f"{found.st_dev}:{found.st_ino}")


def locate(target: Path) -> Target:
    """What a typed path means; a file need not be there: a fix may have renamed it.

    errors: Refusal for the root of a disk.
    """
    if target.is_dir():
        root = target.resolve()
        if not root.name:
            raise Refusal(f"{target}: a whole disk is not fixed")
        return Target(root, "", target.as_posix())
    return Target(target.parent.resolve(), target.name, target.as_posix())


def changeable(target: Target) -> None:
    """errors: Refusal for a target in which no file may be replaced: part of a hub cache, a link, a disk of its own."""
    if _in_cache(target.root):
        text = f"{target.label}: this is a Hugging Face cache; its files are links into blobs/, which other revisions share"
        raise Refusal(text, OUT)
    if target.name and (target.root / target.name).is_symlink():
        raise Refusal(_linked(target.root / target.name, target.label), OUT)
    if target.root.stat().st_dev != target.undo.parent.stat().st_dev:
        text = f"{target.label}: it is a disk of its own, and undo data has to lie beside it on the same one"
        raise Refusal(text, OUT, "name a folder inside of it")


def _in_cache(root: Path) -> bool:
    """True for a hub cache's repository and everything in it, and for a cache as a whole."""
    if (root / "snapshots").is_dir() and (root / "blobs").is_dir():
        return True
    return any(place.name == "snapshots" and (place.parent / "blobs").is_dir() for place in (root, *root.parents))


def way(target: Target, path: str) -> Path:
    """The place of a path, which no link leads to and which is none itself. It need not be there, nor its folder.

    errors: Refusal.
    """
    target.holds(path)
    here = target.root
    parts = path.split("/")
    for number, part in enumerate(parts, 1):
        here = here / part
        try:
            mode = here.lstat().st_mode
        except FileNotFoundError:
            return target.root / path
        except NotADirectoryError:
            raise Refusal(f"{path}: {here.parent.relative_to(target.root).as_posix()} is no folder") from None
        if stat.S_ISLNK(mode):
            raise Refusal(_linked(here, "/".join(parts[:number])), OUT)
        if number < len(parts) and not stat.S_ISDIR(mode):
            raise Refusal(f"{path}: {'/'.join(parts[:number])} is no folder")
    if not stat.S_ISREG(mode):
        raise Refusal(f"{path}: it is no plain file")
    return here


def _linked(place: Path, shown: str) -> str:
    """What is said of a link."""
    where = place.readlink()
    if "blobs" in where.parts:
        return f"{shown}: a link into blobs/ of a Hugging Face cache, which other revisions share; nothing is written through it"
    return f"{shown}: a link to {where.as_posix()}; nothing is written through a link"


def is_real_folder(path: Path) -> bool:
    """True for a folder that is no link. errors: Refusal for anything else that has the name."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(mode):
        raise Refusal(f"{path}: undo data is a folder, and this is {'a link' if stat.S_ISLNK(mode) else 'none'}")
    return True
