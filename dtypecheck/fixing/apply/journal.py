"""The journal of one fix: what it does and how far it came, a line for each act, on the disk before the act is done."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ...fixplan import FixPlan
from ..planfile import document
from .acts import NO_FOLLOW, Acts
from .places import Target, is_real_folder

VERSION: Final = 1
NAME: Final = "journal.jsonl"
NEW: Final = "new"
OLD: Final = "old"
_NAMED: Final = re.compile(r"(\d{4,8})-[0-9a-f]{8}")
LARGEST: Final = 256_000_000
"""Bytes of a journal, at most: most of it is the plan."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a path holds. size: bytes. sha256: "" where it was not read. mtime: in nanoseconds, and inode: 0 where not known."""

    size: int
    sha256: str
    mtime: int = 0
    inode: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One path that changes: what it holds after and before, None for nothing."""

    path: str
    new: Held | None
    old: Held | None


@dataclass(frozen=True, slots=True)
class Generation:
    """The folder of one fix in an undo folder: its journal, what waits to be new and what is old, numbered as the items."""

    folder: Path

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.folder / NAME

    def side(self, side: str) -> Path:
        """The folder of what waits to be `new`, or of what is `old`."""
        return self.folder / side

    def at(self, side: str, number: int) -> Path:
        """Where the content of an item lies while it is not in the target."""
        return self.folder / side / str(number)


@dataclass(frozen=True, slots=True)
class Record:
    """What a journal says. items: None while they are being staged. folders: made by the fix, the outer ones first.

    stage: the last thing that was begun: staging, swapping, checking, undoing, or ended. result: "done" or "undone" when ended.
    elsewhere: the folder that the old files were moved to, as text for people. began: in nanoseconds, 0 where not known.
    """

    plan: FixPlan
    single: str
    items: tuple[Item, ...] | None = None
    folders: tuple[str, ...] = ()
    stage: str = "staging"
    result: str = ""
    elsewhere: str = ""
    began: int = 0


@dataclass(slots=True)
class Journal:
    """A journal that is being written."""

    generation: Generation
    acts: Acts
    items: tuple[Item, ...] = ()
    folders: tuple[str, ...] = ()
    ended: bool = False

    def add(self, **line: Any) -> None:
        """One more line, on the disk when this returns."""
        path = self.generation.journal
        handle = self.acts.append(path)
        whole = os.fstat(handle).st_size
        try:
            self.acts.write(handle, (json.dumps(line, separators=(",", ":")) + "\n").encode(), path)
            self.acts.sync(handle, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, whole)
            raise
        finally:
            os.close(handle)

    def staged(self, items: tuple[Item, ...], folders: tuple[str, ...]) -> None:
        """Every new file is there, whole."""
        self.items, self.folders = items, folders
        self.add(staged=[asdict(item) for item in items], folders=list(folders))

    def end(self, result: str, elsewhere: str = "") -> None:
        """The fix is "done" or "undone": what is left is to sweep."""
        self.add(ended=result, elsewhere=elsewhere)
        self.ended = True


def fresh(undo: Path) -> Generation:
    """The next generation of an undo folder, not made yet."""
    last = max((number for number, _ in numbered(undo)), default=0)
    return Generation(undo / f"{last + 1:04d}-{secrets.token_hex(4)}")


def begin(target: Target, plan: FixPlan, journal: Journal) -> None:
    """Make the generation, with its plan in the journal. errors: OSError."""
    generation, acts = journal.generation, journal.acts
    acts.mkdir(generation.folder, 0o700)
    told = {"journal": VERSION, "single": target.name, "began": time.time_ns(), "plan": document(plan)}
    line = json.dumps(told, separators=(",", ":")) + "\n"
    handle = acts.create(generation.journal, 0o600)
    try:
        acts.write(handle, line.encode(), generation.journal)
        acts.sync(handle, generation.journal)
    finally:
        os.close(handle)
    for folder in (generation.folder, target.undo, target.undo.parent):
        acts.sync_folder(folder)
    for side in (NEW, OLD):
        acts.mkdir(generation.side(side), 0o700)


def resume(generation: Generation, record: Record, acts: Acts) -> Journal:
    """Go on with a journal: a last line that a kill cut off is taken away first."""
    path = generation.journal
    handle = os.open(path, os.O_RDWR | NO_FOLLOW)
    try:
        with os.fdopen(os.dup(handle), "rb") as file:
            data = file.read(LARGEST)
        os.ftruncate(handle, data.rfind(b"\n") + 1)
    finally:
        os.close(handle)
    for side in (NEW, OLD):
        if not is_real_folder(generation.side(side)):
            acts.mkdir(generation.side(side), 0o700)
    return Journal(generation, acts, record.items or (), record.folders)


def numbered(undo: Path) -> Iterator[tuple[int, Path]]:
    """The generations of an undo folder by their numbers."""
    for name in os.listdir(undo):
        if match := _NAMED.fullmatch(name):
            yield int(match[1]), undo / name
