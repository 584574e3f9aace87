"""The report on a place that has not changed since it was made: for scans that take long enough to be worth it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..files import Directory, Files
from ..report import Report
from ..subjects import Request
from .state import key_of, rows_of, state_of

if TYPE_CHECKING:
    from .store import Store

WORTH: Final = 0.3
"""Seconds that a scan must have taken to be kept: to ask the cache takes a few thousandths."""


@dataclass(slots=True)
class Kept:
    """Asked by a scan for each place. path: of the file, None for no file. rules_dirs: further rows. worth: as WORTH.

    used: how often the answer was one that was kept.
    """

    path: Path | None
    rules_dirs: Sequence[Path] = ()
    worth: float = WORTH
    used: int = field(default=0, init=False)
    _store: Store | None = field(default=None, init=False, repr=False)

    def __call__(self, files: Files, request: Request, made: Callable[[], Report]) -> Report:
        """The report that was kept of files in this state, else the one that is made now."""
        if self.path is None or not isinstance(files, Directory):
            return made()
        key, state = b"", ""
        if self.path.is_file():
            key, state = self._key(files, request), state_of(files)
            if (report := self._found(key, state)) is not None:
                self.used += 1
                return report
        start = time.monotonic()
        report = made()
        if time.monotonic() - start >= self.worth and (state := state or state_of(files)):
            self._keep(key or self._key(files, request), state, report)
        return report

    def close(self) -> None:
        """Let the file go."""
        if self._store is not None:
            self._store.close()

    def _key(self, files: Directory, request: Request) -> bytes:
        asked = {"label": files.label, "request": repr(request), "source": files.source, "rows": rows_of(tuple(self.rules_dirs))}
        return key_of("scan", str(files.root.absolute()), asked)

    def _found(self, key: bytes, state: str) -> Report | None:
        from .reports import Unstorable, decode

        kept = self._open().get([key]).get(key)
        with suppress(Unstorable):
            return decode(kept[1]) if kept is not None and state and kept[0] == state else None
        return None

    def _keep(self, key: bytes, state: str, report: Report) -> None:
        from .reports import Unstorable, encode

        with suppress(Unstorable):
            self._open().put([(key, state, encode(report))])

    def _open(self) -> Store:
        from .store import Store

        if self._store is None:
            self._store = Store(self.path)
        return self._store
