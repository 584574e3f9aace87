"""The state of the files that a plan touches: what must still be so when it is applied."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from ..edits import Edit, touched
from ..files import Files
from ..fixplan import State

if TYPE_CHECKING:
    from .apply import Progress

_CHUNK: Final = 1 << 24


def states(files: Files, edits: Iterable[Edit], hashed: bool, told: Callable[[Progress], None] | None = None) -> dict[str, State]:
    """Every file that the edits touch, with its size, and its sha256 where `hashed`; size -1 for one that is not there."""
    sizes = {entry.name: entry.size for entry in files.entries()}
    paths = sorted({path for edit in edits for path in touched(edit)})
    total = sum(max(0, sizes.get(path, 0)) for path in paths)
    found: dict[str, State] = {}
    done = 0
    for path in paths:
        size = sizes.get(path, -1)
        digest = sha256_of(files, path, size) if hashed and size >= 0 else ""
        done += max(0, size)
        if told and hashed:
            from .apply import Progress

            told(Progress(done, total, path))
        found[path] = State(size, digest)
    return found


def sha256_of(files: Files, path: str, size: int) -> str:
    """The sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    for start in range(0, size, _CHUNK):
        digest.update(files.read(path, start, min(_CHUNK, size - start)))
    return digest.hexdigest()
