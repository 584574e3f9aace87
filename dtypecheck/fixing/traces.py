"""Where undo data lies: beside a target, and around it what its parts, and what it is part of, have. Light: every scan asks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..files import SKIPPED_FOLDERS, SUFFIX_OF_UNDO

_ABOVE: Final = 3
_BELOW: Final = 2
"""Levels of folders above and below a target in which undo data is looked for."""


def undo_of(place: Path) -> Path:
    """Where the undo data of a folder, or of a single file, lies."""
    return place.parent / f".{place.name}{SUFFIX_OF_UNDO}"


def owner_of(undo: Path) -> Path:
    """What an undo folder belongs to."""
    return undo.parent / undo.name[1:].removesuffix(SUFFIX_OF_UNDO)


def around(place: Path) -> Iterator[tuple[str, Path]]:
    """The undo folders around a real folder or file, but its own: what each is about, seen from there, and where it lies."""
    above = place
    for _ in range(_ABOVE):
        above = above.parent
        if above.name and os.path.isdir(folder := undo_of(above)):  # noqa: PTH112 - Path's raises where the name is too long
            yield ".", folder
    if place.is_dir():
        yield from _below(place, "", _BELOW)


def any_of(target: Path) -> bool:
    """Whether there is undo data of a target, or around it."""
    place = target.resolve() if target.is_dir() else target.parent.resolve() / target.name
    return (bool(place.name) and os.path.lexists(undo_of(place))) or any(True for _ in around(place))


def _below(folder: Path, prefix: str, levels: int) -> Iterator[tuple[str, Path]]:
    try:
        with os.scandir(folder) as listing:
            items = sorted((item for item in listing if item.is_dir(follow_symlinks=False)), key=lambda item: item.name)
    except OSError:
        return
    for item in items:
        if item.name.endswith(SUFFIX_OF_UNDO) and item.name.startswith("."):
            yield prefix + item.name[1:].removesuffix(SUFFIX_OF_UNDO), Path(item.path)
        elif levels and item.name not in SKIPPED_FOLDERS:
            yield from _below(Path(item.path), f"{prefix}{item.name}/", levels - 1)
