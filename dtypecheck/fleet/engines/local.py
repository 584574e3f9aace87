"""Processes of this machine. Python's pool gives up when one of them is killed; what was under way is then told as a Fault."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from typing import Final

from ..rows import Batch, Fault, Row
from . import Work
from .there import killed
from .window import AHEAD, in_order

ENOUGH: Final = 8
"""Targets that make another process worth its start."""
_OURS: Final = ("dtypecheck.cli",)
"""What a process imports of the command that started it."""


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(slots=True)
class Local:
    """jobs: how many processes; one is this process itself."""

    jobs: int
    _pool: Executor | None = field(default=None, repr=False)

    def run(self, work: Work, batches: Iterable[Batch]) -> Iterator[list[Row] | Fault]:
        """See Engine."""

        def begin(batch: Batch) -> Future[list[Row]]:
            return self._submit(work, batch)

        return in_order(batches, begin, self._outcome, lambda: AHEAD * self.jobs)

    def alone(self, work: Work, batch: Batch) -> list[Row] | Fault:
        """See Engine. What is under way meanwhile was submitted before, and is of other batches: it is waited for."""
        return self._outcome(self._submit(work, batch))

    def close(self) -> None:
        """See Engine."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _submit(self, work: Work, batch: Batch) -> Future[list[Row]]:
        for _ in range(2):
            if self._pool is None:
                self._pool = self._made(work)
            try:
                return self._pool.submit(work, batch)
            except BrokenProcessPool:
                self.close()
        failed: Future[list[Row]] = Future()
        failed.set_exception(BrokenProcessPool("no process of this machine lives long enough to be given work"))
        return failed

    def _made(self, work: Work) -> Executor:
        if self.jobs == 1:
            return ThreadPoolExecutor(1, "dtypecheck-fleet")
        return ProcessPoolExecutor(self.jobs, _started(work.__module__), _begin)

    def _outcome(self, future: Future[list[Row]]) -> list[Row] | Fault:
        fault = future.exception()
        if fault is None:
            return future.result()
        if isinstance(fault, BrokenProcessPool):
            return killed()
        return Fault(f"{type(fault).__name__}: {fault}")


def _started(needed: str) -> BaseContext:
    """How processes come to be: as copies of one that has imported what they need and has no threads; anew where none can."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([needed, *_OURS])
    return context


def _begin() -> None:
    """In a new process: a stop by hand is the parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
