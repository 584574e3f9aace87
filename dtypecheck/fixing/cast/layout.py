"""What a safetensors file made of others will be, before a number of it is read: header, size, sources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...dtypes import BY_NAME, DType
from ...edits import Store, Take
from ...files import UNREADABLE, Entry, Files
from ...read.formats import suffix_of
from ...read.header import HEADER_LIMIT
from ...read.located import Located, Place, Unlocated, locate
from ...read.shown import shown
from ...read.weights import read_safetensors
from ...subjects import Tensors
from ..refusal import Refusal
from .header import RANK, Row, header, ordered
from .metadata import of_sources


@dataclass(frozen=True, slots=True)
class Part:
    """One tensor of the new file: `place` in the file `source` is stored under its key as `dtype`, in `nbytes` bytes."""

    source: str
    place: Place
    dtype: DType
    nbytes: int

    @property
    def cast(self) -> bool:
        """Whether its numbers change their format."""
        return self.dtype is not self.place.dtype

    @property
    def exact(self) -> bool:
        """Whether it is cast to or from whole numbers, which is done only where none changes."""
        return self.cast and not (self.dtype.is_float and self.place.dtype.is_float)

    @property
    def row(self) -> Row:
        """What the header says of it."""
        return self.place.key, self.dtype, self.place.shape, self.nbytes


@dataclass(frozen=True, slots=True)
class Layout:
    """header: all bytes in front of the numbers; nbytes: of the whole file; parts: the tensors in the order of the file.

    metadata: as the header holds it, with zeros for hashes that only the numbers tell. notes: what was done to it, in words.
    clamp: whether what is too large is cut to the largest number.
    """

    path: str
    header: bytes
    nbytes: int
    tensors: Tensors
    parts: tuple[Part, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    clamp: bool = False

    @property
    def rows(self) -> list[Row]:
        """What the header says of each tensor."""
        return [part.row for part in self.parts]


def laid_out(files: Files, edit: Store) -> Layout:
    """The file that the edit writes. Tensors that share their numbers in a pickle (tied weights) are each stored under their key.

    errors: Refusal that names file and cause, for a source that is missing or damaged, a pattern that is no pattern, a cast that
    is not done, a key that was asked for and is nowhere, or when nothing is left to write.
    """
    entries = {entry.name: entry for entry in files.entries()}
    parts = _parts(edit, {source: _located(files, entries.get(source), source) for source in edit.sources})
    rows = [part.row for part in parts]
    texts = of_sources([_metadata(files, entries[source]) for source in edit.sources], rows, _changed(parts))
    head = header(rows, texts.metadata)
    if len(head) > HEADER_LIMIT:
        raise Refusal(f"{edit.path}: its header would have {len(head):,} bytes, the format allows {HEADER_LIMIT:,}")
    tensors = Tensors([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    nbytes = len(head) + sum(row[3] for row in rows)
    return Layout(edit.path, head, nbytes, tensors, parts, texts.metadata, texts.notes, edit.clamp)


def _located(files: Files, entry: Entry | None, source: str) -> Located:
    if entry is None:
        raise Refusal(f"{source}: there is no such file")
    if entry.size == UNREADABLE:
        raise Refusal(f"{source}: {entry.identity.removeprefix('unlisted:')}")
    try:
        return locate(files, entry)
    except Unlocated as fault:
        raise Refusal(f"{source}: {fault.detail}") from None
    except OSError as fault:
        raise Refusal(f"{source}: {fault.strerror or fault}") from None


def _metadata(files: Files, entry: Entry) -> Mapping[str, str]:
    return read_safetensors(files, entry).metadata if suffix_of(entry.name) == ".safetensors" else {}


def _changed(parts: tuple[Part, ...]) -> tuple[DType, DType] | None:
    """The one format that all floats had and the one they get; None where there were several, or nothing changes."""
    pairs = {(part.place.dtype, part.dtype) for part in parts if part.place.dtype.is_float}
    return pairs.pop() if len(pairs) == 1 and any(part.cast for part in parts) else None


def _parts(edit: Store, held: Mapping[str, Located]) -> tuple[Part, ...]:
    wanted = frozenset(edit.keys)
    chosen: dict[str, Part] = {}
    for source, place, dtype in _taken(edit, held):
        if place.key not in chosen and (not wanted or place.key in wanted):
            chosen[place.key] = Part(source, place, dtype, dtype.nbytes(place.elements))
    if missing := [key for key in edit.keys if key not in chosen]:
        raise Refusal(f"{edit.path}: the tensor {shown(missing[0])} is in none of {', '.join(edit.sources)}")
    if not chosen:
        raise Refusal(f"{edit.path}: no tensor of {', '.join(edit.sources) or 'no file'} would be left to write")
    for part in chosen.values():
        _check(part)
    return tuple(sorted(chosen.values(), key=lambda part: ordered(part.place.key, part.dtype)))


def _taken(edit: Store, held: Mapping[str, Located]) -> Iterator[tuple[str, Place, DType]]:
    wanted = frozenset(edit.keys)
    for take in edit.takes:
        try:
            matches = re.compile(take.pattern).search
        except re.error as fault:
            raise Refusal(f"{take.source}: the pattern {shown(take.pattern)!r} is no regular expression: {fault}") from None
        for key, reason in held[take.source].hidden:
            if matches(key) and (not wanted or key in wanted):
                raise Refusal(f"{take.source}: {shown(key)}: {reason}")
        for place in held[take.source].places:
            if matches(place.key):
                yield take.source, place, _target(take, place)


def _target(take: Take, place: Place) -> DType:
    """The dtype in which a take stores a tensor."""
    if not take.dtype:
        return place.dtype
    dtype = BY_NAME.get(take.dtype)
    if dtype is None:
        raise Refusal(f"{take.source}: {shown(take.dtype)!r} is no dtype")
    return dtype if take.whole or place.dtype.is_wide else place.dtype


def _check(part: Part) -> None:
    """errors: Refusal for a tensor that cannot be stored or cast so."""
    if (wrong := _wrong(part)) is not None:
        raise Refusal(f"{part.source}: {wrong.format(shown(part.place.key))}")


def _wrong(part: Part) -> str | None:
    """What is wrong with a tensor, its name left out; a model has thousands, so that nothing is made for those that are right."""
    held = part.place.dtype
    if part.place.key == "__metadata__" or not _is_text(part.place.key):
        return "safetensors allows no tensor of the name {}"
    if part.dtype not in RANK:
        return f"{{}} is {part.dtype.short}, which safetensors cannot store"
    castable = held.bits >= 8 and held.kind in ("float", "signed", "unsigned", "bool")
    makeable = part.dtype.is_wide or part.dtype.kind in ("signed", "unsigned", "bool")
    if part.cast and not (castable and makeable):
        return f"{{}} is {held.short}; it is not cast to {part.dtype.short} here"
    return None


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True
