"""Weights in a pickle (.bin, .pt, .pth, .ckpt, .th), read without running any of it.

The pickle is interpreted by our own machine, which makes descriptions. Whatever else it asks for is told, not done.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Final

from ..dtypes import DType
from ..files import Entry, Files
from ..findings import Where
from ..subjects import Problem, Tensors
from . import torch_legacy, torch_zip
from .header import CONTRADICTS, NOT_UNDERSTOOD, OTHER_FORMAT, TRUNCATED, UNREADABLE, WANTS_CODE, Header, refuse
from .opcodes import Loaded, load
from .pickle_keys import Collected, collect
from .pickle_machine import Stopped
from .pickle_names import alarms
from .shown import shown
from .strange import look_alike
from .torch_legacy import read_legacy
from .torch_zip import Damaged, pickles_of, read_archive, read_item

FORMAT: Final = "pickle"
_FIRST: Final = 1024
_MOST: Final = 10
"""Problems of one kind that are told one by one."""
_ZIP: Final = b"PK\x03\x04"
_FORMATS: Final = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"), (b"Rar!\x1a\x07", "a RAR archive"), (b"\x93NUMPY", "a numpy array"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"), (b"\xfd7zXZ", "an xz archive"), (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"), (b"%PDF", "a PDF document"), (b"\x7fELF", "a program"), (b"MZ\x90", "a program"),
    (b"lmgg", "a GGML file"), (b"tjgg", "a GGML file"),
)  # fmt: skip


def read_pickled(files: Files, entry: Entry) -> Header:
    """The tensors of a file that torch.save wrote, as zip archive or in the older form.

    errors: none raised; what is wrong with the file is in the result's `problems`.
    """
    try:
        first = files.read(entry.name, 0, max(0, min(_FIRST, entry.size)))
        if not first:
            return refuse(FORMAT, TRUNCATED, entry.name, "it is empty")
        return _zip(files, entry) if first.startswith(_ZIP) else _stream(files, entry, first)
    except OSError as fault:
        return refuse(FORMAT, UNREADABLE, entry.name, fault.strerror or str(fault))


def _instead(first: bytes, entry: Entry) -> Problem | None:
    """What the first bytes of a file show that is no pickle; None for nothing known.

    Asked only after the pickle machine gave up: `GGUF` begins a pickle as well, one that may go on to call anything.
    """
    what = _other_format(first) or _no_pickle(first)
    kind = OTHER_FORMAT if what == _TAR else NOT_UNDERSTOOD
    return look_alike(first, entry) or (Problem(kind, Where(entry.name), what) if what else None)


_TAR: Final = "a tar archive, which torch.save wrote before 0.1.10"


def _other_format(first: bytes) -> str:
    if first[257:262] == b"ustar":
        return _TAR
    if first[8:10] == b'{"' and int.from_bytes(first[:8], "little") < 1 << 32:
        return "a safetensors file under another format's name"
    what = next((what for magic, what in _FORMATS if first.startswith(magic)), "")
    return f"{what}, not weights that torch.save wrote" if what else ""


def _no_pickle(first: bytes) -> str:
    if not first.strip(b"\0"):
        return "it begins with zeros: not weights that torch.save wrote"
    words = " ".join(first.decode("utf-8", "ignore").split())
    return f"a text, not weights: {words[:60]!r}" if words.isprintable() and len(words) > len(first) * 0.7 else ""


def _zip(files: Files, entry: Entry) -> Header:
    names: dict[str, bool] = {}
    try:
        archive = read_archive(files, entry)
        folder, places = pickles_of(archive)
        if not places:
            return refuse(FORMAT, NOT_UNDERSTOOD, entry.name, "a zip archive without a data.pkl: torch.save did not write it")
        if folder + "constants.pkl" in archive.items:
            detail = "a TorchScript archive, which holds a compiled program; its weights are not read"
            return refuse(FORMAT, OTHER_FORMAT, entry.name, detail)
        loaded = load(read_item(files, entry, archive.items[places[0]]), 0, names)
    except Damaged as damage:
        return refuse(FORMAT, TRUNCATED if damage.cut else CONTRADICTS, entry.name, damage.detail)
    except Stopped as stop:
        return _stopped(entry, CONTRADICTS if stop.cut else NOT_UNDERSTOOD, stop.detail, names)
    problems = [("", f"the archive has the entry {shown(name)} twice") for name in archive.repeated]
    for name in places[1:]:
        problems.append(("", f"the archive has a second pickle, {shown(name)}"))
        if len(problems) < _MOST:
            with suppress(Damaged, Stopped):
                load(read_item(files, entry, archive.items[name]), 0, names)
    problems += islice(torch_zip.storage_faults(archive, folder, loaded.storages), 1000)
    return _header(entry, loaded, names, _told(CONTRADICTS, entry, problems))


def _stream(files: Files, entry: Entry, first: bytes) -> Header:
    names: dict[str, bool] = {}
    try:
        legacy = read_legacy(files, entry, names)
    except Stopped as stop:
        kind = TRUNCATED if stop.cut else NOT_UNDERSTOOD
        return Header(
            FORMAT, problems=(*_wanted(entry, names), _instead(first, entry) or Problem(kind, Where(entry.name), stop.detail))
        )
    if legacy.foreign:
        problem = _instead(first, entry) or Problem(NOT_UNDERSTOOD, Where(entry.name), "a pickle that torch.save did not write")
        return Header(FORMAT, problems=(*_wanted(entry, names), problem))
    problems = _told(CONTRADICTS, entry, list(islice(torch_legacy.storage_faults(legacy), 1000)))
    if (needed := torch_legacy.bytes_needed(legacy)) > entry.size:
        detail = f"cut short: {entry.size:,} bytes, its tensors take {needed:,} ({100 * entry.size // needed} % is there)"
        problems.append(Problem(TRUNCATED, Where(entry.name), detail))
    return _header(entry, legacy.loaded, names, problems)


def _header(entry: Entry, loaded: Loaded, names: Mapping[str, bool], problems: list[Problem]) -> Header:
    """The header of a file whose pickle was read to its end."""
    problems = _wanted(entry, names) + problems
    if loaded.odd:
        detail = f"{loaded.odd} reference{'s' * (loaded.odd != 1)} to storages have a form that torch does not write"
        problems.append(Problem(CONTRADICTS, Where(entry.name), detail))
    found = collect(loaded.value)
    if found.unread:
        return Header(FORMAT, problems=(*problems, Problem(NOT_UNDERSTOOD, Where(entry.name), found.unread)))
    for kind, understood in ((CONTRADICTS, True), (NOT_UNDERSTOOD, False)):
        faults = [
            (key, f"{shown(key)}: {it.fault}") for key, it in found.tensors.items() if it.fault and it.understood is understood
        ]
        problems += _told(kind, entry, faults)
    metadata = {name: text for name, text in (("inside", found.inside), ("elsewhere", found.elsewhere)) if text}
    return Header(FORMAT, _columns(found), metadata, tuple(problems))


def _columns(found: Collected) -> Tensors:
    keys: list[str] = []
    dtypes: list[DType] = []
    shapes: list[tuple[int, ...]] = []
    for key, tensor in found.tensors.items():
        if tensor.dtype is not None and tensor.shape is not None:
            keys.append(key)
            dtypes.append(tensor.dtype)
            shapes.append(tensor.shape)
    return Tensors(keys, dtypes, shapes)


def _wanted(entry: Entry, names: Mapping[str, bool]) -> list[Problem]:
    return _told(WANTS_CODE, entry, alarms(names))


def _told(kind: str, entry: Entry, faults: list[tuple[str, str]]) -> list[Problem]:
    """Problems of one kind: (place in the file, what is wrong) each; of many the first ones, and how many more there are."""
    problems = [Problem(kind, Where(entry.name, at), detail) for at, detail in faults[:_MOST]]
    if len(faults) > _MOST:
        problems.append(Problem(kind, Where(entry.name), f"and {len(faults) - _MOST:,} more like these"))
    return problems


def _stopped(entry: Entry, kind: str, detail: str, names: Mapping[str, bool]) -> Header:
    """The header of a file whose pickle could not be read to its end; what it had asked for until then is told too."""
    return Header(FORMAT, problems=(*_wanted(entry, names), Problem(kind, Where(entry.name), detail)))
