"""What `undo --force` takes out of the way is kept beside the target: it may be the only copy of somebody's work."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from .journal import NEW, Item, Journal
from .places import Target, is_real_folder
from .typed import line, near

KEPT: Final = "kept-"


def kept_aside(target: Target, journal: Journal, forced: Collection[int]) -> Iterator[str]:
    """Move what no fix wrote from among the new files to a folder of its own; what people should know of each.

    forced: the items whose files were moved out of the way by this undo; one that was killed may have moved others.
    """
    generation, acts = journal.generation, journal.acts
    for number, item in enumerate(journal.items):
        place = generation.at(NEW, number)
        if not os.path.lexists(place) or (number not in forced and _is_written(place, item)) or _has_other_names(place):
            continue
        to = target.undo / f"{KEPT}{generation.folder.name}" / item.path
        for folder in reversed(to.relative_to(target.undo).parents):
            if folder.name and not is_real_folder(target.undo / folder):
                acts.mkdir(target.undo / folder, 0o700)
        acts.replace(place, to)
        acts.sync_folder(to.parent)
        yield f"{line(item.path)}: what it was since the fix is kept as {line(near(to))}"


def _is_written(place: Path, item: Item) -> bool:
    """Whether a file looks like what the fix wrote; hashing all of them again is not worth it here."""
    status = place.lstat()
    return item.new is not None and (status.st_size, status.st_mtime_ns) == (item.new.size, item.new.mtime)


def _has_other_names(place: Path) -> bool:
    """True for a file that stays somewhere: what a fix renamed has one content under both names."""
    return place.lstat().st_nlink > 1
