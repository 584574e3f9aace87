"""What comes into a component in another dtype than its own, and the same cast where it comes in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from .again.nests import HALF, cast
from .brought import KEEPS
from .crash import given_to
from .healed import Asked, Book, Done, edge
from .names import Row, main_dtype
from .silent import named
from .watcher import Watcher
from .wider import tame, torch_dtype


class Strays:
    """known: the names of the arguments that a component needs cast."""

    def __init__(self, watcher: Watcher, book: Book) -> None:
        self.watcher = watcher
        self.book = book
        self.known: dict[Row, frozenset[str]] = {}

    def candidates(self, given: Asked) -> list[str]:
        """The names of what a component is given in another dtype than its own; scalars and time steps may be."""
        main = own_dtype(given.module)
        return [name for name, it in _given(given) if main is not None and it.dtype is not main and it.numel() > KEEPS]

    def guesses(self, asked: Asked) -> Iterator[frozenset[str]]:
        """Which of them may be the ones to cast: each alone, then all."""
        found = self.candidates(asked)
        yield from dict.fromkeys([*(frozenset({name}) for name in found), frozenset(found)])

    def too_large(self, asked: Asked) -> bool:
        """Whether something that came in so, healed elsewhere, does not fit the component's dtype."""
        main = own_dtype(asked.module)
        strays = [it for _, it in _given(asked) if main in HALF and it.dtype is not main]
        return any(tame(it) and not tame(it.to(main)) for it in strays)

    def cast(self, asked: Asked, names: frozenset[str]) -> Asked:
        """The call with the arguments of these names in the component's dtype."""
        main, call = own_dtype(asked.module), asked.call
        strays = [(name, it) for name, it in _given(asked) if name in names and it.dtype is not main]
        if main is None or not strays:
            return asked
        self.book.entry(call.row, "cast", lambda: self._new(asked, strays, main)).cast(it for _, it in strays)
        call.inputs = tuple(main if name in names else it.dtype for name, it in _given(asked))
        self.watcher.strange.pop(call.row.root, None)  # it goes no further
        parameters = (*call.row.parameters, *[""] * len(asked.args))
        args = tuple(cast(it, main) if name in names else it for name, it in zip(parameters, asked.args, strict=False))
        kwargs = {name: cast(it, main) if name in names else it for name, it in asked.kwargs.items()}
        return replace(asked, args=args, kwargs=kwargs)

    def _new(self, asked: Asked, strays: list[tuple[str, torch.Tensor]], main: torch.dtype) -> Done:
        makers = self.watcher.makers
        words = edge([(name, makers.of(it)) for name, it in strays], named(main), asked.row.root.name)
        return Done(strays[0][1].dtype, main, str(self.watcher.settings.shown(words)))


def own_dtype(module: Any) -> torch.dtype | None:
    """The dtype of most of a module's weights."""
    return torch_dtype(main_dtype(module))


def _given(asked: Asked) -> list[tuple[str, torch.Tensor]]:
    return given_to(asked.call, asked.args, asked.kwargs)
