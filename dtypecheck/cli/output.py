"""Where a report goes: its policy, its format, a stream or a whole file, and a line of progress meanwhile."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from ..config import Settings
from ..policy import choose, exit_code, suppress
from ..render import FORMATS, renderer
from ..render.options import Look
from ..report import Report
from ..request import WrongUse


def finish(
    report: Report,
    settings: Settings,
    options: dict[str, Any],
    code: Callable[[Report, str], int] = exit_code,
    stream: TextIO | None = None,
) -> int:
    """Apply the policy, write the report, give the exit code. stream: where it goes without -o, stdout by default."""
    stream = stream or sys.stdout
    if options["output"] is not None:
        report = write(report, settings, options)
        return code(report, options["fail_on"] or settings.fail_on)
    report = counted(report, settings, options)
    on_terminal = stream.isatty()
    form = options["output_format"] or settings.output_format or ("terminal" if on_terminal else "concise")
    with read_or_not(stream):
        renderer(form)(report, stream, _look(options, on_terminal))
        stream.flush()
    return code(report, options["fail_on"] or settings.fail_on)


def counted(report: Report, settings: Settings, options: dict[str, Any]) -> Report:
    """The report as the policy lets it count."""
    select = options["select"] or settings.select
    report = choose(report, select, (*settings.ignore, *options["ignore"]), (*settings.extend_select, *options["extend_select"]))
    return suppress(report, settings.suppressions)


def write(report: Report, settings: Settings, options: dict[str, Any]) -> Report:
    """Apply the policy and write the report to -o FILE, in the format asked for, else in the one that its name ends with."""
    report = counted(report, settings, options)
    path: Path = options["output"]
    named = path.suffix.removeprefix(".").lower()
    form = options["output_format"] or (named if named in FORMATS else settings.output_format or "concise")
    text = io.StringIO()
    renderer(form)(report, text, _look(options, False))
    with contextlib.suppress(BrokenPipeError):  # a file may be a pipe too, and its reader gone: the exit code stays what it is
        replace_file(path, text.getvalue())
    return report


def _look(options: dict[str, Any], on_terminal: bool) -> Look:
    return Look(options["verbose"] - options["quiet"], on_terminal, columns())


@contextlib.contextmanager
def read_or_not(stream: TextIO) -> Iterator[None]:
    """Whoever reads a stream may go away early: what is left to write goes nowhere then, and the exit code stays what it is."""
    try:
        yield
    except (BrokenPipeError, SystemExit) as fault:
        if not isinstance(fault, BrokenPipeError) and not isinstance(fault.__context__, BrokenPipeError):
            raise  # rich exits by itself where a pipe is broken; every other exit is meant
        with contextlib.suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:  # a stream of a test has no number
            os.dup2(nowhere.fileno(), stream.fileno())


def has_folder(path: Path | None) -> None:
    """errors: WrongUse when a report is to go where there is no folder; said before the work, not after it."""
    if path is not None and not path.parent.is_dir():
        raise WrongUse(f"-o {path}: there is no folder {path.parent}")


def replace_file(path: Path, text: str) -> None:
    """Write a file whole or not at all: beside it first, then renamed; what is no plain file is written to as it is."""
    if path.exists() and not path.is_file():
        path.write_text(text, "utf-8", errors="backslashreplace")
        return
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_text(text, "utf-8", errors="backslashreplace")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def columns() -> int:
    """Columns of the terminal; 120 where the output is none, so that it is the same everywhere."""
    import shutil

    if not sys.stdout.isatty():
        return 120
    return shutil.get_terminal_size((120, 24)).columns


class Progress:
    """A line on stderr, on a terminal only, that says how far a large tree is read; gone when it is done."""

    def __init__(self, quiet: bool) -> None:
        self.stream = sys.stderr
        self.on = self.stream.isatty() and not quiet
        self.start = self.last = time.monotonic()
        self.count = 0

    def __enter__(self) -> Callable[[str], None]:
        return self.told

    def told(self, path: str) -> None:
        """One more pipeline is being judged."""
        self.count += 1
        now = time.monotonic()
        if self.on and now - self.last > 0.2:
            self.last = now
            self.stream.write(f"\r\x1b[K{self.count:,} read, {now - self.start:.0f} s: {path[-60:]}")
            self.stream.flush()

    def __exit__(self, *_: object) -> None:
        if self.on and self.last != self.start:
            self.stream.write("\r\x1b[K")
