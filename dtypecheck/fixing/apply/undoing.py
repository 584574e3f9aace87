"""The newest fix taken back, wherever it stopped; refused where it would take away what somebody else wrote since."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ...read.shown import shown
from ..refusal import Refusal
from .acts import Acts
from .aside import kept_aside
from .backward import all_turned, make_folders, remove_folders
from .check import Meter, hashed
from .interruption import alone, newest
from .journal import NEW, OLD, Generation, Held, Journal, Record, resume
from .keep import elsewhere, fetch, forget
from .lock import locked
from .order import newer_first
from .places import Target, is_real_folder, locate, way
from .plainly import plainly
from .recount import generations
from .results import DONE, NothingToUndo, Stale, Told, Undone, phase
from .signals import stoppable, undisturbed
from .swap import is_new, still_kept
from .sweep import sweep, tidy
from .typed import line, typed, undoing


def undo(
    target: Path, *, undo_dir: Path | None = None, force: bool = False, told: Told | None = None, acts: Acts | None = None
) -> Undone:
    """Take the newest fix of a target back: every file is then what it was, to the byte and the time of its last change.

    undo_dir: as the fix had it. force: also where a file that the fix wrote was changed since; it is kept in the undo folder.

    errors: NothingToUndo; Pruned, one of it, when what was replaced is no longer kept; Stale for a file that was changed
    since; Locked; Refusal for undo data that no fix wrote. Nothing is changed by any of them.
    """
    acts = acts or Acts()
    place = locate(target)
    with plainly(), stoppable():
        if not is_real_folder(place.undo):
            raise NothingToUndo(f"{place.label}: nothing to undo: no fix of it is recorded, or its undo data was pruned")
        with locked(place, acts):
            tidy(place, acts)
            found = newest(place)
            if found is None:
                raise NothingToUndo(f"{place.label}: nothing to undo: no fix of it is recorded, or its undo data was pruned")
            alone(place)
            return _undone(place, *found, undo_dir, force, told, acts)


def _undone(
    place: Target, generation: Generation, record: Record, undo_dir: Path | None, force: bool, told: Told | None, acts: Acts
) -> Undone:
    notes: tuple[str, ...] = ()
    there = elsewhere(place, undo_dir, generation) if undo_dir is not None else None
    journal = resume(generation, record, acts)
    if record.items is not None:
        if record.elsewhere:
            if there is None:
                text = f"{place.label}: what the fix replaced was moved to {shown(record.elsewhere, 1000)}"
                raise Refusal(text, f"--undo-dir {typed(Path(record.elsewhere).parent.parent.as_posix())}")
            fetch(there, generation, journal.items, acts)
        still_kept(place, generation, journal.items)
        newer_first(place, record)
        forced = _unchanged(place, journal, force, told)
        _turn_back(place, journal, record)
        phase(told, DONE)
        notes = tuple(kept_aside(place, journal, forced))
    with contextlib.suppress(OSError):  # all is as before: taking the generation away says so as well
        journal.end("undone")
    sweep(generation, acts)
    if there is not None:
        forget(there, acts)
    left = len(generations(place.undo)) if place.undo.is_dir() else 0
    names = (place.place.name if step.place in ("", ".") else step.place for step in record.plan.steps)
    changes = tuple(shown(f"{name}: {step.change}") for name, step in zip(names, record.plan.steps, strict=True))
    return Undone(tuple(item.path for item in journal.items), changes, left, record.stage != "ended", notes)


def _turn_back(place: Target, journal: Journal, record: Record) -> None:
    """All old files in place; when that fails for a fix that was whole, it is whole again."""
    journal.add(stage="undoing")
    try:
        all_turned(place, journal, OLD)
        remove_folders(place, journal.folders, journal.acts)
    except BaseException as fault:
        fault.add_note("the fix is in place as it was" if record.stage == "ended" else f"{undoing(place.label)} goes on with it")
        if record.stage == "ended":
            with undisturbed():
                make_folders(place, journal.folders, journal.acts)
                all_turned(place, journal, NEW)
                journal.end("done", record.elsewhere)
        raise


def _unchanged(place: Target, journal: Journal, force: bool, told: Told | None) -> set[int]:
    """errors: Stale for the first file that is not what the fix wrote. force: it is moved out of the way instead; which ones."""
    moved = set()
    generation = journal.generation
    meter = Meter(sum(item.new.size for item in journal.items if item.new), told)
    for number, item in enumerate(journal.items):
        here, kept = way(place, item.path), [generation.at(side, number) for side in (OLD, NEW)]
        if not os.path.lexists(here):
            continue
        if item.new is not None and is_new(place, generation, number, item):
            if _is_written(here, item.new, item.path, journal.acts, meter):
                continue
        elif not os.path.lexists(kept[0]) or any(os.path.lexists(one) and here.samefile(one) for one in kept):
            continue
        if not force:
            what = "it was changed since the fix" if item.new else "there is a file of this name since the fix"
            raise Stale(f"{line(item.path)}: {what}, and undo would take that away", "--force")
        journal.acts.replace(here, generation.at(NEW, number))
        moved.add(number)
    return moved


def _is_written(here: Path, new: Held, path: str, acts: Acts, meter: Meter) -> bool:
    return here.lstat().st_size == new.size and hashed(here, acts, meter, path)[0] == new.sha256
