"""What a reader will ask for, fetched beforehand by several hands: a scan then waits a few round trips, not one a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ..files import Entry
from ..read.formats import READERS, suffix_of, touch_header
from ..read.layout import CHECKED_JSON, NO_MODEL
from ..read.scripts import SUFFIXES
from .faults import WHOLE, Unreachable, of_place
from .fetched import Fetched

HANDS: Final = 8
"""Requests under way at once."""


def fetch_ahead(files: Fetched) -> None:
    """Fetch settings, scripts and headers. What fails for one file is told again when that is read.

    errors: NothingThere where what fails stands in the way of every file, or where every weight file fails.
    """
    wanted = [entry for entry in files.listing if _is_read(entry)]
    done = by_several(lambda entry: _fetch(files, entry), wanted)
    faults = [fault for fault in done if isinstance(fault, Unreachable)]
    weights = [entry for entry in wanted if suffix_of(entry.name) in READERS]
    lost = [fault for fault, entry in zip(done, wanted, strict=True) if fault is not None and entry in weights]
    if stop := next((fault for fault in faults if fault.kind in WHOLE), None):
        raise of_place(stop)
    if lost and len(lost) == len(weights):
        more = f" (and so for {len(lost) - 1} more)" if len(lost) > 1 else ""
        raise of_place(Unreachable(f"{lost[0].strerror}{more}", "refused"))


def by_several(read: Callable[[Entry], object], wanted: Sequence[Entry]) -> list[OSError | None]:
    """Read several files at once; for each the fault that it gave, raised by itself or as `read` found it."""

    def one(entry: Entry) -> OSError | None:
        try:
            read(entry)
        except OSError as fault:
            return fault
        return None

    pool = ThreadPoolExecutor(HANDS, "dtypecheck-fetch")
    try:
        return list(pool.map(one, wanted))
    finally:
        pool.shutdown(cancel_futures=True)  # a stop by hand does not wait for what has not begun


def _is_read(entry: Entry) -> bool:
    name = entry.name.rpartition("/")[2]
    weights = suffix_of(name) in READERS and not NO_MODEL.fullmatch(name) and not name.startswith("openvino_")
    return entry.size > 0 and (weights or bool(CHECKED_JSON.fullmatch(name)) or name.endswith(SUFFIXES))


def _fetch(files: Fetched, entry: Entry) -> None:
    """Read what a reader reads; the bytes stay in `files`. errors: OSError."""
    if reader := READERS.get(suffix_of(entry.name)):
        touch_header(reader, files, entry)  # it tells of a fault in its own way
        if entry.name in files.faults:
            raise files.faults[entry.name]
    elif entry.size <= files.most:
        files.read(entry.name)
