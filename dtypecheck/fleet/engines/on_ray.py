"""A Ray cluster, or one of this machine's processes. Ray gives the work of a killed worker to another one, once more."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ... import __version__
from ..rows import Batch, Fault, Row
from . import Work, missing
from .local import cores
from .there import carried, check_version, deaf, gone, killed, nobody, none_there, version_there
from .window import in_order, room_of

if TYPE_CHECKING:
    from ray import ObjectRef

ANSWER: Final = 10.0
"""Seconds in which whoever is at an address answers."""
WORKER: Final = 60.0
"""Seconds in which a worker does, which may have to be started first."""
_RETRIES: Final = 1
"""How often a batch is run again when its worker is killed."""
_STORE: Final = 200 << 20
"""Bytes of memory for results on their way; they are small."""
_QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}
"""Without the second it tells of each worker that died on stdout, amid the report."""
_SILENT: Final = logging.CRITICAL + 1


@dataclass(slots=True)
class Ray:
    """where: the cluster in words. most: batches under way at a time, None for what keeps the cluster busy.

    own: files of a cluster that was started here.
    """

    where: str
    most: int | None
    own: Path | None

    @classmethod
    def at(cls, address: str | None, jobs: int | None) -> Ray:
        """A driver of the cluster at an address, as `ray://head:10001`, or of one that is started here and ends with it.

        jobs: processes here; at an address, batches under way at a time.
        errors: WrongUse without the library, where nobody answers, or for workers without this dtypecheck.
        """
        _environment(here=address is None)
        try:
            import ray
        except ImportError:
            raise missing("ray", "ray") from None
        if address is None:
            return cls("the Ray cluster of this machine", None, _here(jobs or cores()))
        _knock(address)
        try:
            with warnings.catch_warnings(action="ignore"):
                ray.init(address, log_to_driver=False, logging_level=_SILENT)
        except (OSError, RuntimeError, ValueError, ImportError) as fault:
            hint = "" if "RAY_AUTH_MODE" in os.environ else "; one that wants a token: RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
            raise nobody(address, f"{fault}{hint}") from None
        engine = cls(address, jobs, None)
        try:
            engine._check()
        except BaseException:
            engine.close()
            raise
        return engine

    def run(self, work: Work, batches: Iterable[Batch]) -> Iterator[list[Row] | Fault]:
        """See Engine."""
        import ray

        function = ray.remote(num_cpus=1, max_retries=_RETRIES, retry_exceptions=False)(carried)

        def begin(batch: Batch) -> ObjectRef[list[Row]]:
            return function.remote(work, batch, __version__)

        return in_order(batches, begin, self._outcome, room_of(_processes, self.most))

    def alone(self, work: Work, batch: Batch) -> list[Row] | Fault:
        """See Engine. It is begun when what waits has begun."""
        return next(self.run(work, [batch]))

    def close(self) -> None:
        """See Engine."""
        import ray

        with deaf():
            ray.shutdown()
            if self.own is not None:
                shutil.rmtree(self.own, ignore_errors=True)

    def _outcome(self, result: ObjectRef[list[Row]]) -> list[Row] | Fault:
        import ray
        from ray import exceptions as of_ray

        try:
            rows: list[Row] = ray.get(result)
            return rows
        except of_ray.RayTaskError as fault:
            return Fault(f"{type(fault.cause).__name__}: {fault.cause}")
        except (of_ray.WorkerCrashedError, of_ray.OutOfMemoryError, of_ray.NodeDiedError, of_ray.ObjectLostError):
            return killed()
        except of_ray.RayError as fault:
            return Fault(f"{type(fault).__name__}: {fault}")
        except ConnectionError:
            raise gone(self.where) from None

    def _check(self) -> None:
        """errors: WrongUse for no worker, and for one with another dtypecheck."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

        ask = ray.remote(num_cpus=0, max_retries=0)(version_there)
        nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        try:
            answers = ray.get([ask.options(scheduling_strategy=On(node, soft=False)).remote() for node in nodes], timeout=WORKER)
        except ray.exceptions.GetTimeoutError:
            raise nobody(self.where, f"it has a node that does nothing within {WORKER:g} s") from None
        except (ray.exceptions.RayError, ImportError) as fault:  # at ray:// what unpacks the question is there too
            raise none_there(self.where, getattr(fault, "cause", fault)) from None
        for found in answers:
            check_version(found, self.where)


def _processes() -> int:
    import ray

    return int(ray.cluster_resources().get("CPU", 0))


def _knock(address: str) -> None:
    """Whether anybody listens: Ray itself waits for minutes. errors: WrongUse."""
    match = re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:(\d+)(?:/.*)?", address)
    if address == "auto":
        return
    if match is None:
        raise nobody(address, "an address is ray://HOST:PORT, HOST:PORT or auto")
    try:
        socket.create_connection((match[1], int(match[2])), ANSWER).close()
    except (OSError, OverflowError) as fault:
        raise nobody(address, fault) from None


def _environment(here: bool) -> None:
    """What Ray reads of it when it is imported. here: whether a cluster is started: who sends it work must know a secret."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if here and "RAY_AUTH_MODE" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else it makes one, and leaves it in the user's home
        if "ray" not in sys.modules:  # one that was imported before has made up its mind: the newer ones want a token anyway
            os.environ["RAY_AUTH_MODE"] = "token"


def _here(jobs: int) -> Path:
    """Start processes of this machine. The folder of their files."""
    import ray

    short = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108 - the names of Ray's sockets may have 107 bytes in all
    room = Path(tempfile.mkdtemp(prefix="dtypecheck-ray-", dir=short))
    quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": _SILENT}
    try:
        with deaf():
            ray.init(
                "local", num_cpus=jobs, num_gpus=0, object_store_memory=_STORE, _temp_dir=str(room),
                _node_ip_address="127.0.0.1", _system_config={"task_oom_retries": _RETRIES}, **quiet,
            )  # fmt: skip
    except BaseException:
        ray.shutdown()
        shutil.rmtree(room, ignore_errors=True)
        raise
    return room
