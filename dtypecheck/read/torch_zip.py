"""The zip archive that torch.save writes since 1.6: which entries it has, how large they are, and the pickle in it.

Only the end of the archive, its directory and the pickle are read, never the tensors' numbers. zipfile is not used: it makes an
object per entry and follows what a directory claims without limits.
source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3; caffe2/serialize/inline_container.cc (torch 2.13).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..files import Entry, Files
from .pickle_values import Storage
from .shown import shown

DIRECTORY: Final = 32_000_000
"""Bytes of a directory at most: some 400,000 entries."""
PICKLE: Final = 100_000_000
"""Bytes of a pickle at most. That of a 7 GB checkpoint has less than one million."""
_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_ITEM: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_FULL: Final = 0xFFFFFFFF
_STORED: Final = 0
_DEFLATED: Final = 8


class Damaged(Exception):
    """The archive is not as a zip archive must be. cut: because the file ends too early."""

    def __init__(self, detail: str, cut: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.cut = cut


class Item(NamedTuple):
    """One entry of the archive. packed and size: bytes in the file and unpacked; offset: of its local header."""

    packed: int
    size: int
    offset: int
    method: int
    encrypted: bool


@dataclass(frozen=True, slots=True)
class Archive:
    """The entries by name; the names that came twice; and the offset of the directory, where entries must end."""

    items: Mapping[str, Item]
    repeated: tuple[str, ...]
    end: int


def read_archive(files: Files, entry: Entry) -> Archive:
    """The directory of the archive. errors: Damaged, OSError."""
    tail_start = max(0, entry.size - 65_557)
    tail = files.read(entry.name, tail_start, entry.size - tail_start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise Damaged("the directory at the end of the archive is missing", cut=True)
    _, _, _, _, count, size, offset, _ = _END.unpack_from(tail, at)
    if _FULL in (size, offset) or count == 0xFFFF:
        count, size, offset = _large(files, entry, tail[max(0, at - _LOCATOR.size) : at]) or (count, size, offset)
    if size > DIRECTORY:
        raise Damaged(f"the directory has {size:,} bytes, more than {DIRECTORY:,} are not read")
    if offset + size > entry.size:
        raise Damaged(f"the directory would end at byte {offset + size:,} of {entry.size:,}")
    items: dict[str, Item] = {}
    repeated = []
    for name, item in _items(files.read(entry.name, offset, size), count):
        if name in items:
            repeated.append(name)
        items[name] = item
    return Archive(items, tuple(repeated), offset)


def _large(files: Files, entry: Entry, locator: bytes) -> tuple[int, int, int] | None:
    """Count, size and offset from the records for archives over 4 GB; None where there are none."""
    if len(locator) < _LOCATOR.size or not locator.startswith(b"PK\x06\x07"):
        return None
    record = files.read(entry.name, _LOCATOR.unpack(locator)[2], _END64.size)
    if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
        raise Damaged("the second directory record is not where the archive says")
    *_, count, size, offset = _END64.unpack(record)
    return count, size, offset


def _items(directory: bytes, count: int) -> Iterator[tuple[str, Item]]:
    position = 0
    for _ in range(count):
        if position + _ITEM.size > len(directory):
            raise Damaged("the directory has fewer entries than it says")
        signature, _, _, flags, method, _, _, _, packed, size, name_size, extra_size, note_size, *_, offset = _ITEM.unpack_from(
            directory, position
        )
        if signature != b"PK\x01\x02":
            raise Damaged("the directory holds something that is no entry")
        position += _ITEM.size
        name = directory[position : position + name_size].decode("utf-8", "backslashreplace")
        position += name_size
        if _FULL in (packed, size, offset):
            size, packed, offset = _wide(directory[position : position + extra_size], (size, packed, offset))
        position += extra_size + note_size
        yield name, Item(packed, size, offset, method, bool(flags & 1))


def _wide(extra: bytes, numbers: tuple[int, int, int]) -> tuple[int, int, int]:
    """The 64-bit numbers of an entry, for those of (size, packed, offset) that do not fit into 32 bits."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{min(length, len(extra) - position - 4) // 8}Q", extra, position + 4))
            size, packed, offset = (next(wide, number) if number == _FULL else number for number in numbers)
            return size, packed, offset
        position += 4 + length
    return numbers


def pickles_of(archive: Archive) -> tuple[str, list[str]]:
    """The folder that torch reads, which is that of the first entry, and the pickles in the archive, torch's own first.

    torch finds names whatever their case (miniz does).
    """
    folder = next(iter(archive.items), "").partition("/")[0] + "/"
    places = [name for name in archive.items if name.lower().rpartition("/")[2] == "data.pkl"]
    places.sort(key=lambda name: name.lower() != f"{folder}data.pkl".lower())
    return (places[0][: -len("data.pkl")] if places else folder), places


def read_item(files: Files, entry: Entry, item: Item) -> bytes:
    """The unpacked bytes of an entry. errors: Damaged, OSError."""
    if item.encrypted:
        raise Damaged("its pickle is encrypted")
    if item.method not in (_STORED, _DEFLATED):
        raise Damaged(f"its pickle is packed by method {item.method}, which torch cannot read")
    if item.method == _STORED and item.size != item.packed:
        raise Damaged(f"its pickle has {item.packed:,} bytes or {item.size:,}, its directory says both")
    if max(item.size, item.packed) > PICKLE:
        raise Damaged(f"its pickle has {max(item.size, item.packed):,} bytes, more than {PICKLE:,} are not read")
    packed = files.read(entry.name, begin(files, entry, item, "its pickle"), item.packed)
    if len(packed) < item.packed:
        raise Damaged("its pickle reaches over the end of the file", cut=True)
    if item.method == _STORED:
        return packed
    try:
        content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, item.size + 1)
    except zlib.error:
        raise Damaged("its pickle cannot be unpacked") from None
    if len(content) != item.size:
        raise Damaged("its pickle unpacks to another size than the directory says")
    return content


def begin(files: Files, entry: Entry, item: Item, what: str) -> int:
    """The byte of the file where the content of an entry begins. what: to call it by. errors: Damaged, OSError."""
    local = files.read(entry.name, item.offset, _LOCAL.size)
    if len(local) < _LOCAL.size or not local.startswith(b"PK\x03\x04"):
        raise Damaged(f"{what} is not where the directory says")
    *_, name_size, extra_size = _LOCAL.unpack(local)
    return item.offset + _LOCAL.size + int(name_size) + int(extra_size)


def begin_of_storage(files: Files, entry: Entry, archive: Archive, folder: str, storage: Storage) -> int:
    """The byte of the file where the numbers of a storage begin. errors: Damaged, also for one that is packed; OSError."""
    what = f"storage {shown(storage.key)}"
    item = archive.items.get(f"{folder}data/{storage.key}")
    if item is None:
        raise Damaged(f"{what} is not in the archive")
    if item.encrypted or item.method != _STORED or item.size != item.packed:
        raise Damaged(f"{what} is {'encrypted' if item.encrypted else 'compressed'}, which torch cannot read")
    start = begin(files, entry, item, what)
    if start + item.size > archive.end or item.size < storage.nbytes:
        raise Damaged(f"{what} does not lie where the directory says")
    return start


def is_little(files: Files, entry: Entry, archive: Archive, folder: str) -> bool:
    """False where the archive says that its numbers are big-endian. errors: Damaged, OSError."""
    item = archive.items.get(folder + "byteorder")
    return item is None or read_item(files, entry, item) != b"big"


def storage_faults(archive: Archive, folder: str, storages: Mapping[str, Storage]) -> Iterator[tuple[str, str]]:
    """The storages that the archive does not hold as its pickle says: key, and what is wrong."""
    for key, storage in storages.items():
        item = archive.items.get(f"{folder}data/{key}")
        if item is None:
            yield key, f"storage {shown(key)} is not in the archive"
        elif item.size < storage.nbytes:
            yield key, f"storage {shown(key)} has {item.size:,} bytes, its pickle says {storage.nbytes:,}"
        elif item.offset + item.packed > archive.end:
            yield (
                key,
                f"storage {shown(key)} would end at byte {item.offset + item.packed:,}, its directory begins at {archive.end:,}",
            )
