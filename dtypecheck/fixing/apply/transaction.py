"""A fix plan turned into bytes: checked, staged beside, swapped in with a journal, and taken back whole when anything fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ...fixplan import FixPlan
from ..outcome import Outcome, Same, outcome
from ..refusal import Refusal
from .acts import Acts
from .backward import make_folders, taken_back
from .check import Meter, changed_paths, check, hashed, pinned, still, to_hash
from .interruption import alone, ended, newest
from .journal import NEW, Generation, Item, Journal, begin, fresh, resume
from .keep import keep, room_for
from .lock import locked
from .out import write_out
from .places import Target, Touched, changeable, is_real_folder, locate
from .plainly import plainly
from .results import CHECKING, DONE, Applied, Told, phase
from .signals import stoppable
from .stage import can_link, enough_room, items_of, stage
from .swap import refuse_changed, turn
from .sweep import sweep, tidy
from .typed import undoing

Verify = Callable[[Path], Sequence[str]]


def apply(
    target: Path,
    plan: FixPlan,
    *,
    out: Path | None = None,
    undo_dir: Path | None = None,
    verify: Verify | None = None,
    told: Told | None = None,
    acts: Acts | None = None,
) -> Applied:
    """Carry a plan out on a folder, or on a single weight file and what stands beside it; or as a new folder `out`.

    undo_dir: a folder that takes what was replaced. verify: looks at the folder when everything is in place; the reasons that
    it gives have all taken back. told: hears how many bytes are done.

    errors: Refusal naming file and cause; whatever was done is taken back then, as it is for KeyboardInterrupt and for
    SIGTERM (SystemExit 143). After a SIGKILL see `interrupted`, `finish` and `undo`.
    """
    if out is not None:
        return write_out(target, plan, out, verify=verify, told=told, acts=acts)
    if not os.path.lexists(target):
        raise Refusal(f"{target}: there is no such file or folder")
    acts = acts or Acts()
    place = locate(target)
    with plainly(), stoppable():
        changeable(place)
        with locked(place, acts):
            tidy(place, acts)
            ended(place)
            alone(place)
            return _carry_out(place, pinned(plan, acts), undo_dir, verify, told, acts)


def finish(
    target: Path,
    *,
    undo_dir: Path | None = None,
    verify: Verify | None = None,
    told: Told | None = None,
    acts: Acts | None = None,
) -> Applied:
    """End forward what was interrupted: exactly the files that the plan in the journal gives are in place then.

    errors: Refusal as for `apply`, and when nothing was interrupted.
    """
    acts = acts or Acts()
    place = locate(target)
    with plainly(), stoppable():
        if not is_real_folder(place.undo):
            raise Refusal(f"{place.label}: no fix of it was interrupted")
        with locked(place, acts):
            tidy(place, acts)
            found = newest(place)
            if found is None or found[1].stage == "ended":
                raise Refusal(f"{place.label}: no fix of it was interrupted")
            changeable(place)
            alone(place)
            generation, record = found
            if record.items is None:
                sweep(generation, acts)
                return _carry_out(place, record.plan, undo_dir, verify, told, acts)
            _still_staged(place, generation, record.items, acts, told)
            journal = resume(generation, record, acts)
            with taken_back(place, journal):
                return _forward(place, journal, undo_dir, verify, told, again=True)


def _carry_out(
    place: Target, plan: FixPlan, undo_dir: Path | None, verify: Verify | None, told: Told | None, acts: Acts
) -> Applied:
    """A plan on a target that is locked. errors: as for `apply`."""
    meter = Meter(to_hash(plan), told)
    known = check(place, plan, True, acts, meter)
    files = Touched(place.root, place.label, tuple(plan.files))
    made = outcome(files, plan.edits)
    if not made.contents and not made.gone:
        return Applied(place.root, (), (), 0)
    meter.total += sum(content.size for content in made.contents.values())
    enough_room(place.undo, _written(made, links=True), place.label)
    if undo_dir is not None:
        room_for(place, undo_dir, items_of(made, known))
    journal = Journal(fresh(place.undo), acts)
    with taken_back(place, journal):
        begin(place, plan, journal)
        if not (links := can_link(journal.generation.side(NEW), acts)):
            enough_room(place.undo, _written(made, links), place.label)
        items, notes = stage(place, files, made, known, journal.generation, links, acts, meter)
        changed = changed_paths(plan)
        for path in known:
            still(place, known, path, follow=path not in changed)
        journal.staged(items, tuple(_missing_folders(place, made)))
        return replace(_forward(place, journal, undo_dir, verify, told, again=False), notes=notes)


def _still_staged(place: Target, generation: Generation, items: tuple[Item, ...], acts: Acts, told: Told | None) -> None:
    """errors: Refusal when what waits to be swapped in is not what the interrupted fix wrote."""
    meter = Meter(sum(item.new.size for item in items if item.new), told)
    for number, item in enumerate(items):
        waiting = generation.at(NEW, number)
        if item.new is None or not os.path.lexists(waiting):
            continue
        plain = not waiting.is_symlink() and waiting.is_file()
        if not plain or hashed(waiting, acts, meter, item.path)[0] != item.new.sha256:
            raise Refusal(f"{item.path}: what was to come in its place is not whole", undoing(place.label))


def _forward(
    place: Target, journal: Journal, undo_dir: Path | None, verify: Verify | None, told: Told | None, again: bool
) -> Applied:
    """Swap what is staged in, and end. again: another process began it, so inodes may have other numbers by now."""
    generation, acts = journal.generation, journal.acts
    if again:
        journal.add(stage="swapping")
    make_folders(place, journal.folders, acts)
    for number, item in enumerate(journal.items):
        journal.add(item=number, to=NEW)
        expect = replace(item.old, inode=0) if again and item.old else item.old
        turn(place, generation, number, item, NEW, acts, expect)
    journal.add(stage="checking")
    phase(told, CHECKING)
    if verify and (reasons := tuple(verify(place.root))):
        raise Refusal(f"{place.label}: it is not as it should be after the fix: {'; '.join(reasons)}")
    refuse_changed(generation, journal.items)
    _end(place, journal, undo_dir)
    phase(told, DONE)
    items = journal.items
    return Applied(
        place.root,
        tuple(item.path for item in items if item.new),
        tuple(item.path for item in items if not item.new),
        sum(item.new.size for item in items if item.new),
        generation.folder,
    )


def _end(place: Target, journal: Journal, undo_dir: Path | None) -> None:
    if undo_dir is None:
        journal.end("done")
        return
    keep(place, undo_dir, journal, journal.items, journal.acts)
    tidy(place, journal.acts)


def _written(made: Outcome, links: bool) -> int:
    """Bytes that new files take."""
    return sum(content.size for content in made.contents.values() if not (links and isinstance(content, Same)))


def _missing_folders(place: Target, made: Outcome) -> Iterator[str]:
    """The folders that new files need and that are not there, the outer ones first."""
    told: set[str] = set()
    for path in sorted(made.contents):
        parts = path.split("/")[:-1]
        for number in range(1, len(parts) + 1):
            folder = "/".join(parts[:number])
            if folder not in told and not (place.root / folder).is_dir():
                told.add(folder)
                yield folder
