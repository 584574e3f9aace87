"""What a journal tells: read as the data of strangers, every name checked, nothing believed that no fix writes."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ...fixplan import FixPlan
from ..planfile import plan_of
from ..refusal import Refusal
from .acts import NO_FOLLOW
from .journal import LARGEST, NEW, OLD, VERSION, Generation, Held, Item, Record, numbered
from .places import Target, is_real_folder

_MOST_LINES: Final = 4_000_000


def generations(undo: Path) -> tuple[Generation, ...]:
    """The fixes in an undo folder, the newest first. errors: Refusal for a link where a folder should be."""
    if not is_real_folder(undo):
        return ()
    found = [Generation(path) for _, path in sorted(numbered(undo), reverse=True)]
    for generation in found:
        for folder in (generation.folder, generation.side(NEW), generation.side(OLD)):
            is_real_folder(folder)
    return tuple(found)


def read(generation: Generation, target: Target) -> Record | None:
    """What the journal of a generation says; None where it was not yet begun: nothing was done then.

    A last line that a kill cut off counts as not written. errors: Refusal for anything else that no fix writes.
    """
    path = generation.journal
    try:
        handle = os.open(path, os.O_RDONLY | NO_FOLLOW)
    except FileNotFoundError:
        if any(os.listdir(generation.side(side)) for side in (NEW, OLD) if generation.side(side).is_dir()):
            raise Refusal(f"{path}: the journal is missing; what the folder holds cannot be told") from None
        return None
    with os.fdopen(handle, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Refusal(f"{path}: more than {LARGEST:,} bytes is no journal of a fix")
    lines = data.split(b"\n")[:-1]
    if not lines:
        return None
    if len(lines) > _MOST_LINES:
        raise Refusal(f"{path}: {len(lines):,} lines are no journal of a fix")
    reading = _Reading(target)
    for number, line in enumerate(lines, 1):
        with _broken(path, number):
            reading.take(json.loads(line), number)
    return reading.record


@contextlib.contextmanager
def _broken(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        text = str(fault) if isinstance(fault, Refusal) else f"{type(fault).__name__}: {str(fault)[:200]}"
        raise Refusal(f"{path}: the journal is broken at line {number}: {text}") from None


@dataclass(slots=True)
class _Reading:
    target: Target
    record: Record = field(default_factory=lambda: Record(FixPlan(""), ""))

    def take(self, line: Mapping[str, Any], number: int) -> None:
        """One line. errors: anything that is not as it is written."""
        was = self.record
        if number == 1:
            if line["journal"] != VERSION:
                raise Refusal(f"version {line['journal']!r}, this dtypecheck reads version {VERSION}")
            if line["single"] != self.target.name:
                raise Refusal(f"it is about {str(line['single']) or 'a folder'!r}, not about {self.target.label}")
            began = line.get("began", 0)
            if type(began) is not int or began < 0:
                raise Refusal("the time when it began is none")
            self.record = Record(plan_of(line["plan"]), self.target.name, began=began)
            return
        if "staged" in line:
            items = tuple(_item(item) for item in line["staged"])
            folders = tuple(_text(name) for name in line["folders"])
            for path in (*(item.path for item in items), *folders):
                self.target.holds(path)
            if len({item.path for item in items}) != len(items):
                raise Refusal("it names a path twice")
            self.record = replace(was, items=items, folders=folders, stage="swapping")
        elif "stage" in line and line["stage"] in ("swapping", "checking", "undoing"):
            self.record = replace(was, stage=line["stage"], result="")
        elif "ended" in line and line["ended"] in ("done", "undone"):
            self.record = replace(was, stage="ended", result=line["ended"], elsewhere=_text(line["elsewhere"]))
        elif "item" not in line:
            raise Refusal("no fix writes such a line")
        if self.record.items is None and self.record.stage not in ("staging", "undoing", "ended"):
            raise Refusal("files are moved that were never written")


def _item(data: Mapping[str, Any]) -> Item:
    if data.keys() != {"path", "new", "old"}:
        raise Refusal("an item has a path, what is new and what was old")
    item = Item(_text(data["path"]), _held(data["new"]), _held(data["old"]))
    if item.new is None and item.old is None:
        raise Refusal(f"{item.path}: nothing before and nothing after")
    return item


def _held(data: Mapping[str, Any] | None) -> Held | None:
    if data is None:
        return None
    held = Held(**data)
    if type(held.size) is not int or type(held.mtime) is not int or type(held.inode) is not int or held.size < 0:
        raise Refusal("a size is no number")
    if not re.fullmatch(r"([0-9a-f]{64})?", held.sha256):
        raise Refusal("a sha256 is none")
    return held


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise Refusal(f"{value!r} stands where a text should be")
    return value
