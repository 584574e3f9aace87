"""What a call was given, kept as it was, with the random streams: so that the call can be made again and leaves no trace."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterable
from typing import Any

import torch

from .nests import mapped, walked


class Chance:
    """The state of every random stream: torch's on all devices, Python's, NumPy's. generators: those that a caller passed."""

    def __init__(self, generators: Iterable[torch.Generator] = ()) -> None:
        self._torch = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        self._mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
        self._python = random.getstate()
        numpy = sys.modules.get("numpy")
        self._numpy = numpy.random.get_state() if numpy is not None else None
        self._generators = [(generator, generator.get_state()) for generator in generators]

    def restore(self) -> None:
        """Let every stream go on from there."""
        torch.set_rng_state(self._torch)
        if self._cuda:
            torch.cuda.set_rng_state_all(self._cuda)
        if self._mps is not None:
            torch.mps.set_rng_state(self._mps)
        random.setstate(self._python)
        if self._numpy is not None:
            sys.modules["numpy"].random.set_state(self._numpy)
        for generator, state in self._generators:
            generator.set_state(state)

    def now(self) -> Chance:
        """The same streams as they are at this moment."""
        return Chance(generator for generator, _ in self._generators)


class Kept:
    """The arguments of a call as they were when it began, and the random streams."""

    __slots__ = ("_copies", "chance")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._copies = mapped((args, kwargs), _copy)
        self.chance = Chance(thing for thing in walked((args, kwargs)) if isinstance(thing, torch.Generator))

    def again(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Fresh copies of the arguments for one more call; the random streams go on from where they were."""
        self.chance.restore()
        args, kwargs = mapped(self._copies, _copy)
        return args, kwargs


class Undo:
    """The caller's own objects, and what to give back to them when a call is to be made again with them.

    tensors: each of the caller's, and a copy of it as it was.
    """

    __slots__ = ("_chance", "_things", "tensors")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.tensors: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._things: list[tuple[Any, Any]] = []
        generators = []
        for thing in walked((args, kwargs)):
            if isinstance(thing, torch.Tensor):
                self.tensors.append((thing, _copy(thing)))
            elif isinstance(thing, torch.Generator):
                generators.append(thing)
            elif type(thing) in (list, dict):  # others may forbid what undoing does to them
                self._things.append((thing, thing.copy()))
            elif hasattr(thing, "__dict__"):
                self._things.append((vars(thing), dict(vars(thing))))
        self._chance = Chance(generators)

    def __call__(self) -> None:
        """What the call changed in place is as it was, and so are the random streams."""
        for thing, before in self._things:
            if isinstance(thing, list):
                thing[:] = before
            else:
                thing.clear()
                thing.update(before)
        for tensor, before in self.tensors:
            with contextlib.suppress(RuntimeError), torch.no_grad():
                if not torch.equal(tensor, before):
                    tensor.copy_(before)
        self._chance.restore()


def _copy(it: Any) -> Any:
    return it.detach().clone() if isinstance(it, torch.Tensor) else it
