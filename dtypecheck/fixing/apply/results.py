"""What applying, undoing and looking give back, and the refusals that a caller tells apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..refusal import Refusal


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: bytes done, bytes in all, and the file at work; or, where no bytes are counted, a word for what is done."""

    done: int
    total: int
    file: str
    phase: str = ""


Told = Callable[[Progress], None]
CHECKING: Final = "checking what was written"
DONE: Final = "done"
"""Nothing that happens from here on changes or takes back anything."""


def phase(told: Told | None, word: str) -> None:
    """Tell what is done now."""
    if told:
        told(Progress(1, 1, "", word))


@dataclass(frozen=True, slots=True)
class Applied:
    """A plan that was carried out.

    root: the folder that holds the files now. written, gone: paths relative to it. nbytes: bytes of the files written.
    undo: the folder that holds what was replaced, None where the source was left alone. notes: what people should know.
    """

    root: Path
    written: tuple[str, ...]
    gone: tuple[str, ...]
    nbytes: int
    undo: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Undone:
    """A fix that was taken back.

    files: the paths that are as before. changes: what had been done, one text a step. left: earlier fixes that can still be
    taken back. interrupted: it had not ended. notes: what people should know.
    """

    files: tuple[str, ...]
    changes: tuple[str, ...]
    left: int = 0
    interrupted: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A fix, or an undo, that has not ended.

    folder: what it works on. stage: "staging" (nothing was changed yet), "swapping", "checking" (all is in place, not yet
    verified) or "undoing". done, of: files that were swapped, and those that were to be. process: of the one that is at work
    on it right now, 0 when none is. text: one sentence.
    """

    folder: Path
    stage: str
    done: int
    of: int
    process: int
    text: str


class Stale(Refusal):
    """A file is not what the plan was made for."""


class Locked(Refusal):
    """Another process is changing the same target."""


class Unended(Refusal):
    """An earlier fix of the same target did not end: one direction has to end it first."""


class NothingToUndo(Refusal):
    """There is no fix that could be taken back."""


class Pruned(NothingToUndo):
    """There was one, and what it replaced is gone."""
