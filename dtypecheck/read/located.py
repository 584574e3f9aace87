"""Where in a file the numbers of each tensor lie, for safetensors and for what torch.save wrote; nothing is unpickled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import mul
from typing import Final

from ..dtypes import DType
from ..files import Entry, Files
from . import torch_legacy, torch_zip
from .formats import READERS, suffix_of
from .header import WANTS_CODE
from .opcodes import Loaded, load
from .pickle_keys import collect
from .pickle_machine import Stopped
from .pickle_values import Storage
from .pickled import read_pickled
from .shown import shown
from .torch_legacy import read_legacy
from .torch_zip import Damaged, pickles_of, read_archive, read_item
from .weights import read_columns

_ZIP: Final = b"PK\x03\x04"
_BIG: Final = "its numbers are big-endian"


@dataclass(frozen=True, slots=True)
class Place:
    """One tensor in its file. start: the byte of its first number; nbytes: of its numbers, each counted once.

    stride: elements from one index to the next, per dimension. contiguous: the numbers lie one behind the other in order, so
    that `nbytes` from `start` are all of them. Several places may name the same bytes (tied weights of a pickle).
    """

    key: str
    dtype: DType
    shape: tuple[int, ...]
    start: int
    contiguous: bool
    stride: tuple[int, ...]
    nbytes: int

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def reach(self) -> int:
        """Bytes of the file from the first number to behind the last one."""
        if self.contiguous or not self.nbytes:
            return self.nbytes
        last = sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        return (last + 1) * (self.dtype.bits // 8)


class Unlocated(Exception):
    """The places are not told: the file is damaged, packed, or of another format. detail: why, in words for people."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Located:
    """The places in the order of the header. hidden: key and reason of tensors whose numbers are not plainly in the file."""

    places: tuple[Place, ...]
    hidden: tuple[tuple[str, str], ...] = ()


def located(files: Files, entry: Entry) -> tuple[Place, ...]:
    """Where every tensor of a weight file lies, in the order of its header.

    errors: Unlocated where the file is damaged, or holds a tensor whose numbers are packed, scaled or not in it.
    """
    found = locate(files, entry)
    if found.hidden:
        key, reason = found.hidden[0]
        raise Unlocated(f"{shown(key)}: {reason}")
    return found.places


def locate(files: Files, entry: Entry) -> Located:
    """Where the tensors of a weight file lie, as far as that can be told. errors: Unlocated where the file is damaged."""
    match READERS.get(suffix_of(entry.name)):
        case "safetensors":
            return Located(_safetensors(files, entry))
        case "pickled":
            return _pickled(files, entry)
        case "gguf":
            raise Unlocated("the numbers of a GGUF file are packed")
    raise Unlocated("no format of weights that is read here")


def steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a contiguous tensor, in elements: C order, as torch counts them (a dimension of length 0 counts as 1)."""
    return tuple(accumulate((max(size, 1) for size in reversed(shape[1:])), mul, initial=1))[::-1] if shape else ()


def _safetensors(files: Files, entry: Entry) -> tuple[Place, ...]:
    header, columns, start = read_columns(files, entry)
    for problem in header.problems:
        raise Unlocated(problem.detail)
    strides = {shape: steps(shape) for shape in set(columns.shapes)}
    return tuple(
        Place(key, dtype, shape, start + begin, True, strides[shape], size)
        for key, dtype, shape, begin, size in zip(
            columns.keys, columns.dtypes, columns.shapes, columns.begins, columns.sizes, strict=True
        )
    )


def _pickled(files: Files, entry: Entry) -> Located:
    """A pickle that wants to run code is read like any other: its tensors are where it says, and nothing of it is run."""
    for problem in read_pickled(files, entry).problems:
        if problem.kind != WANTS_CODE:
            raise Unlocated(problem.detail)
    try:
        if files.read(entry.name, 0, 4) == _ZIP:
            return _zip(files, entry)
        legacy = read_legacy(files, entry, {})
        if not legacy.little:
            raise Unlocated(_BIG)
        begins = dict(torch_legacy.begins(files, entry, legacy))
        return _places(legacy.loaded, lambda storage: begins[storage.key])
    except Damaged as damage:
        raise Unlocated(damage.detail) from None
    except Stopped as stop:
        raise Unlocated(stop.detail) from None
    except OSError as fault:
        raise Unlocated(fault.strerror or str(fault)) from None


def _zip(files: Files, entry: Entry) -> Located:
    archive = read_archive(files, entry)
    folder, pickles = pickles_of(archive)
    if not pickles:
        raise Unlocated("a zip archive without a data.pkl")
    if not torch_zip.is_little(files, entry, archive, folder):
        raise Unlocated(_BIG)
    loaded = load(read_item(files, entry, archive.items[pickles[0]]), 0, {})
    begins: dict[str, int] = {}

    def begin(storage: Storage) -> int:
        if storage.key not in begins:
            begins[storage.key] = torch_zip.begin_of_storage(files, entry, archive, folder, storage)
        return begins[storage.key]

    return _places(loaded, begin)


def _places(loaded: Loaded, begin: Callable[[Storage], int]) -> Located:
    """begin: the byte of the file where a storage begins."""
    places: list[Place] = []
    hidden: list[tuple[str, str]] = []
    for key, tensor in collect(loaded.value).tensors.items():
        if tensor.dtype is None or tensor.shape is None:
            continue
        if tensor.storage is None or tensor.offset is None or tensor.storage.part:
            hidden.append((key, "its numbers are not plainly in the file"))
            continue
        size = tensor.dtype.bits // 8
        start = begin(tensor.storage) + tensor.offset * size
        places.append(_place(key, tensor.dtype, tensor.shape, tensor.stride, start))
    return Located(tuple(places), tuple(hidden))


def _place(key: str, dtype: DType, shape: tuple[int, ...], stride: tuple[int, ...], start: int) -> Place:
    # the stride of a dimension of length 1 says nothing, and that of an empty tensor neither
    usual = steps(shape)
    plain = 0 in shape or all(size == 1 or a == b for size, a, b in zip(shape, stride, usual, strict=True))
    place = Place(key, dtype, shape, start, plain, usual if plain else stride, 0)
    return replace(place, nbytes=dtype.nbytes(place.elements))
