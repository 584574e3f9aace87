"""The engine that was asked for by its name; the library of a cluster is imported when it is asked for."""

from __future__ import annotations

from ..request import WrongUse
from .engines import Engine, Name


def engine_of(name: Name, jobs: int | None, address: str | None, targets: int) -> Engine:
    """The engine of a name. jobs: processes, None for as many as there are processors and targets make worth.

    errors: WrongUse without the library of the engine, or where nobody answers at the address.
    """
    if name == "local":
        if address:
            raise WrongUse("--address is that of a cluster: it goes with --engine dask or --engine ray")
        from .engines.local import ENOUGH, Local, cores

        return Local(jobs or max(1, min(cores(), targets // ENOUGH)))
    if name == "dask":
        from .engines.on_dask import Dask

        return Dask.at(address, jobs)
    from .engines.on_ray import Ray

    return Ray.at(address, jobs)
