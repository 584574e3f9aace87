"""Everything as it was: what a failed fix and an undo have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..refusal import Refusal
from .acts import Acts
from .journal import NEW, OLD, Journal
from .places import Target
from .plainly import cause
from .signals import undisturbed
from .swap import turn
from .sweep import sweep
from .typed import undoing


@contextlib.contextmanager
def taken_back(target: Target, journal: Journal) -> Iterator[None]:
    """What goes wrong in here, or is stopped, is taken back as a whole before it is told."""
    try:
        yield
    except BaseException as fault:
        if journal.ended:
            fault.add_note("the fix is done")
            raise
        with undisturbed():
            roll_back(target, journal)
        if isinstance(fault, Refusal) and journal.items:
            fault.args = (f"{fault}; all was taken back",)
        fault.add_note("all was taken back")
        raise


def roll_back(target: Target, journal: Journal) -> None:
    """Put every old file back in place, go on where one cannot be, and take the undo data away.

    errors: Refusal when something could not be put back: the undo data and the journal stay then.
    """
    faults = []
    with contextlib.suppress(OSError):
        if journal.items:
            journal.add(stage="undoing")
    for number, item in reversed(tuple(enumerate(journal.items))):
        try:
            turn(target, journal.generation, number, item, OLD, journal.acts)
        except (OSError, Refusal) as fault:
            faults.append(cause(fault) if isinstance(fault, OSError) else str(fault))
    try:
        remove_folders(target, journal.folders, journal.acts)
    except OSError as fault:
        faults.append(cause(fault))
    if faults:
        text = f"{faults[0]}; {len(faults)} of {len(journal.items) + len(journal.folders)} changes could not be taken back yet"
        raise Refusal(f"{text}; nothing is lost: {journal.generation.folder}", f"{undoing(target.label)}  tries it again")
    with contextlib.suppress(OSError):
        journal.end("undone")
    sweep(journal.generation, journal.acts)


def all_turned(target: Target, journal: Journal, to: str) -> None:
    """Every item to one side. errors: the first one's."""
    numbered = tuple(enumerate(journal.items))
    for number, item in numbered if to == NEW else reversed(numbered):
        journal.add(item=number, to=to)
        turn(target, journal.generation, number, item, to, journal.acts)


def make_folders(target: Target, folders: tuple[str, ...], acts: Acts) -> None:
    """Make the folders that new files need."""
    for folder in folders:
        place = target.root / folder
        if not place.is_dir():
            acts.mkdir(place)
            acts.sync_folder(place.parent)


def remove_folders(target: Target, folders: tuple[str, ...], acts: Acts) -> None:
    """Take away the folders that a fix made; one that holds something of somebody else stays. errors: OSError."""
    for folder in reversed(folders):
        place = target.root / folder
        if place.is_dir() and not place.is_symlink() and next(place.iterdir(), None) is None:
            acts.rmdir(place)
