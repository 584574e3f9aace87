"""A target as it was before the fix that is being verified: what was replaced is read where it is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...files import Directory, Entry, Files, OneFile
from ...fixplan import FixPlan
from .interruption import newest
from .journal import OLD
from .places import Touched, locate


@dataclass(frozen=True, slots=True)
class Before:
    """Files that lie in `now` but for those of `kept`: where their old bytes are, None for files that were not there."""

    now: Files
    kept: Mapping[str, Path | None] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What people call the target."""
        return self.now.label

    def entries(self) -> Iterator[Entry]:
        """Every file as it was, sorted by the parts of its name."""
        found = [entry for entry in self.now.entries() if entry.name not in self.kept]
        for name, path in self.kept.items():
            if path is not None:
                status = path.stat()
                found.append(Entry(name, status.st_size, f"{status.st_dev}:{status.st_ino}"))
        yield from sorted(found, key=lambda entry: entry.name.split("/"))

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file as it was."""
        path = self.kept.get(name)
        return OneFile(path).read(path.name, start, length) if path is not None else self.now.read(name, start, length)


def before_and_after(target: Path) -> tuple[Files, Files]:
    """The files of a target as they were before its newest fix, and as they are now.

    Of a single file only those that the fix names: what else lies in its folder is none of the target.
    """
    place = locate(target)
    found = newest(place)
    items = (found[1].items or ()) if found else ()
    names = tuple(dict.fromkeys((place.name, *(item.path for item in items))))
    now: Files = Touched(place.root, place.label, names) if place.name else Directory(place.root, place.label)
    kept: dict[str, Path | None] = {}
    for number, item in enumerate(items):
        old = found[0].at(OLD, number) if found else place.root
        if item.old is None:
            kept[item.path] = None
        elif os.path.lexists(old):
            kept[item.path] = old
    return Before(now, kept), now


def planned(target: Path) -> FixPlan:
    """The plan of the newest fix of a target, as its journal holds it; an empty one where there is none. errors: Refusal."""
    place = locate(target)
    found = newest(place)
    return found[1].plan if found else FixPlan(place.label)
