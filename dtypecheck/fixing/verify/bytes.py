"""Every file after a fix, held against what the plan said it would be: size, header, and each tensor that nothing touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final, Literal

from ...dtypes import DType
from ...files import Entry, Files, OneFile
from ...fixplan import FixPlan
from ...read.located import Place, Unlocated, locate
from ...read.weights import read_safetensors
from ..outcome import Content, Foreign, Outcome, Same, Stored, Text
from ..states import sha256_of

_AT_ONCE: Final = 1 << 23
_SMALL: Final = 1 << 24
"""Bytes up to which a file that the plan leaves alone is compared whole where it is another file than before (--out)."""
_TOLD: Final = 5
_FORMS: Final[Mapping[int, Literal["B", "H", "I", "Q"]]] = {8: "B", 16: "H", 32: "I", 64: "Q"}
"""A number of so many bits as a memoryview knows it."""


def bytes_checked(before: Files, after: Files, planned: Outcome, plan: FixPlan) -> tuple[list[str], list[str]]:
    """Reasons and lines. No number is looked at but to compare it with what it was."""
    old = {entry.name: entry for entry in before.entries()}
    new = {entry.name: entry for entry in after.entries()}
    wrong = [*_names(old, new, planned), *_left_alone(before, after, old, new, planned, plan)]
    compared, apart = [0, 0], list[str]()
    for path, content in planned.contents.items():
        if path in new:
            wrong += _written(before, after, old, new[path], content, compared, apart)
    tensors = f", {compared[0]:,} untouched tensors are byte-identical ({compared[1]:,} bytes)" if compared[0] else ""
    count = len(planned.contents)
    told = [f"files: {count:,} written as planned{tensors}"] if count and not wrong else []
    return wrong, told + apart


def _names(old: Mapping[str, Entry], new: Mapping[str, Entry], planned: Outcome) -> Iterator[str]:
    """What is there and should not be, or the other way round."""
    yield from (f"{path} should be gone and is there" for path in sorted(planned.gone & new.keys()))
    expected = (old.keys() - planned.gone) | planned.contents.keys()
    yield from (f"{path} should be there and is not" for path in sorted(expected - new.keys()))
    yield from (f"{path} is there, and no edit writes it" for path in sorted(new.keys() - expected - planned.gone)[:_TOLD])


def _left_alone(
    before: Files, after: Files, old: Mapping[str, Entry], new: Mapping[str, Entry], planned: Outcome, plan: FixPlan
) -> Iterator[str]:
    """Files that no edit writes: of the same size; those that the plan read, and copies that are small, of the same bytes."""
    for path, entry in old.items():
        if path in planned.contents or path in planned.gone or path not in new:
            continue
        if new[path].size != entry.size:
            yield f"{path} has {new[path].size:,} bytes, before it had {entry.size:,}, and no edit changes it"
            continue
        state = plan.files.get(path)
        if (state and state.sha256 and sha256_of(after, path, entry.size) != state.sha256) or (
            new[path].identity != entry.identity and 0 <= entry.size <= _SMALL and after.read(path) != before.read(path)
        ):
            yield f"{path} changed, and no edit changes it"


def _written(
    before: Files, after: Files, old: Mapping[str, Entry], entry: Entry, content: Content, compared: list[int], apart: list[str]
) -> Iterator[str]:
    """One file that the plan writes. compared: tensors and bytes that were compared; apart: what could not be."""
    if entry.size != content.size:
        yield f"{entry.name} has {entry.size:,} bytes, planned were {content.size:,}"
        return
    match content:
        case Text(data=data):
            if after.read(entry.name) != data:
                yield f"{entry.name} holds another text than planned"
        case Same(of=of):
            if old[of].identity != entry.identity and not _equal(before, of, after, entry.name, 0, 0, entry.size):
                yield f"{entry.name} should hold the bytes of {of}, and does not"
        case Foreign(origin=origin, sha256=sha256):
            if sha256:
                equal = sha256_of(after, entry.name, entry.size) == sha256
            else:
                equal = _equal(OneFile(origin), origin.name, after, entry.name, 0, 0, entry.size)
            if not equal:
                yield f"{entry.name} should hold the bytes of {origin}, and does not"
        case Stored():
            yield from _stored(before, after, old, entry, content, compared, apart)


def _stored(
    before: Files, after: Files, old: Mapping[str, Entry], entry: Entry, content: Stored, compared: list[int], apart: list[str]
) -> Iterator[str]:
    """Weights that were written: their header as laid out, and what was not cast as it lay in its source."""
    header = read_safetensors(after, entry)
    if header.problems or header.tensors is None:
        yield f"{entry.name} cannot be read back: {header.problems[0].detail if header.problems else 'there are no tensors'}"
        return
    held = {key: (dtype, shape) for key, dtype, shape in header.tensors}
    wanted = {key: (dtype, shape) for key, dtype, shape in content.layout.tensors}
    if held != wanted:
        yield from _differences(entry.name, held, wanted)
        return
    written = {place.key: place for place in locate(after, entry).places}
    try:
        sources = {name: {place.key: place for place in locate(before, old[name]).places} for name in content.edit.sources}
    except (Unlocated, KeyError) as fault:
        apart.append(f"files: {entry.name} was not compared with what it was made of: {fault}")
        return
    for part in content.layout.parts:
        source, target = sources[part.source].get(part.place.key), written[part.place.key]
        if part.cast or source is None:
            continue
        if not source.contiguous:
            pairs = gathered(before, part.source, source) == after.read(entry.name, target.start, target.nbytes)
        else:
            pairs = _equal(before, part.source, after, entry.name, source.start, target.start, target.nbytes)
        if not pairs:
            yield f"{entry.name}: {part.place.key} differs from {part.source}, and it should have been left as it was"
        compared[0] += 1
        compared[1] += target.nbytes


def _differences(
    name: str, held: Mapping[str, tuple[DType, tuple[int, ...]]], wanted: Mapping[str, tuple[DType, tuple[int, ...]]]
) -> Iterator[str]:
    def words(row: tuple[DType, tuple[int, ...]]) -> str:
        return f"{row[0].short} {'x'.join(map(str, row[1])) or 'scalar'}"

    apart = [key for key in sorted({*held, *wanted}) if held.get(key) != wanted.get(key)]
    for key in apart[:_TOLD]:
        if key not in held:
            yield f"{name} lacks {key}"
        elif key not in wanted:
            yield f"{name} holds {key}, which was not planned"
        else:
            yield f"{name}: {key} is {words(held[key])}, planned was {words(wanted[key])}"
    if len(apart) > _TOLD:
        yield f"{name}: {len(apart) - _TOLD:,} more tensors are not as planned"


def gathered(files: Files, path: str, place: Place) -> bytes:
    """The numbers of a tensor in C order, wherever its strides lead: a pickle may hold views of its storages."""
    if place.contiguous or not place.nbytes:
        return files.read(path, place.start, place.nbytes)
    form = _FORMS.get(place.dtype.bits)
    if form is None:
        raise Unlocated(f"{place.key} is a view of {place.dtype.short} numbers")
    raw = memoryview(files.read(path, place.start, place.reach)).cast(form)
    *outer, last = zip(place.shape, place.stride, strict=True)
    count, step = last
    found = []
    for index in product(*(range(size) for size, _ in outer)):
        start = sum(position * stride for position, (_, stride) in zip(index, outer, strict=True))
        row = raw[start : start + (count - 1) * step + 1 : step] if step else raw[start : start + 1]
        found.append(row.tobytes() * (1 if step else count))
    return b"".join(found)


def _equal(one: Files, first: str, other: Files, second: str, begin: int, start: int, length: int) -> bool:
    """The same bytes in two files: `length` from `begin` and from `start`."""
    for offset in range(0, length, _AT_ONCE):
        size = min(_AT_ONCE, length - offset)
        if one.read(first, begin + offset, size) != other.read(second, start + offset, size):
            return False
    return True
