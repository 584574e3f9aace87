"""Places as a settings file or a baseline speaks of them: from its own folder, with globs that mean whole folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ground:
    """What is looked at, as it was given, and the working directory that it was given in."""

    targets: tuple[Path, ...] = ()
    here: Path = field(default_factory=Path.cwd)


def named(place: Path, folder: Path) -> str:
    """What a place is called from a folder, with `/`; the whole path where there is no way from one to the other (two drives)."""
    try:
        return Path(os.path.relpath(place, folder)).as_posix()
    except ValueError:
        return place.as_posix()


def fits(name: str, globs: Iterable[str]) -> bool:
    """Whether a path fits one of some globs: `*` stands for folders too, and a folder means everything in it."""
    for glob in globs:
        plain = glob.removeprefix("./").rstrip("/") or "*"
        for wanted in {plain, plain.removeprefix("**/")}:
            if fnmatchcase(name, wanted) or fnmatchcase(name, f"{wanted}/*") or fnmatchcase(f"{name}/", wanted):
                return True
    return False
