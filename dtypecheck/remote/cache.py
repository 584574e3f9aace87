"""Models of the Hub that are on this disk already: the snapshot that a name and a revision mean, and whether it is whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ..files import Directory, Source
from ..knowledge import Knowledge
from ..read.header import MISSING_SHARD, UNREADABLE, WEIGHTS_MISSING
from ..read.layout import Reader
from .hub import COMMIT

_LACKING: Final = (WEIGHTS_MISSING, MISSING_SHARD, UNREADABLE)


def caches() -> tuple[Path, ...]:
    """Where the Hub's libraries keep what they fetched. source: huggingface_hub constants.py"""
    named = [os.environ[key] for key in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") if os.environ.get(key)]
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return tuple(Path(place).expanduser() for place in named[:1]) or (Path(home).expanduser() / "hub",)


def commit_of(repo: str, revision: str = "") -> tuple[Path, str] | None:
    """The cache's folder of a repository and the commit that a revision means in it; None where it is not known."""
    for cache in caches():
        place = cache / f"models--{repo.replace('/', '--')}"
        if COMMIT.fullmatch(revision):
            return (place, revision) if (place / "snapshots" / revision).is_dir() else None
        try:
            with (place / "refs" / (revision or "main")).open(encoding="ascii") as file:
                commit = file.read(64).strip()
        except (OSError, ValueError):
            continue
        if COMMIT.fullmatch(commit) and (place / "snapshots" / commit).is_dir():
            return place, commit
    return None


def snapshot(repo: str, revision: str = "", label: str = "") -> Directory | None:
    """What the cache holds of a repository at a revision, whole or not; None where it holds nothing."""
    found = commit_of(repo, revision)
    if found is None:
        return None
    place, commit = found
    return Directory(place / "snapshots" / commit, label or repo, source=Source(repo, "cache", commit))


def is_whole(files: Directory, known: Knowledge) -> bool:
    """True where every part that the settings name has weights, and every shard that an index names is there."""
    found = False
    for reading in Reader(files, known).readings():
        if any(problem.kind in _LACKING for problem in reading.problems):
            return False
        found = found or (reading.pipeline is not None and bool(reading.pipeline.components))
    return found
