"""A bar on stderr, on a terminal only: bytes, speed and time left, or a word for what takes its time; gone when it is done."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from ..fixing.apply import Progress


class Bar:
    """`with Bar("writing", quiet) as told:` - `told` is handed to whatever works. wrote: whether such work came to its end."""

    wrote: ClassVar[bool] = False

    def __init__(self, what: str, quiet: bool) -> None:
        self.what = what
        self.on = sys.stderr.isatty() and not quiet
        self.done = False
        self._bar: Any = None
        self._task: Any = None
        self._phase: str | None = None

    def __enter__(self) -> Callable[[Progress], None]:
        return self.told

    def told(self, progress: Progress) -> None:
        """So far it is."""
        if progress.phase == "done":
            self.done = Bar.wrote = True
        if not self.on or not progress.total:
            return
        if self._bar is None:
            self._begin()
        if progress.phase != self._phase:
            self._phase = progress.phase
            self._bar.columns = self._columns(counted=not progress.phase)
        words = progress.phase or progress.file
        self._bar.update(self._task, completed=progress.done, total=progress.total, words=words)

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import Progress as Drawn

        self._bar = Drawn(*self._columns(), console=Console(file=sys.stderr), transient=True, expand=True)
        self._task = self._bar.add_task(self.what, words="", total=None)
        self._bar.start()

    def _columns(self, counted: bool = True) -> tuple[Any, ...]:
        """What is drawn, always in one line: what has no room is cut. counted: bytes are, and tell a speed."""
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.table import Column

        def narrow() -> Column:
            return Column(no_wrap=True, overflow="ellipsis")

        first = TextColumn(self.what, table_column=narrow())
        words = TextColumn("{task.fields[words]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1))
        if not counted:
            return first, SpinnerColumn(), TimeElapsedColumn(table_column=narrow()), words
        return (
            first,
            BarColumn(bar_width=16, table_column=narrow()),
            DownloadColumn(table_column=narrow()),
            TransferSpeedColumn(table_column=narrow()),
            TimeRemainingColumn(table_column=narrow()),
            words,
        )

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        stopped = isinstance(fault, KeyboardInterrupt) or (isinstance(fault, SystemExit) and isinstance(fault.code, int))
        if fault is not None and stopped and not getattr(fault, "__notes__", None):
            over = "the undo is done" if self.what == "undo" else "the fix is done"
            fault.add_note(over if self.done else "nothing was changed")
