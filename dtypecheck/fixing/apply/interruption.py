"""What the journals beside a target, and around it, tell about fixes that did not end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..refusal import Refusal
from ..traces import around, owner_of
from .journal import Generation, Record
from .lock import holder
from .places import Target, locate
from .recount import generations, read
from .results import Interrupted, Locked, Unended
from .swap import is_new
from .typed import near, ways


def interrupted(target: Path) -> Interrupted | None:
    """The fix or undo of a target that did not end, or that is at work right now; None when there is none.

    errors: Refusal for a journal that no fix wrote; OSError where it cannot be read.
    """
    return of(locate(target))


def of(target: Target) -> Interrupted | None:
    """As `interrupted`, for a target that was located."""
    found = newest(target)
    if found is None or found[1].stage == "ended":
        return None
    generation, record = found
    items = record.items or ()
    done = sum(is_new(target, generation, number, item) for number, item in enumerate(items))
    process = holder(target.undo)
    process = 0 if process == os.getpid() else process
    return Interrupted(target.root, record.stage, done, len(items), process, _text(record.stage, done, len(items), process))


def newest(target: Target) -> tuple[Generation, Record] | None:
    """The newest fix of a target that was begun, and what its journal tells."""
    for generation in generations(target.undo):
        record = read(generation, target)
        if record is not None and record.result != "undone":
            return generation, record
    return None


def unended(target: Path) -> Iterator[tuple[str, str]]:
    """Fixes of the target, of what it is part of and of its parts that have not ended: a path in the target, and what happened.

    A journal that cannot be read is told like one that did not end.
    """
    yield from ((path, text) for path, text, _ in unfinished(target))


def unfinished(target: Path) -> Iterator[tuple[str, str, str]]:
    """As `unended`, and with what is to be typed about each."""
    place = locate(target)
    here = [(place.name or ".", place), *((path, owner_from(place, path, folder)) for path, folder in around(place.place))]
    for path, owner in here:
        try:
            found = of(owner)
        except (Refusal, OSError) as fault:
            yield path, f"the undo data of a fix cannot be read: {fault}", ""
        else:
            if found:
                yield path, found.text, ", ".join(" ".join(way.split("  ")) for way in ways(owner.label))


def owner_from(target: Target, path: str, undo: Path) -> Target:
    """Whose undo data it is, called as the target is. path: of the owner in the target, "." for what the target is part of."""
    owner = owner_of(undo)
    label = near(owner) if path == "." else f"{target.label.rstrip('/')}/{path}"
    return replace(locate(owner), label=label)


def alone(target: Target) -> None:
    """errors: Unended or Locked when a part of the target, or what it is part of, is in the middle of a fix."""
    for path, folder in around(target.place):
        owner = owner_from(target, path, folder)
        if process := holder(folder):
            raise Locked(f"{owner.label}: process {process} is changing it right now")
        if found := of(owner):
            raise Unended(f"{owner.label}: {found.text}", *ways(owner.label))


def ended(target: Target) -> None:
    """errors: Unended when an earlier fix of the target itself did not end."""
    if found := of(target):
        raise Unended(f"{target.label}: {found.text}", *ways(target.label))


def _text(stage: str, done: int, of: int, process: int) -> str:
    files = f"{of} file{'s' if of != 1 else ''}"
    how = f"process {process} is at it right now" if process > 0 else "another process is at it right now" if process else ""
    match stage:
        case "staging":
            what = "nothing was changed yet"
        case "checking":
            what = f"{files} are changed, and were not verified"
        case "undoing":
            what = f"{of - done} of {files} are as before"
        case _:
            what = f"{done} of {files} are changed"
    verb = "an undo" if stage == "undoing" else "a fix"
    return f"{verb} {'has not ended' if process else 'was interrupted'}: {what}" + (f"; {how}" if how else "")
