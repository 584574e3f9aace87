"""The state of a place in a few letters: as long as it is the same, nothing in it has changed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

from .. import __version__
from ..files import Files, source_of
from ..knowledge import folder, folders
from ..plugins import plugins

YOUNG: Final = 2_000_000_000
"""Nanoseconds: what was changed so short ago may change again without a later time of change."""


def state_of(files: Files) -> str:
    """Of the files of a place: their names, sizes, inodes and times of change, their hashes, or the commit of a repository.

    "" where it cannot be told: something cannot be listed, or was changed just now.
    """
    source = source_of(files)
    if source is not None and source.kind == "hub" and source.revision:
        return source.revision
    digest, newest = blake2b(digest_size=20), 0
    for name, size, identity, stamp in files.entries():
        if size < 0:
            return ""
        newest = max(newest, stamp)
        digest.update(f"{name}\0{size}\0{identity}\0{stamp}\n".encode("utf-8", "surrogatepass"))
    return "" if newest > time.time_ns() - YOUNG else digest.hexdigest()


def key_of(kind: str, target: str, asked: Mapping[str, object]) -> bytes:
    """What a result is kept under. kind: of the result; asked: whatever it depends on besides the files, as JSON can say it."""
    text = json.dumps([kind, target, asked, judge()], sort_keys=True)
    return blake2b(text.encode(), digest_size=16).digest()


@cache
def judge() -> str:
    """Who judges: the version of this package and of its plugins; in a checkout also when it was changed last."""
    told = [__version__, *(f"{plugin.distribution} {plugin.value}" for plugin in plugins())]
    root = Path(__file__).parents[1]
    if folder().parent != root:
        told.append(_changed(root, "*.py"))
    places = folders()
    told += [_changed(place, "*.toml") for place in (places if folder().parent != root else places[1:])]
    return "\n".join(told)


def rows_of(places: tuple[Path, ...]) -> list[str]:
    """The state of folders of further rows."""
    return [f"{place.absolute()} {_changed(place, '*.toml')}" for place in places]


def _changed(place: Path, pattern: str) -> str:
    found = [(path, path.stat()) for path in place.rglob(pattern)]
    return f"{len(found)}:{sum(status.st_size for _, status in found)}:{max((s.st_mtime_ns for _, s in found), default=0)}"
