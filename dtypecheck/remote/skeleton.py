"""A model's settings and headers as a folder that scans and rehearses like the model: every byte that a reader reads, and holes.

Which bytes are a header is not decided here: the readers read the model once more, and what they read is kept.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..files import SUFFIX_OF_PART, Entry, Files, inside, source_of
from ..knowledge import Knowledge
from ..read.formats import FOREIGN, READERS, suffix_of
from ..read.layout import Reader
from ..request import NothingThere, WrongUse
from .ahead import by_several
from .faults import Unreachable, of_place
from .fetched import Fetched
from .kept import NOTE, note

TEXTS: Final = frozenset(
    {".json", ".txt", ".py", ".ipynb", ".model", ".jinja", ".toml", ".yaml", ".yml", ".tiktoken", ".bpe", ".spm"}
)
"""Suffixes of what is kept whole: settings, words of tokenizers, scripts."""
_TEXT: Final = 32 << 20
"""Bytes of the largest of those."""
_PIECE: Final = re.compile(r".*\.onnx_data(_\d+)?")


def save(files: Files, known: Knowledge, out: Path) -> int:
    """Write the skeleton of a place into a folder that is not there or empty, whole or not at all. Gives the number of files.

    errors: WrongUse for a folder that holds something, NothingThere for a place without a model, OSError.
    """
    check(out)
    kept = keep(files, known)
    part = out.parent / f".{out.name}-{os.getpid()}{SUFFIX_OF_PART}"
    try:
        part.mkdir()
        kept.write(part)
        if out.is_dir():
            out.rmdir()  # an empty one; one that was filled meanwhile stays, and that is told
        part.rename(out)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(part, ignore_errors=True)
    return len(kept.entries)


def check(out: Path) -> None:
    """errors: WrongUse where a skeleton cannot go; said before the work, not after it."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise WrongUse(f"--save-skeleton {out}: it is no folder")
    if out.is_dir() and any(out.iterdir()):
        raise WrongUse(f"--save-skeleton {out}: the folder is not empty; name a new one")
    if not out.parent.is_dir() or not out.name:
        raise WrongUse(f"--save-skeleton {out}: there is no folder {out.parent}")


@dataclass(slots=True)
class Kept:
    """What a skeleton is made of: entries by name, the pieces that were read, and which files are hollow."""

    entries: Mapping[str, Entry]
    pieces: Mapping[str, list[tuple[int, bytes]]]
    hollow: frozenset[str]
    note: str = ""
    folders: set[Path] = field(default_factory=set)

    def write(self, folder: Path) -> None:
        """All of it into an empty folder. errors: OSError."""
        for name, entry in self.entries.items():
            path = folder / name
            if path.parent not in self.folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                self.folders.add(path.parent)
            with path.open("xb") as file:
                for start, data in self.pieces.get(name, ()):
                    file.seek(start)
                    file.write(data)
                file.truncate(entry.size)
        with (folder / NOTE).open("x", encoding="utf-8") as file:
            file.write(self.note)


def keep(files: Files, known: Knowledge) -> Kept:
    """Read everything that a skeleton keeps. errors: NothingThere, OSError where a text that is to be kept cannot be read."""
    store = files if isinstance(files, Fetched) else _recorded(files)
    found = sum(reading.files for reading in Reader(store, known).readings())
    entries = {entry.name: entry for entry in store.entries() if entry.size >= 0 and inside("", entry.name) == entry.name}
    texts = [entry for entry in entries.values() if suffix_of(entry.name) in TEXTS and entry.size <= _TEXT]
    by_several(lambda entry: store.read(entry.name), texts)  # what fails is in the faults of the store
    whole = {entry.name for entry in texts}
    weights = {name for name in entries if suffix_of(name) in {*READERS, *FOREIGN} or _PIECE.fullmatch(name)}
    if not found:
        raise NothingThere(f"{files.label}: there is no model in it to keep a skeleton of")
    taken = {name: entry for name, entry in entries.items() if name in weights or name in whole}
    lost = next((store.faults[name] for name in taken if name in store.faults), None)
    if isinstance(lost, Unreachable):
        raise of_place(lost)
    if lost is not None:
        raise lost
    hollow = frozenset(name for name in weights if not _is_whole(store.held.get(name, ()), taken[name].size))
    return Kept(taken, store.held, hollow, note(taken, hollow, source_of(files)))


def _recorded(files: Files) -> Fetched:
    """A place of this disk, read so that what was read is kept."""
    entries = tuple(files.entries())

    def read(name: str, start: int, stop: int) -> bytes:
        return files.read(name, start, stop - start)

    return Fetched(files.label, entries, read, source_of(files))


def _is_whole(pieces: object, size: int) -> bool:
    """True where one piece is all of a file."""
    return size == 0 or any(start == 0 and len(data) == size for start, data in pieces)  # type: ignore[attr-defined]
