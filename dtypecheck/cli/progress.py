"""A bar on stderr, on a terminal only: bytes done, speed and time left; gone when it is done."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..fixing.apply import Progress


class Bar:
    """`with Bar("writing", quiet) as told:` - `told` is handed to whatever works."""

    def __init__(self, what: str, quiet: bool) -> None:
        self.what = what
        self.on = sys.stderr.isatty() and not quiet
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Callable[[Progress], None]:
        return self.told

    def told(self, progress: Progress) -> None:
        """So far it is."""
        if not self.on or not progress.total:
            return
        if self._bar is None:
            self._begin()
        self._bar.update(self._task, completed=progress.done, total=progress.total, file=progress.file[-40:])

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Drawn

        columns = (
            TextColumn(self.what),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[file]}", markup=False),
        )
        self._bar = Drawn(*columns, console=Console(file=sys.stderr), transient=True)
        self._task = self._bar.add_task(self.what, file="", total=None)
        self._bar.start()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
