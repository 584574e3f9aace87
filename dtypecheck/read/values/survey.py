"""From a pipeline to its numbers: every weight file of every component is read once, whoever else names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from ...files import Entry, Files
from ...findings import Where
from ...subjects import Component, Pipeline, Problem, WeightFile, WeightSet
from ...subjects.values import Counted, Depth, Numbers, Survey, Values
from ..header import TRUNCATED, UNREADABLE
from ..located import Place, Unlocated, locate
from .holes import is_skeleton
from .look import LOOKED_AT
from .pieces import overlaps
from .reasons import SKELETON, TOO_LARGE
from .source import Shrunk, open_source
from .stream import count

_MOST_OVERLAP: Final = 4
"""How often the bytes of a file are read at most, on average, when its tensors share them."""


@dataclass(frozen=True, slots=True)
class _File:
    """The numbers of one file by key. skipped: keys of what holds no plain floats; unread: key and reason."""

    numbers: dict[str, Numbers] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()
    unread: tuple[tuple[str, str], ...] = ()
    problem: Problem | None = None


class Surveyor:
    """Looks at the numbers of one place. A file that several components or names share is read once.

    up_to: bytes of the largest file that is read, of those alone that will be loaded, and of no skeleton; None for all there is.
    """

    def __init__(self, files: Files, depth: Depth, told: Callable[[str], None] | None = None, up_to: int | None = None) -> None:
        self.files = files
        self.depth = depth
        self.told = told
        self.up_to = up_to
        self._entries: dict[str, Entry] | None = None
        self._known: dict[str, _File] = {}

    def survey(self, pipeline: Pipeline) -> tuple[Survey, tuple[Problem, ...]]:
        """The numbers of a pipeline, and what went wrong while they were read."""
        problems: dict[Where, Problem] = {}
        values = tuple(self._values(component, problems) for component in pipeline.components)
        return Survey(pipeline, self.depth, values), tuple(problems.values())

    def _values(self, component: Component, problems: dict[Where, Problem]) -> Values:
        chosen = component.loads().chosen
        place = chosen.where if chosen else None
        sets = component.sets if self.up_to is None or chosen is None else (chosen,)
        return Values(component, self.depth, tuple(self._counted(weights, weights.where == place, problems) for weights in sets))

    def _counted(self, weights: WeightSet, chosen: bool, problems: dict[Where, Problem]) -> Counted:
        numbers: list[Numbers] = []
        unread: list[tuple[str, str]] = []
        skipped = 0
        for file in weights.files:
            found = self._file(file)
            if found.problem:
                problems.setdefault(found.problem.where, found.problem)
            keys = frozenset(file.tensors.keys) if file.tensors else frozenset()
            numbers += sorted((n for key, n in found.numbers.items() if key in keys), key=lambda n: n.start)
            skipped += len(found.skipped & keys)
            unread += ((f"{file.path} {key}".rstrip(), why) for key, why in found.unread if not key or key in keys)
        return Counted(weights, tuple(numbers), chosen, skipped, tuple(unread))

    def _file(self, file: WeightFile) -> _File:
        """The numbers of a whole file; nothing for one that has a finding already."""
        entry = self._entry(file.path)
        if entry is None or (file.trouble and file.tensors is None):
            return _File(unread=(("", "it could not be read"),))
        shared = entry.identity.startswith("sha256:")
        known = self._known.get(entry.identity if shared else entry.name)
        if known is None and (why := self._left_out(entry)):
            return _File(unread=(("", why),))
        if known is None:
            if self.told:
                self.told(entry.name)
            known = self._known[entry.identity if shared else entry.name] = _look(self.files, entry, self.depth)
        return known if not shared else _named(known, file.path)

    def _left_out(self, entry: Entry) -> str:
        """Why a file is not read, "" for one that is."""
        if entry.name in getattr(self.files, "hollow", ()):
            return SKELETON
        if self.up_to is None:
            return ""
        if is_skeleton(self.files, entry):
            return SKELETON
        return f"{TOO_LARGE} {self.up_to / 1e9:g} GB" if entry.size > self.up_to else ""

    def _entry(self, name: str) -> Entry | None:
        if self._entries is None:
            self._entries = {entry.name: entry for entry in self.files.entries() if entry.size >= 0}
        return self._entries.get(name)


def _look(files: Files, entry: Entry, depth: Depth) -> _File:
    try:
        found = locate(files, entry)
    except Unlocated as reason:
        return _File(unread=(("", reason.detail),))
    unread = list(found.hidden)
    alike: dict[tuple[object, ...], Place] = {}
    of: dict[str, tuple[object, ...]] = {}
    skipped = []
    for place in found.places:
        if place.dtype not in LOOKED_AT:
            skipped.append(place.key)
        elif overlaps(place):
            unread.append((place.key, "its numbers overlap each other"))
        else:
            of[place.key] = same = (
                place.start,
                place.dtype,
                place.nbytes,
                () if place.contiguous else (place.shape, place.stride),
            )
            alike.setdefault(same, place)
    if sum(min(place.nbytes, place.reach) for place in alike.values()) > _MOST_OVERLAP * entry.size:
        return _File(unread=(("", "its tensors share the same numbers too often"),))
    try:
        tallies = count(tuple(alike.values()), lambda: open_source(files, entry.name), depth == "full")
    except Shrunk as end:
        detail = f"cut short while it was read: it ends before byte {end.at:,}, its header describes more"
        return _File(problem=Problem(TRUNCATED, Where(entry.name), detail))
    except OSError as fault:
        return _File(problem=Problem(UNREADABLE, Where(entry.name), fault.strerror or str(fault)))
    tally = dict(zip(alike, tallies, strict=True))
    numbers = {place.key: tally[of[place.key]].numbers(entry.name, place) for place in found.places if place.key in of}
    return _File(numbers, frozenset(skipped), tuple(unread))


def _named(found: _File, path: str) -> _File:
    """The same under another name of the same bytes."""
    moved = {key: replace(numbers, path=path) for key, numbers in found.numbers.items()}
    problem = found.problem and replace(found.problem, where=Where(path))
    return _File(moved, found.skipped, found.unread, problem)
