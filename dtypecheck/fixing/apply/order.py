"""Fixes of a target, its parts and what it is part of are taken back newest first, where they changed the same files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..refusal import Refusal
from ..traces import around
from .interruption import newest, owner_from
from .journal import OLD, Generation, Record
from .places import Target
from .results import Stale
from .typed import line, undoing


def newer_first(target: Target, record: Record) -> None:
    """errors: Stale, which nothing overrules, where a newer fix of a part or of the whole changed the same files.

    It keeps what this fix wrote: taken back in the other order, the files that were there first would be lost.
    """
    paths = {target.root / item.path: item.path for item in record.items or ()}
    for path, folder in around(target.place):
        owner = owner_from(target, path, folder)
        try:
            found = newest(owner)
        except Refusal:
            continue  # undo data that no fix wrote cannot be taken back either
        if found is None or found[1].began <= record.began:
            continue
        claimed = next((paths[place] for place in _claims(owner, *found) if place in paths), None)
        if claimed is not None:
            text = f"{line(claimed)}: a newer fix, of {line(owner.label)}, changed it too; that one is taken back first"
            raise Stale(text, undoing(owner.label))


def _claims(owner: Target, generation: Generation, record: Record) -> Iterator[Path]:
    """The files that a fix can still put back."""
    for number, item in enumerate(record.items or ()):
        if item.old is None or record.elsewhere or os.path.lexists(generation.at(OLD, number)):
            yield owner.root / item.path
