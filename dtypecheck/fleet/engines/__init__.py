"""Who does the work: processes of this machine, or a cluster of an engine that exists; all of them behind one `run`.

Beyond this machine Dask is the recommended one. Both were tried, with two processes on two cores and the batches of
`tests/benchmarks/fleet_engines.py`: Dask is 30 MB to install, starts in 1.9 s and holds 170 MB with its workers; Ray is 260 MB,
2.7 s and 510 MB, and wants the very same Ray and Python everywhere. 2,000 folders took 11.4 s with processes of our own, 13.1 s
with Dask and 13.8 s with Ray. Ray hands out a batch in 0.9 ms where Dask needs 6 ms: it is the better one where a Ray cluster
runs anyway, or where more than some 30 processes read a fast disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, Protocol, get_args

from ...request import WrongUse
from ..rows import Batch, Fault, Row

Name = Literal["local", "dask", "ray"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)
Work = Callable[[Batch], list[Row]]
"""What a worker does with a batch. It is sent to other processes: a function of a module, or frozen data that is called."""


class Engine(Protocol):
    """Something that runs work elsewhere. A worker that is killed takes nothing with it: its batch is run again, or a Fault."""

    def run(self, work: Work, batches: Iterable[Batch]) -> Iterator[list[Row] | Fault]:
        """For each batch, in their order, its rows or why there are none; a few are under way at a time."""

    def alone(self, work: Work, batch: Batch) -> list[Row] | Fault:
        """The same for one batch while nothing else is under way: who is killed now is killed by it."""

    def close(self) -> None:
        """Let the workers go."""


def missing(library: str, extra: str) -> WrongUse:
    """The error for an engine whose library is not installed."""
    return WrongUse(f"--engine {extra} needs {library}: pip install 'dtypecheck[{extra}]'")
