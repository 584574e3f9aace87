"""Threads that each carry one batch at a time through all its stages, and the turns in which batches pass a stage in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from typing import Final

_MOST: Final = 4
"""Threads at most: memory is not faster for more."""


class Stopped(Exception):
    """Another thread failed: there is nothing left to do."""


class Turns:
    """Lets one batch pass after the other, whichever thread brings it."""

    def __init__(self) -> None:
        self._next, self._stopped = 0, False
        self._changed = Condition()

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        """Wait for the batch's turn; the next one has it afterwards, unless something went wrong. errors: Stopped."""
        with self._changed:
            while self._next != number and not self._stopped:
                self._changed.wait()
            if self._stopped:
                raise Stopped
        yield
        with self._changed:
            self._next = number + 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Let nobody pass any more, and nobody wait."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def together(jobs: Sequence[Callable[[], None]], stop: Callable[[], None]) -> None:
    """Do all of them at once, the first in this thread. When one fails, `stop` must make the others raise Stopped.

    errors: what went wrong in one.
    """

    def do(job: Callable[[], None]) -> None:
        whole = False
        try:
            job()
            whole = True
        except Stopped:
            whole = True
        finally:
            if not whole:
                stop()

    with ThreadPoolExecutor(len(jobs)) as threads:
        begun = [threads.submit(do, job) for job in jobs[1:]]
        do(jobs[0])
        for other in begun:
            other.result()


def hands(jobs: int) -> int:
    """How many threads so many jobs are worth, where so many cores are there."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(_MOST, cores, jobs))
