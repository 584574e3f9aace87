"""A Dask cluster, or one of this machine's processes. Dask gives the work of a killed worker to another one, once more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, Final

from ... import __version__
from ..rows import Batch, Fault, Row
from . import Work, missing
from .local import cores
from .there import carried, check_version, deaf, gone, killed, nobody, none_there, version_there
from .window import in_order, room_of

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

ANSWER: Final = 10.0
"""Seconds in which a scheduler answers."""
WORKER: Final = 60.0
"""Seconds in which one of its workers does, which may have to be started first."""
_LOGGERS: Final = ("distributed", "distributed.client", "tornado", "tornado.application", "asyncio")


@dataclass(slots=True)
class Dask:
    """where: the cluster in words. most: batches under way at a time, None for what keeps the cluster busy."""

    where: str
    most: int | None
    _client: Client
    _cluster: LocalCluster | None

    @classmethod
    def at(cls, address: str | None, jobs: int | None) -> Dask:
        """A client of the cluster at an address, as `tcp://scheduler:8786`, or of one that is started here and ends with it.

        jobs: processes here; at an address, batches under way at a time. Workers of one thread are the fastest: reading headers
        is Python. The scheduler needs dtypecheck too: Dask unpacks there what is sent to a worker.
        errors: WrongUse without the library, where nobody answers, or for workers without this dtypecheck.
        """
        try:
            import distributed
            from distributed.comm import resolve_address

            if address is None:
                import cryptography  # noqa: F401 - what Dask makes a certificate with
        except ImportError:
            raise missing("distributed", "dask") from None
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        if address is None:
            return cls("the Dask cluster of this machine", None, *_here(jobs or cores()))
        try:
            resolve_address(address)  # a client of what is no address never ends
            client = distributed.Client(address, timeout=ANSWER, set_as_default=False)
        except (OSError, ValueError, ImportError) as fault:  # not there, no address, a protocol without its library
            raise nobody(address, fault) from None
        engine = cls(address, jobs, client, None)
        try:
            engine._check()
        except BaseException:
            engine.close()
            raise
        return engine

    def run(self, work: Work, batches: Iterable[Batch]) -> Iterator[list[Row] | Fault]:
        """See Engine."""

        def begin(batch: Batch) -> Future:
            return self._submit(work, batch)

        return in_order(batches, begin, self._outcome, room_of(self._processes, self.most))

    def alone(self, work: Work, batch: Batch) -> list[Row] | Fault:
        """See Engine. It is done before what waits."""
        return self._outcome(self._submit(work, batch, priority=1))

    def close(self) -> None:
        """See Engine."""
        with deaf():
            self._client.close()
            if self._cluster is not None:
                self._cluster.close()

    def _submit(self, work: Work, batch: Batch, priority: int = 0) -> Future:
        return self._client.submit(carried, work, batch, __version__, pure=False, priority=priority)

    def _outcome(self, future: Future) -> list[Row] | Fault:
        from distributed import KilledWorker

        try:
            fault = future.exception()
            if fault is None:
                rows: list[Row] = future.result()
                return rows
        except (CancelledError, OSError):  # of a future: the connection to the scheduler was lost
            raise gone(self.where) from None
        return killed() if isinstance(fault, KilledWorker) else Fault(f"{type(fault).__name__}: {fault}")

    def _processes(self) -> int:
        return sum(self._asked(self._client.nthreads).values())

    def _check(self) -> None:
        """errors: WrongUse for no worker, and for one with another dtypecheck, which would end of what it is sent."""
        for found in self._asked(self._client.run, version_there, on_error="return").values():
            if isinstance(found, BaseException):
                raise none_there(self.where, found)
            check_version(found, self.where)
        try:
            fault = self._client.submit(version_there, pure=False).exception(timeout=WORKER)
        except TimeoutError:
            raise nobody(self.where, f"the scheduler has no worker that does anything within {WORKER:g} s") from None
        if fault is not None:
            raise none_there(self.where, fault)

    def _asked(self, question: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return question(*arguments, **options)
        except (CancelledError, OSError):
            raise gone(self.where) from None


def _here(jobs: int) -> tuple[Client, LocalCluster]:
    """Processes of this machine that nobody else on it can send work to: what they talk is encrypted with a key of its own."""
    from distributed import Client, LocalCluster

    resource_tracker.ensure_running()  # which lets whatever is started after it hear of a stop by hand
    cluster: LocalCluster | None = None
    try:
        with deaf():
            cluster = LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL + 1,
                security=True,
                scheduler_kwargs={"allowed_failures": 1, "dashboard": False},
            )
            return Client(cluster, set_as_default=False), cluster
    except BaseException:
        if cluster is not None:
            cluster.close()
        raise
