"""`--undo-dir`: what was replaced is copied elsewhere, synced and compared, before it is given up here; and brought back."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from ..refusal import Refusal
from .acts import Acts
from .check import Meter, hashed
from .journal import OLD, Generation, Item, Journal
from .places import Target, is_real_folder
from .results import Pruned, Stale
from .stage import copy, enough_room
from .sweep import empty


def elsewhere(target: Target, undo_dir: Path, generation: Generation) -> Generation:
    """Where the undo data of a fix lies in a folder that people name. errors: Refusal for one inside the target."""
    real = undo_dir.resolve()
    if not target.name and (real == target.root or target.root in real.parents):
        raise Refusal(f"--undo-dir {undo_dir}: it lies inside {target.label}; undo data never does")
    return Generation(real / target.undo.name / generation.folder.name)


def room_for(target: Target, undo_dir: Path, items: tuple[Item, ...]) -> None:
    """errors: Refusal where the folder is missing, cannot be written, or lies on another disk without room for the old files."""
    if not undo_dir.is_dir():
        raise Refusal(f"--undo-dir {undo_dir}: there is no such folder")
    if not os.access(undo_dir, os.W_OK | os.X_OK):
        raise Refusal(f"--undo-dir {undo_dir}: it is read-only for you")
    if undo_dir.stat().st_dev != target.root.stat().st_dev:
        enough_room(undo_dir, sum(item.old.size for item in items if item.old), f"--undo-dir {undo_dir}")


def keep(target: Target, undo_dir: Path, journal: Journal, items: tuple[Item, ...], acts: Acts) -> None:
    """Put the old files there and end the fix. errors: as for copying; what was put there is taken away again then."""
    here, there = journal.generation, elsewhere(target, undo_dir, journal.generation)
    for folder in (there.folder.parent, there.folder, there.side(OLD)):
        if not is_real_folder(folder):
            acts.mkdir(folder, 0o700)
    try:
        for number, item in enumerate(items):
            if os.path.lexists(here.at(OLD, number)):
                carry(here.at(OLD, number), there.at(OLD, number), item.old.sha256 if item.old else "", item.path, acts)
        copy(here.journal, there.journal, acts, Meter(0, None), here.journal.name)
        for folder in (there.side(OLD), there.folder, there.folder.parent):
            acts.sync_folder(folder)
        journal.end("done", there.folder.as_posix())
    finally:
        if not journal.ended:
            forget(there, acts)


def carry(source: Path, place: Path, digest: str, shown: str, acts: Acts) -> None:
    """Give a file a second place: by a link on the same disk, else as a copy that is synced and compared.

    digest: the sha256 that it has to have, where it is known. errors: Stale when it has another one; OSError.
    """
    try:
        acts.link(source, place)
    except OSError:
        part = place.with_name(place.name + ".part")
        if os.path.lexists(part):
            acts.unlink(part)
        made = copy(source, part, acts, Meter(0, None), shown)
        if hashed(part, acts, Meter(0, None), shown)[0] != made:
            raise Stale(f"{shown}: its copy in {place.parent} does not read as it was written") from None
        if digest and made != digest:
            raise Stale(f"{shown}: {source} is not what was there before, by its sha256") from None
        shutil.copystat(source, part)
        acts.like(part, source.stat())
        acts.replace(part, place)


def fetch(there: Generation, here: Generation, items: tuple[Item, ...], acts: Acts) -> None:
    """Bring the old files back beside the target. errors: Pruned when one is no longer there; Refusal; OSError."""
    if not is_real_folder(there.folder) or not is_real_folder(there.side(OLD)):
        raise Pruned(f"{there.folder}: what the fix replaced is no longer there: the undo data was pruned")
    enough_room(here.folder, sum(item.old.size for item in items if item.old), there.folder.as_posix())
    for number, item in enumerate(items):
        source, place = there.at(OLD, number), here.at(OLD, number)
        if item.old is None or os.path.lexists(place):
            continue
        if not os.path.lexists(source):
            raise Pruned(f"{item.path}: what the fix replaced is no longer in {there.folder}: the undo data was pruned")
        if source.is_symlink() or not source.is_file():
            raise Refusal(f"{source}: undo data is a plain file, and this is none")
        carry(source, place, item.old.sha256, item.path, acts)
    acts.sync_folder(here.side(OLD))


def forget(there: Generation, acts: Acts) -> None:
    """Take the undo data of a fix out of a folder that people named, as far as it goes."""
    with contextlib.suppress(OSError):
        empty(there.folder, acts)
        acts.rmdir(there.folder.parent)
