"""Where a report goes: its policy, its format, a stream or a whole file, and a line of progress meanwhile."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import click

from ..policy import Selection, by_path, choose, exit_code, idle, suppress
from ..render import format_of, renderer
from ..render.options import Look
from ..report import Report
from ..request import WrongUse
from ..settings import Settings
from ..settings.file import WEIGHTS
from .options import baseline_file


def finish(
    report: Report,
    settings: Settings,
    options: dict[str, Any],
    code: Callable[[Report, str], int] = exit_code,
    stream: TextIO | None = None,
) -> int:
    """Apply the policy, write the report, give the exit code. stream: where it goes without -o, stdout by default."""
    if options["output"] is not None:
        report = write(report, settings, options)
    else:
        report = counted(report, settings, options)
        show(report, options["output_format"] or settings.output_format, options, stream or sys.stdout)
    return code(report, options["fail_on"] or settings.fail_on)


def show(report: Report, form: str | None, options: dict[str, Any], stream: TextIO) -> None:
    """Write the report to a stream. form: by default terminal on a terminal, else concise."""
    on_terminal = stream.isatty()
    with read_or_not(stream):
        renderer(form or ("terminal" if on_terminal else "concise"))(report, stream, _look(options, coloured(stream)))
        stream.flush()


def counted(report: Report, settings: Settings, options: dict[str, Any]) -> Report:
    """The report as the policy lets it count: rules selected and ignored, suppressions, the baseline.

    With --write-baseline the file is written here, and what it holds then is known.
    """
    chosen = rules_by_path(settings, options)
    report = choose(report, chosen=chosen)
    notes = idle(report, settings, chosen)
    report = suppress(report, settings.suppressions, settings.called)
    report = replace(report, findings=(*report.findings, *(note for note in notes if chosen(note.where.path).has(note.code))))
    file = baseline_file(settings, options)
    if file is None:
        return report
    from ..policy.baseline import Baseline, known, read_baseline, renewed, text_of

    def selected(code: str, path: str) -> bool:
        return chosen(path).has(code)

    baseline = read_baseline(file) if file.exists() else Baseline(file)
    if options["write_baseline"]:
        old, baseline = baseline, renewed(report, baseline, settings.ground, selected)
        if not file.exists() or file.read_text("utf-8") != text_of(baseline):
            replace_file(file, text_of(baseline))
            new, gone = len(baseline.known - old.known), len(old.known - baseline.known)
            click.echo(f"dtypecheck: {file} knows {len(baseline.entries)} findings ({new} new, {gone} gone)", err=True)
    return known(report, baseline, settings.ground, selected)


def rules_by_path(settings: Settings, options: dict[str, Any]) -> Callable[[str], Selection]:
    """Which rules count in a place: those of the flags, of the settings, and of the overrides that fit it."""
    return by_path(settings, options["select"], options["ignore"], options["extend_select"])


def write(report: Report, settings: Settings, options: dict[str, Any]) -> Report:
    """Apply the policy and write the report to -o FILE, in the format asked for, else in the one that its name ends with."""
    report = counted(report, settings, options)
    write_file(report, settings, options)
    return report


def write_file(report: Report, settings: Settings, options: dict[str, Any]) -> None:
    """Write a report, as it counts, to -o FILE."""
    path: Path = options["output"]
    form = options["output_format"] or format_of(path.name) or settings.output_format or "concise"
    text = io.StringIO()
    renderer(form)(report, text, _look(options, False))
    with contextlib.suppress(BrokenPipeError):  # a file may be a pipe too, and its reader gone: the exit code stays what it is
        replace_file(path, text.getvalue())


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


def spares(path: Path | None, targets: Iterable[Path]) -> None:
    """errors: WrongUse when a report is to take the place of what it is about: a script, a file of weights, a config."""
    if path is None or not path.is_file():
        return
    there = path.resolve()
    of_a_model = path.suffix in (*WEIGHTS, ".py", ".ipynb") or path.name.endswith(("config.json", "index.json"))
    for place in (target.resolve() for target in targets):
        if there == place or (of_a_model and there.is_relative_to(place)):
            raise WrongUse(f"-o {path}: that is looked at, and the report would take its place")


def replace_file(path: Path, text: str) -> None:
    """Write a file whole or not at all: beside it first, then renamed; what is no plain file is written to as it is."""
    if path.exists() and not path.is_file():
        try:
            path.write_text(text, "utf-8", errors="backslashreplace")
        except BrokenPipeError:
            raise
        except OSError as fault:
            raise OSError(fault.errno, fault.strerror, str(path)) from None
        return
    beside = path.with_name(f".dtypecheck-{os.getpid()}.part")  # the name itself may be as long as names can be
    try:
        beside.write_text(text, "utf-8", errors="backslashreplace")
        beside.replace(path)
    except OSError as fault:
        raise OSError(fault.errno, fault.strerror, str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def coloured(stream: TextIO) -> bool:
    """Whether colours are welcome: on a terminal, or with FORCE_COLOR; never with NO_COLOR."""
    return not os.environ.get("NO_COLOR") and (stream.isatty() or bool(os.environ.get("FORCE_COLOR")))


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
        self.on = self.stream.isatty() and not quiet and os.environ.get("TERM") != "dumb"
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
            from ..render.words import clean

            line = clean(f"{self.count:,} read, {now - self.start:.0f} s: {path[-60:]}")
            self.stream.write(f"\r\x1b[K{line[: columns() - 1]}")  # a line that wraps could not be taken back
            self.stream.flush()

    def __exit__(self, *_: object) -> None:
        if self.on and self.last != self.start:
            self.stream.write("\r\x1b[K")
