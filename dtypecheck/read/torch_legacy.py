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
from .shown import shown
from .torch_zip import PICKLE

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_READS: Final = (1 << 20, 1 << 23, 1 << 26, PICKLE)
"""How much of the file is read: the first amount that holds all of the pickles."""


@dataclass(frozen=True, slots=True)
class Legacy:
    """What the stream holds. keys: of the storages, whose numbers begin at byte `end`; foreign: torch.save did not write it."""

    loaded: Loaded
    keys: tuple[str, ...] = ()
    end: int = 0
    foreign: bool = False


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
    return Legacy(loaded, tuple(str(key) for key in listed if isinstance(key, (str, int))), keys.end)


def bytes_needed(legacy: Legacy) -> int:
    """Bytes of the whole file: its pickles, then each storage behind an 8-byte count."""
    held = (legacy.loaded.storages.get(key) for key in legacy.keys)
    return legacy.end + sum(8 + storage.nbytes for storage in held if storage)


def storage_faults(legacy: Legacy) -> Iterator[tuple[str, str]]:
    """The storages that are used but not in the list of those that follow: key, and what is wrong."""
    listed = frozenset(legacy.keys)
    return ((key, f"storage {shown(key)} is not in the file") for key in legacy.loaded.storages if key not in listed)
