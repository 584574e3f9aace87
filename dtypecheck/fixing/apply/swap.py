"""An item goes from one side to the other and back: whole at every moment, and told by the disk alone, whoever was killed."""

from __future__ import annotations

import os
from pathlib import Path

from ..refusal import Refusal
from .acts import Acts
from .journal import NEW, OLD, Generation, Held, Item
from .places import Target, way
from .results import Pruned, Stale


def turn(
    target: Target, generation: Generation, number: int, item: Item, to: str, acts: Acts, expect: Held | None = None
) -> None:
    """Put the `to` side of an item in place and keep the other one in the generation. Done twice, it is done once.

    What comes waits at `generation/to/number`; what goes is linked to (or, where the disk has no links, moved to) the other
    side first, so that its name always means one of the two. expect: what goes has to be this file, to the time of its last
    change. errors: Stale, Pruned, Refusal, OSError; nothing is lost by any of them.
    """
    here = way(target, item.path)
    other = OLD if to == NEW else NEW
    coming, going = generation.at(to, number), generation.at(other, number)
    comes, goes = (item.new, item.old) if to == NEW else (item.old, item.new)
    if comes is not None and os.path.lexists(coming):
        if os.path.lexists(here) and here.samefile(coming):
            acts.unlink(coming)  # it is in place already; renaming a file onto itself would do nothing
        elif goes is not None:
            _keep(here, going, item.path, expect, acts)
            acts.replace(coming, here)
        else:
            _create(coming, here, item.path, acts)
    elif comes is None and goes is not None:
        if to == NEW or not _is_of_others(here, going):
            _away(here, going, item.path, expect, acts)
    elif not os.path.lexists(here):
        raise Pruned(f"{item.path}: what it was is no longer in {generation.folder}")
    for folder in (here.parent, generation.side(to), generation.side(other)):
        if folder.is_dir():
            acts.sync_folder(folder)


def is_new(target: Target, generation: Generation, number: int, item: Item) -> bool:
    """Whether the new side of an item is in place."""
    if item.new is not None:
        return not os.path.lexists(generation.at(NEW, number))
    return os.path.lexists(generation.at(OLD, number)) and not os.path.lexists(target.root / item.path)


def _keep(here: Path, going: Path, path: str, expect: Held | None, acts: Acts) -> None:
    """Give what goes a name in the generation, its own name staying where links allow it."""
    if not os.path.lexists(here):
        if not os.path.lexists(going) and expect:
            raise Stale(f"{path}: it was taken away meanwhile")
        return
    if os.path.lexists(going):
        _is(here, going, path)
        return
    if expect:
        _as_expected(here, expect, path)
    _two_names(here, going, acts)
    if expect:
        _as_expected(going, expect, path)


def _two_names(here: Path, going: Path, acts: Acts) -> None:
    try:
        acts.link(here, going)
    except OSError:
        acts.replace(here, going)


def _create(coming: Path, here: Path, path: str, acts: Acts) -> None:
    """Put a file where none is. A link fails where there is one, a rename would not."""
    if os.path.lexists(here):
        raise Stale(f"{path}: there is a file of this name now")
    try:
        acts.link(coming, here)
    except FileExistsError:
        raise Stale(f"{path}: there is a file of this name now") from None
    except OSError:
        acts.replace(coming, here)
    else:
        acts.unlink(coming)


def _away(here: Path, going: Path, path: str, expect: Held | None, acts: Acts) -> None:
    """Move what goes out of the target; nothing comes."""
    if os.path.lexists(going):
        if os.path.lexists(here):
            _is(here, going, path)
            acts.unlink(here)
        return
    if not os.path.lexists(here):
        if expect:
            raise Stale(f"{path}: it was taken away meanwhile")
        return
    if expect:
        _as_expected(here, expect, path)
    acts.replace(here, going)
    if expect:
        _as_expected(going, expect, path)


def _is_of_others(here: Path, going: Path) -> bool:
    """Whether a file stands where a new one was to go and did not come to: it is none of ours."""
    return os.path.lexists(here) and os.path.lexists(going) and not here.samefile(going)


def _is(here: Path, going: Path, path: str) -> None:
    if not here.samefile(going):
        raise Stale(f"{path}: somebody wrote another file of this name meanwhile")


def _as_expected(place: Path, held: Held, path: str) -> None:
    status = place.lstat()
    if (status.st_size, status.st_mtime_ns) != (held.size, held.mtime) or (held.inode and status.st_ino != held.inode):
        raise Stale(f"{path}: it was changed meanwhile")


def refuse_changed(generation: Generation, items: tuple[Item, ...]) -> None:
    """errors: Stale when somebody has written into a file after it was moved out: the program had it open."""
    for number, item in enumerate(items):
        place = generation.at(OLD, number)
        if item.old is not None and os.path.lexists(place):
            _as_expected(place, item.old, item.path)


def still_kept(target: Target, generation: Generation, items: tuple[Item, ...]) -> None:
    """errors: Pruned when something that was replaced is no longer kept; Refusal for a link or a folder in its place."""
    for number, item in enumerate(items):
        for side in (OLD, NEW):
            place = generation.at(side, number)
            if not os.path.lexists(place):
                continue
            if place.is_symlink() or not place.is_file():
                raise Refusal(f"{place}: undo data is a plain file, and this is none")
            if side == OLD and item.old is not None and place.lstat().st_size != item.old.size:
                raise Pruned(f"{item.path}: what is kept of it in {place} has not the bytes that it had")
        if item.old is None or os.path.lexists(generation.at(OLD, number)):
            continue
        one_file = item.new is not None and item.new.inode == item.old.inode != 0
        taken = is_new(target, generation, number, item) if item.new else not os.path.lexists(target.root / item.path)
        if taken and not one_file:
            raise Pruned(f"{item.path}: what the fix replaced is no longer in {generation.folder}: the undo data was pruned")
