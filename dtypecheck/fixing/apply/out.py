"""`--out DIR`: the fixed model as a new folder, the source left alone; it has its name only when it is whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...files import SUFFIX_OF_PART, UNREADABLE, Directory, Files
from ...fixplan import FixPlan
from ..outcome import Content, Same, outcome
from ..refusal import Refusal
from .acts import Acts
from .check import Meter, check, still, to_hash
from .places import Target, Touched, locate
from .plainly import plainly
from .results import CHECKING, DONE, Applied, Locked, Told, phase
from .signals import stoppable
from .stage import enough_room, naming, write


def write_out(
    target: Path,
    plan: FixPlan,
    out: Path,
    *,
    verify: Callable[[Path], Sequence[str]] | None = None,
    told: Told | None = None,
    acts: Acts | None = None,
) -> Applied:
    """Write what the target would be after the plan into the new folder `out`; links are followed to read.

    Version control, caches and undo data are left out. verify: looks at the new folder before it has its name; the reasons
    that it gives have it removed.

    errors: Refusal naming file and cause; there is no new folder then.
    """
    acts = acts or Acts()
    place = locate(target)
    if not os.path.lexists(target):
        raise Refusal(f"{target}: there is no such file or folder")
    with plainly(), stoppable():
        new = _free(place, out)
        names = tuple(dict.fromkeys((*plan.files, *([place.name] if place.name else ()))))
        files: Files = Touched(place.root, place.label, names) if place.name else Directory(place.root, place.label)
        meter = Meter(to_hash(plan), told)
        known = check(place, plan, False, acts, meter)
        contents, gone = _contents(place, files, plan)
        total = sum(content.size for content in contents.values())
        meter.total += total
        enough_room(new.parent, total, f"--out {out}")
        with _staging(new, acts) as part:
            notes: list[str] = []
            for path, content in contents.items():
                with naming(path):
                    notes += _written(content, path, part, files, place.root, acts, meter)
            for path in known:
                still(place, known, path, follow=True)
            for folder, _, _ in os.walk(part):
                acts.sync_folder(Path(folder))
            phase(told, CHECKING)
            if verify and (reasons := tuple(verify(part))):
                raise Refusal(f"{out}: it is not as it should be after the fix: {'; '.join(reasons)}; it was not written")
            acts.replace(part, new)
            acts.sync_folder(new.parent)
            phase(told, DONE)
        return Applied(out, tuple(contents), tuple(sorted(gone)), total, None, tuple(notes))


def _free(place: Target, out: Path) -> Path:
    """The real place of the new folder. errors: Refusal where it cannot be."""
    if out.is_symlink():
        raise Refusal(f"--out {out}: this is a link")
    parent = out.absolute().parent
    if not parent.is_dir():
        raise Refusal(f"--out {out}: there is no folder {out.parent}")
    new = parent.resolve() / out.name
    if not out.name or out.name in (".", ".."):
        new = out.resolve()
    if new.exists():
        if not new.is_dir():
            raise Refusal(f"--out {out}: this is a file; a new folder is written")
        if next(new.iterdir(), None) is not None:
            raise Refusal(f"--out {out}: it is not empty; a new folder is written, and nothing is put over another one")
        if new.is_mount():
            raise Refusal(f"--out {out}: it is a disk of its own; name a folder inside of it")
    source = place.root / place.name if place.name else place.root
    if new == source or source in new.parents or (not place.name and new in source.parents):
        raise Refusal(f"--out {out}: it lies inside {place.label}, or that in it; a new folder lies elsewhere")
    return new


def _contents(place: Target, files: Files, plan: FixPlan) -> tuple[dict[str, Content], frozenset[str]]:
    """Every file of the new folder, by its path. errors: Refusal for one that cannot be read."""
    made = outcome(files, plan.edits)
    contents: dict[str, Content] = {}
    for entry in files.entries():
        if entry.name in made.gone or entry.name in made.contents or (place.name and entry.name != place.name):
            continue
        if entry.size == UNREADABLE:
            raise Refusal(f"{entry.name}: it cannot be read: {entry.identity.partition(':')[2]}")
        contents[entry.name] = Same(entry.name, entry.size)
    return {**contents, **made.contents}, made.gone


def _written(content: Content, path: str, part: Path, files: Files, root: Path, acts: Acts, meter: Meter) -> tuple[str, ...]:
    """Write one file of the new folder; what the caster tells."""
    to = part / path
    for folder in reversed(to.relative_to(part).parents):
        if not (part / folder).is_dir():
            acts.mkdir(part / folder)
    write(content, to, files, root, False, {}, acts, meter, path)
    if to.lstat().st_size != content.size:
        raise Refusal(f"{path}: {to.lstat().st_size:,} bytes were written where {content.size:,} were planned")
    return getattr(getattr(content, "layout", None), "notes", ())


@contextlib.contextmanager
def _staging(new: Path, acts: Acts) -> Iterator[Path]:
    """A folder beside the new one, gone in the end unless it was renamed. What a killed process left there is removed first.

    errors: Locked when another process is writing it.
    """
    part = new.parent / f".{new.name}{SUFFIX_OF_PART}"
    if part.is_symlink():
        raise Refusal(f"{part}: this is a link, where the new folder would be written")
    if part.is_dir():
        with _alone(part):
            shutil.rmtree(part)
    acts.mkdir(part)
    with _alone(part):
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Hold the lock of a folder. errors: Locked."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(part, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(f"{part}: another process is writing it right now") from None
        yield
    finally:
        os.close(handle)
