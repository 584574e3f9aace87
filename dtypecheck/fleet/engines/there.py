"""What happens in a worker that another library started: our work, done by the same dtypecheck as here."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ... import __version__
from ...request import WrongUse
from ..rows import Batch, Fault, Row
from . import Work


class OtherVersion(Exception):
    """The dtypecheck of a worker is another one than that of whoever asks; their reports must not be mixed."""


def carried(work: Work, batch: Batch, version: str) -> list[Row]:
    """The rows of a batch. version: of who asks. errors: OtherVersion, and whatever the work raises."""
    if version != __version__:
        raise OtherVersion(f"the worker has dtypecheck {__version__}, who asks has {version}")
    return work(batch)


def version_there() -> str:
    """Which dtypecheck a worker has. A worker without one cannot be sent this function, which tells it too."""
    return __version__


def check_version(found: str, where: str) -> None:
    """errors: WrongUse for a worker with another dtypecheck than this one."""
    if found != __version__:
        raise WrongUse(f"{where}: a worker has dtypecheck {found}, here is {__version__}: install the same one there")


def none_there(where: str, fault: BaseException) -> WrongUse:
    """The error for workers in which dtypecheck cannot be imported."""
    while fault.__cause__ is not None:
        fault = fault.__cause__
    why = " ".join(str(fault).split())[:200]
    return WrongUse(f"{where}: dtypecheck cannot be imported there: pip install dtypecheck=={__version__} on all of it ({why})")


def nobody(where: str, fault: BaseException | str) -> WrongUse:
    """The error for an address at which no cluster answers."""
    why = " ".join(str(fault).split())[:200]
    return WrongUse(
        f"--address {where}: no cluster answers there ({why})" if why else f"--address {where}: no cluster answers there"
    )


def gone(where: str) -> WrongUse:
    """The error for a cluster that goes away while it is at work."""
    return WrongUse(f"{where}: the cluster is gone; what was found is kept: the same command goes on from there")


def killed() -> Fault:
    """Of a batch whose worker was killed, as often as the engine tried."""
    return Fault("the process that looked at it was killed (out of memory?)", killed=True)


@contextmanager
def deaf() -> Iterator[None]:
    """While processes are started or ended: a stop by hand waits until that is over. What is started here never hears of one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
