"""What workers are given to do in tests: they are sent by name, so that they are functions and frozen data of a module."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from dtypecheck.fleet.rows import Batch, Row


def nothing(batch: Batch) -> list[Row]:
    """Nothing: what is left is what the engine itself costs."""
    return []


def echo(batch: Batch) -> list[Row]:
    """Each target as its own text."""
    return [Row(job.target, "seen", job.target.encode() + b"\n") for job in batch]


def process(batch: Batch) -> list[Row]:
    """Each target with the process that looked at it."""
    time.sleep(0.01)
    return [Row(job.target, str(os.getpid()), b"\n") for job in batch]


def picky(batch: Batch) -> list[Row]:
    """Echo, but it raises for what is called bad."""
    if any(job.target == "bad" for job in batch):
        raise ValueError("no such thing")
    return echo(batch)


def deadly(batch: Batch) -> list[Row]:
    """Echo, but it takes its process with it for what is called deadly."""
    if any(job.target == "deadly" for job in batch):
        os.kill(os.getpid(), signal.SIGKILL)
    return echo(batch)


@dataclass(frozen=True, slots=True)
class Once:
    """Echo, but the first process that is given a target dies of it. marker: a file that is made then."""

    marker: Path
    target: str

    def __call__(self, batch: Batch) -> list[Row]:
        if any(job.target == self.target for job in batch):
            try:
                os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return echo(batch)
            os.kill(os.getpid(), signal.SIGKILL)
        return echo(batch)
