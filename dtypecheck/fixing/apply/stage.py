"""New files are written whole beside the target, synced and hashed, before one of its names is touched."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from ...files import Files
from ..outcome import Content, Foreign, Outcome, Same, Stored, Text
from ..refusal import Refusal
from .acts import Acts
from .check import Known, Meter, hashed, identity
from .journal import NEW, OLD, Generation, Held, Item
from .places import OUT, Target
from .results import Stale

_MARGIN: Final = 1 << 20
"""Bytes that are left free on a disk at least, and one in a hundred of what is written: journals and folders need some."""


def items_of(made: Outcome, known: Mapping[str, Known]) -> tuple[Item, ...]:
    """What changes, path by path: the old side is known, the new one has its size."""
    paths = sorted({*made.contents, *made.gone}, key=lambda path: path.split("/"))
    return tuple(Item(path, _new(made, path), _old(known.get(path))) for path in paths)


def _new(made: Outcome, path: str) -> Held | None:
    content = made.contents.get(path)
    return Held(content.size, "") if content else None


def _old(known: Known | None) -> Held | None:
    if known is None:
        return None
    return Held(known.status.st_size, known.sha256, known.status.st_mtime_ns, known.status.st_ino)


def enough_room(folder: Path, wanted: int, shown: str) -> None:
    """errors: Refusal when a disk has no room for so many bytes."""
    wanted += _MARGIN + wanted // 100
    status = os.statvfs(folder) if hasattr(os, "statvfs") else None
    if status and status.f_bavail * status.f_frsize < wanted:
        free = status.f_bavail * status.f_frsize
        raise Refusal(f"{shown}: {wanted:,} bytes are needed on its disk and {free:,} are free; nothing was changed", OUT)


def can_link(folder: Path, acts: Acts) -> bool:
    """Whether the file system gives a file two names. folder: one of ours, for the try."""
    one, two = folder / "try", folder / "tried"
    os.close(acts.create(one))
    try:
        acts.link(one, two)
        acts.unlink(two)
    except OSError:
        return False
    finally:
        acts.unlink(one)
    return True


def stage(
    target: Target,
    files: Files,
    made: Outcome,
    known: Mapping[str, Known],
    into: Generation,
    links: bool,
    acts: Acts,
    meter: Meter,
) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """Write every new file into the generation, each synced; what changes, and what the caster tells.

    links: whether the disk has hard links. errors: Refusal with the path; OSError.
    """
    items = []
    notes: list[str] = []
    for number, item in enumerate(items_of(made, known)):
        new = item.new
        if new is not None:
            content, place = made.contents[item.path], into.at(NEW, number)
            with naming(item.path):
                digest = write(content, place, files, target.root, links, known, acts, meter, item.path)
                notes += content.layout.notes if isinstance(content, Stored) else ()
                if item.path in known and not (links and isinstance(content, Same)):
                    acts.like(place, known[item.path].status)
                new = _held(place, new, digest, item.path)
        items.append(Item(item.path, new, item.old))
    for side in (NEW, OLD):
        acts.sync_folder(into.side(side))
    return tuple(items), tuple(notes)


def _held(place: Path, wanted: Held, digest: str, path: str) -> Held:
    status = place.lstat()
    if status.st_size != wanted.size:
        raise Refusal(f"{path}: {status.st_size:,} bytes were written where {wanted.size:,} were planned")
    return Held(status.st_size, digest, status.st_mtime_ns, status.st_ino)


def write(
    content: Content,
    place: Path,
    files: Files,
    root: Path,
    links: bool,
    known: Mapping[str, Known],
    acts: Acts,
    meter: Meter,
    shown: str,
) -> str:
    """Make one file, synced; its sha256. links: a file that only changes its name gets a second one instead of a copy."""
    match content:
        case Text(data=data):
            return _text(data, place, acts, meter, shown)
        case Same(of=of):
            if links and not (root / of).is_symlink():
                acts.link(root / of, place)
                if of in known and known[of].sha256:
                    meter.add(content.size, shown)
                    return known[of].sha256
                return hashed(place, acts, meter, shown)[0]
            made = copy(root / of, place, acts, meter, shown)
            _dated(place, (root / of).stat())
            return made
        case Foreign(origin=origin, sha256=wanted):
            made = copy(origin, place, acts, meter, shown)
            if wanted and made != wanted:
                raise Stale(f"{origin}: it is not the file that the plan was made for, by its sha256; make a new plan")
            return made
        case Stored():
            return _stored(content, place, files, acts, meter, shown)


def _dated(place: Path, model: os.stat_result) -> None:
    """Give a copy the time and the permission bits of what it is a copy of."""
    os.utime(place, ns=(model.st_atime_ns, model.st_mtime_ns))
    place.chmod((model.st_mode & 0o777) | 0o600)


def _text(data: bytes, place: Path, acts: Acts, meter: Meter, shown: str) -> str:
    handle = acts.create(place)
    try:
        acts.write(handle, data, place)
        acts.sync(handle, place)
    finally:
        os.close(handle)
    meter.add(len(data), shown)
    return hashlib.sha256(data).hexdigest()


def copy(source: Path, place: Path, acts: Acts, meter: Meter, shown: str) -> str:
    """Copy a file, following links to read it; the sha256 of what was read. Holes stay holes.

    errors: Stale when it changes meanwhile; OSError.
    """
    reading = acts.open(source, follow=True)
    try:
        before = os.fstat(reading)
        sparse = getattr(before, "st_blocks", 1 << 62) * 512 < before.st_size
        handle = acts.create(place)
        digest = hashlib.sha256()
        try:
            while part := acts.read(reading, source):
                digest.update(part)
                (acts.write_sparse if sparse else acts.write)(handle, part, place)
                meter.add(len(part), shown)
            if sparse:
                os.ftruncate(handle, before.st_size)
            acts.sync(handle, place)
        finally:
            os.close(handle)
        if identity(before) != identity(os.fstat(reading)):
            raise Stale(f"{shown}: it is being written right now")
    finally:
        os.close(reading)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Out:
    """The file that a caster writes to: its acts are acts like all others."""

    file: FileIO
    place: Path
    acts: Acts

    def write(self, data: memoryview | bytes, /) -> int:
        """Write all of the bytes, and tell how many."""
        self.acts.write(self.file.fileno(), data, self.place)
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        """Bytes that were written."""
        return self.file.read(size)

    def readinto(self, buffer: memoryview, /) -> int:
        """Bytes that were written, into a buffer."""
        return self.file.readinto(buffer)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to another place."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self.file.tell()

    def readable(self) -> bool:
        """It is."""
        return True


def _stored(content: Stored, place: Path, files: Files, acts: Acts, meter: Meter, shown: str) -> str:
    from ..cast.write import write as cast

    with FileIO(acts.create(place), "r+") as file:
        made = cast(files, content.layout, _Out(file, place, acts), lambda nbytes: meter.add(nbytes, shown))
        acts.sync(file.fileno(), place)
    return made.sha256 or hashed(place, acts, Meter(0, None), shown)[0]


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """An error while a file is made names the file that it is for, not the one that is being written for it."""
    try:
        yield
    except OSError as fault:
        raise OSError(fault.errno, fault.strerror, path) from fault
