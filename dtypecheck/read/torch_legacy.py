"""The stream that torch.save wrote before 1.6: a magic number, a version, facts about the machine, the object, storage keys.

The numbers of the storages follow, which are not read: only whether the file is long enough for them is checked.
source: torch/serialization.py, `_legacy_save` and `_legacy_load` (torch 2.13).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..files import Entry, Files
from .opcodes import Loaded, load
from .pickle_machine import Stopped
from .pickle_values import Table
from .shown import shown
from .torch_zip import PICKLE

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_READS: Final = (1 << 20, 1 << 23, 1 << 26, PICKLE)
"""How much of the file is read: the first amount that holds all of the pickles."""


@dataclass(frozen=True, slots=True)
class Legacy:
    """What the stream holds. keys: of the storages, whose numbers begin at byte `end`; foreign: torch.save did not write it.

    little: False where the machine that wrote it says that its numbers are big-endian.
    """

    loaded: Loaded
    keys: tuple[str, ...] = ()
    end: int = 0
    foreign: bool = False
    little: bool = True


def read_legacy(files: Files, entry: Entry, names: dict[str, bool]) -> Legacy:
    """The pickles at the beginning of the file. names: grows by the globals they ask for. errors: Stopped, OSError."""
    for amount in _READS:
        data = files.read(entry.name, 0, min(amount, entry.size))
        try:
            return _read(data, names)
        except Stopped as stop:
            if not stop.cut or len(data) < amount:
                raise
    raise Stopped(f"its pickles take more than {PICKLE:,} bytes, which are not read")


def _read(data: bytes, names: dict[str, bool]) -> Legacy:
    magic = load(data, 0, names)
    if type(magic.value) is not int or magic.value != _MAGIC:
        return Legacy(magic, foreign=True)
    version = load(data, magic.end, names)
    system = load(data, version.end, names)
    loaded = load(data, system.end, names)
    keys = load(data, loaded.end, names)
    listed = keys.value if isinstance(keys.value, (list, tuple)) else ()
    facts = system.value.pairs if isinstance(system.value, Table) else []
    little = not any(key == "little_endian" and value is False for key, value in facts if isinstance(key, str))
    return Legacy(loaded, tuple(str(key) for key in listed if isinstance(key, (str, int))), keys.end, little=little)


def bytes_needed(legacy: Legacy) -> int:
    """Bytes of the whole file: its pickles, then each storage behind an 8-byte count."""
    held = (legacy.loaded.storages.get(key) for key in legacy.keys)
    return legacy.end + sum(8 + storage.nbytes for storage in held if storage)


def begins(files: Files, entry: Entry, legacy: Legacy) -> Iterator[tuple[str, int]]:
    """Each storage's key, and the byte of the file where its numbers begin. errors: Stopped where its count is another one."""
    position = legacy.end
    for key in legacy.keys:
        storage = legacy.loaded.storages.get(key)
        if storage is None:
            raise Stopped(f"storage {shown(key)} follows in the file, and nothing in its pickle says how long it is")
        each = max(storage.kind.dtype.bits // 8, 1) if storage.kind.dtype else 1
        count = int.from_bytes(files.read(entry.name, position, 8), "little")
        if count * each != storage.nbytes:
            raise Stopped(f"storage {shown(key)} has {count * each:,} bytes, its pickle says {storage.nbytes:,}")
        yield key, position + 8
        position += 8 + storage.nbytes


def storage_faults(legacy: Legacy) -> Iterator[tuple[str, str]]:
    """The storages that are used but not in the list of those that follow: key, and what is wrong."""
    listed = frozenset(legacy.keys)
    return ((key, f"storage {shown(key)} is not in the file") for key in legacy.loaded.storages if key not in listed)
