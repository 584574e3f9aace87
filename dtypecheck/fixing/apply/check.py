"""Before the first byte is written: every file is still what the plan was made for, and nothing bars the way."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...edits import Bring, Rename, touched, written
from ...fixplan import FixPlan, State
from ..refusal import Refusal
from .acts import Acts
from .places import OUT, Target, way
from .results import Progress, Stale, Told
from .typed import typed


@dataclass(slots=True)
class Meter:
    """Counts the bytes that are done for whoever wants to be told."""

    total: int
    told: Told | None
    done: int = 0

    def add(self, nbytes: int, file: str) -> None:
        """So many more bytes, of this file."""
        self.done = min(self.total, self.done + nbytes)
        if self.told:
            self.told(Progress(self.done, self.total, file))


@dataclass(frozen=True, slots=True)
class Known:
    """A file as it was checked. sha256: "" where the plan does not tell it."""

    status: os.stat_result
    sha256: str

    @property
    def identity(self) -> tuple[int, int, int, int]:
        """What changes when somebody else writes or replaces the file."""
        return identity(self.status)


def identity(status: os.stat_result) -> tuple[int, int, int, int]:
    """Size, time of the last change, inode and device."""
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev


def changed_paths(plan: FixPlan) -> frozenset[str]:
    """The paths that an edit writes or takes away; all others it only reads."""
    paths = {path for edit in plan.edits for path in ((edit.path, written(edit)) if isinstance(edit, Rename) else (edit.path,))}
    return frozenset(paths)


def complete(plan: FixPlan) -> None:
    """errors: Refusal for a plan that does not say what one of its files was."""
    for edit in plan.edits:
        for path in touched(edit):
            if path not in plan.files:
                raise Refusal(f"{path}: the plan changes it and does not say what it was")


def to_hash(plan: FixPlan) -> int:
    """Bytes that the check reads."""
    return sum(state.size for state in plan.files.values() if state.sha256 and state.size > 0)


def check(target: Target, plan: FixPlan, in_place: bool, acts: Acts, meter: Meter) -> Mapping[str, Known]:
    """Every file of the plan that is there, checked by size, and by sha256 where the plan tells it.

    in_place: what is changed may be no link, nor read-only, nor on another disk; otherwise links are followed to read.
    errors: Stale for a file that is another one now; Refusal for one that may not be changed; OSError.
    """
    complete(plan)
    changed = changed_paths(plan)
    found: dict[str, os.stat_result] = {}
    for path, state in plan.files.items():
        target.holds(path)
        place = way(target, path) if in_place and path in changed else target.root / path
        status = _status(place, path, state)
        if status is not None:
            found[path] = status
        if in_place and path in changed:
            _may_change(target, path, status)
    known: dict[str, Known] = {}
    for path, status in found.items():
        digest = plan.files[path].sha256
        if digest:
            follow = not in_place or path not in changed
            made, status = hashed(target.root / path, acts, meter, path, follow)
            if made != digest:
                raise Stale(f"{path}: it is not the file that the plan was made for, by its sha256; make a new plan")
        known[path] = Known(status, digest)
    return known


def _status(place: Path, path: str, state: State) -> os.stat_result | None:
    """What is there, as far as it is what the plan says."""
    try:
        status = place.stat()
    except (FileNotFoundError, NotADirectoryError):
        status = None
    if status is None and state.size >= 0:
        raise Stale(f"{path}: it is gone since the plan was made; make a new plan")
    if status is not None and state.size < 0:
        raise Stale(f"{path}: there is a file of this name now, and none when the plan was made; make a new plan")
    if status is not None and not stat.S_ISREG(status.st_mode):
        raise Refusal(f"{path}: it is no plain file")
    if status is not None and status.st_size != state.size:
        raise Stale(f"{path}: it has {status.st_size:,} bytes, and had {state.size:,} when the plan was made; make a new plan")
    return status


def _may_change(target: Target, path: str, status: os.stat_result | None) -> None:
    if status is not None and not status.st_mode & 0o222:
        raise Refusal(
            f"{path}: it is read-only",
            OUT,
            f"chmod u+w {typed((target.root / path).as_posix() if target.name else f'{target.label}/{path}')}",
        )
    folder = (target.root / path).parent
    while not folder.is_dir():
        folder = folder.parent
    if folder.stat().st_dev != target.root.stat().st_dev:
        raise Refusal(f"{path}: it lies on another disk than {target.label}", OUT, "name its own folder as the target")
    if not os.access(folder, os.W_OK | os.X_OK):
        where = folder.relative_to(target.root).as_posix()
        shown = target.label if where == "." else f"{target.label}/{where}"
        raise Refusal(f"{shown}: no file can be changed in this folder: it is read-only for you", OUT)


def hashed(place: Path, acts: Acts, meter: Meter, shown: str, follow: bool = False) -> tuple[str, os.stat_result]:
    """The sha256 of a file, and what it was meanwhile. errors: Stale when it changes while it is read."""
    handle = acts.open(place, follow)
    try:
        before = os.fstat(handle)
        digest = hashlib.sha256()
        while part := acts.read(handle, place):
            digest.update(part)
            meter.add(len(part), shown)
        after = os.fstat(handle)
    finally:
        os.close(handle)
    if identity(before) != identity(after):
        raise Stale(f"{shown}: it is being written right now")
    return digest.hexdigest(), after


def still(target: Target, known: Mapping[str, Known], path: str, follow: bool) -> None:
    """errors: Stale when a file is no longer the one that was checked."""
    place = target.root / path
    try:
        now = place.stat() if follow else place.lstat()
    except FileNotFoundError:
        raise Stale(f"{path}: it was taken away meanwhile") from None
    if identity(now) != known[path].identity:
        raise Stale(f"{path}: it was changed meanwhile")


def pinned(plan: FixPlan, acts: Acts) -> FixPlan:
    """The plan with the sha256 of every file that it brings from elsewhere, so that no other one can be brought later."""
    steps = []
    for step in plan.steps:
        edits = tuple(
            replace(edit, sha256=hashed(Path(edit.origin), acts, Meter(0, None), edit.origin, follow=True)[0])
            if isinstance(edit, Bring) and not edit.sha256
            else edit
            for edit in step.edits
        )
        steps.append(replace(step, edits=edits))
    return replace(plan, steps=tuple(steps))
