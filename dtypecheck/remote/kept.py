"""A folder that holds a model's settings and headers, and what it tells of the model that it was made of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ..files import Directory, Entry, Files, OneFile, Source, place

NOTE: Final = "dtypecheck-skeleton.json"
"""The file of a skeleton that says what it is one of."""
_KINDS: Final = ("hub", "cache", "url", "store", "archive")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LARGEST: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A directory whose weight files have a header and nothing behind it. hollow: their names; hashes: sha256 by name.

    hashes are of the files that it was made of: what is judged here are their headers.
    """

    directory: Directory
    source: Source | None = None
    hollow: frozenset[str] = frozenset()
    hashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What people call it."""
        return self.directory.label

    def entries(self) -> Iterator[Entry]:
        """Every file but the note."""
        for entry in self.directory.entries():
            if entry.name != NOTE:
                sha256 = self.hashes.get(entry.name)
                yield entry._replace(identity=f"sha256:{sha256}") if sha256 and entry.size >= 0 else entry

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file: behind the header of a weight file they are zeros."""
        return self.directory.read(name, start, length)


def place_of(path: Path, label: str | None = None) -> Files:
    """The Files of a path on this disk: a directory, a skeleton, or a single file."""
    found: Directory | OneFile = place(path, label)
    if isinstance(found, OneFile):
        return found
    if not (path / NOTE).is_file():
        return replace(found, source=_cached(path))
    told = _told(path / NOTE)
    if told is None:
        return found
    source, files = told.get("source"), told.get("files")
    rows: dict[str, dict[str, Any]] = {}
    if isinstance(files, dict):
        rows = {name: row for name, row in files.items() if isinstance(row, dict)}
    hashes = {
        name: row["sha256"]
        for name, row in rows.items()
        if isinstance(row.get("sha256"), str) and _SHA256.fullmatch(row["sha256"])
    }
    hollow = frozenset(name for name, row in rows.items() if row.get("hollow") is True)
    return Skeleton(found, _source(source), hollow, hashes)


def _cached(path: Path) -> Source | None:
    """What a snapshot in a cache of the Hub is one of, by the names of the folders that it lies in."""
    here = path.absolute()
    folder = here.parent.parent.name
    if here.parent.name != "snapshots" or not folder.startswith("models--") or not _COMMIT.fullmatch(here.name):
        return None
    return Source(folder.removeprefix("models--").replace("--", "/"), "cache", here.name)


def note(files: Mapping[str, Entry], hollow: frozenset[str], source: Source | None) -> str:
    """The text of the note. files: those of the model, by name."""
    rows = {
        name: {
            "bytes": entry.size,
            "sha256": entry.identity.removeprefix("sha256:") if entry.identity.startswith("sha256:") else None,
            "hollow": name in hollow,
        }
        for name, entry in files.items()
    }
    told = {"target": source.target, "kind": source.kind, "revision": source.revision} if source else None
    return json.dumps({"dtypecheck_skeleton": 1, "source": told, "files": rows}, indent=1) + "\n"


def _told(path: Path) -> dict[str, Any] | None:
    """The content of a note, None for a file that only goes by the name of one."""
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and told.get("dtypecheck_skeleton") == 1 else None


def _source(told: object) -> Source | None:
    if not isinstance(told, dict) or told.get("kind") not in _KINDS:
        return None
    target, revision = told.get("target"), told.get("revision")
    return Source(target, told["kind"], revision, True) if isinstance(target, str) and isinstance(revision, str) else None
