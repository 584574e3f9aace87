"""One script in several processes (torchrun, accelerate launch): each hands its run in, the first makes one report of them."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Final

from ..engine import report_runs
from ..files import place
from ..knowledge import Knowledge
from ..read.runs import read_runs
from ..render.json import render
from ..render.options import Look
from ..report import Report
from ..subjects import Request
from ..subjects.shown import Run

WAIT: Final = 30.0
"""Seconds that the first process waits for the others, once it is done itself."""
_SAID: Final = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT")


@dataclass(frozen=True, slots=True)
class Process:
    """rank: of this process. count: of those on this machine. first: the rank that reports. folder: where runs are handed in."""

    rank: int
    count: int
    first: int
    folder: Path


def here(environment: Mapping[str, str] = os.environ) -> Process | None:
    """What the launcher says of this process; None for a script that runs alone.

    Processes on other machines hand their runs in there: every machine has a report of its own.
    """
    try:
        rank, local, count = (int(environment[name]) for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    except (KeyError, ValueError):
        return None
    if count < 2:
        return None
    said = "\n".join(f"{name}={environment.get(name, '')}" for name in _SAID)
    user = os.getuid() if hasattr(os, "getuid") else 0
    name = f"dtypecheck-{user}-{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    return Process(rank, count, rank - local, Path(tempfile.gettempdir()) / name)


def hand_in(report: Report, process: Process) -> None:
    """Leave the run of this process where the first one finds it. errors: OSError when it cannot be written."""
    process.folder.mkdir(mode=0o700, exist_ok=True)
    runs = tuple(replace(run, ranks=(process.rank,)) for run in report.runs)
    text = StringIO()
    render(replace(report, runs=runs), text, Look())
    beside = process.folder / f".{process.rank}.part"
    beside.write_text(text.getvalue(), "utf-8")
    beside.replace(process.folder / f"{process.rank}.json")


def gather(report: Report, process: Process, known: Knowledge, request: Request, wait: float = WAIT) -> Report:
    """The first process: wait for the others, and judge all runs together. One that never comes is told.

    wait: seconds.
    """
    others = [rank for rank in range(process.first, process.first + process.count) if rank != process.rank]
    end = time.monotonic() + wait
    while time.monotonic() < end and not all((process.folder / f"{rank}.json").exists() for rank in others):
        time.sleep(0.05)
    runs: list[Run] = [replace(run, ranks=(process.rank,)) for run in report.runs]
    for rank in others:
        path = process.folder / f"{rank}.json"
        found = _read(path)
        path.unlink(missing_ok=True)
        runs += found
        if not found:
            lost = f"rank {rank} handed nothing in within {wait:.0f} s: it was killed, or still runs"
            runs[0] = replace(runs[0], limits=(*runs[0].limits, lost))
    _leave(process.folder)
    return report_runs(runs, known, request, report.label)


def _read(path: Path) -> tuple[Run, ...]:
    if not path.is_file():
        return ()
    files = place(path)
    entry = next(iter(files.entries()), None)
    read = read_runs(files, entry) if entry else None
    return read[0] if read else ()


def _leave(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # a process that came late has left its run there
