"""The outermost calls of pipelines: where one begins and ends, what its caller gave it, and what it raised between components."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import wraps
from types import ModuleType
from typing import Any

import torch

from ..origins import Origin, tensors
from ..script.changes import Changes
from .variables import variable_of
from .watcher import Watcher

HOME = "diffusers.pipelines.pipeline_utils"
"""Where the base of all pipelines is."""


class Calls:
    """Wraps `__call__` of every class of pipelines that is met.

    ended: told of each outermost call that came to its end, with the pipeline; broken: of one that an exception left.
    """

    def __init__(
        self,
        watcher: Watcher,
        changes: Changes,
        ended: Callable[[Any], None] | None = None,
        broken: Callable[[Any], None] | None = None,
    ) -> None:
        self.watcher = watcher
        self.changes = changes
        self.ended = ended
        self.broken = broken

    def wanted(self) -> dict[str, Callable[[ModuleType], None]]:
        """What to do with each module when it is there."""
        return {HOME: self._base}

    def _base(self, module: ModuleType) -> None:
        base = module.DiffusionPipeline
        for klass in _below(base):
            self.follow(klass)

        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(real)
            def registered(pipe: Any, **parts: Any) -> Any:
                result = real(pipe, **parts)
                self.follow(type(pipe))
                self.watcher.names.expect(pipe)
                return result

            return registered

        self.changes.wrap(base, "register_modules", make)

    def follow(self, klass: type) -> None:
        """Wrap the `__call__` of a class, where it is defined."""
        owner = next((base for base in klass.__mro__ if "__call__" in vars(base)), None)
        if owner is not None and owner is not object:
            self.changes.once(owner, "__call__", self._wrapper)

    def _wrapper(self, real: Callable[..., Any]) -> Callable[..., Any]:
        watcher, thread = self.watcher, self.watcher.thread

        @wraps(real)
        def called(pipe: Any, *args: Any, **kwargs: Any) -> Any:
            if thread.off or thread.depth or not watcher.hooks.on:
                return real(pipe, *args, **kwargs)
            thread.depth += 1
            watcher.opens(pipe, variable_of(pipe, sys._getframe(1)))
            for name, value in _named(real, args, kwargs):
                for tensor in tensors(value):
                    known = watcher.makers.of(tensor)
                    if type(tensor) is torch.Tensor and (known is None or known.kind == "code"):
                        watcher.makers.mark(tensor, Origin("argument", name, where=known.where if known else ""))
            try:
                result = real(pipe, *args, **kwargs)
            except Exception as fault:  # it goes on as it is
                thread.depth -= 1
                watcher.broke(fault)
                watcher.closes()
                if self.broken:
                    self.broken(pipe)
                raise
            except BaseException:  # the script is about to end
                thread.depth -= 1
                raise
            thread.depth -= 1
            watcher.closes()
            if self.ended:
                self.ended(pipe)
            return result

        return called


def _named(real: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    code = getattr(getattr(real, "__wrapped__", real), "__code__", None)
    names = code.co_varnames[1 : code.co_argcount] if code else ()
    yield from zip(names, args, strict=False)
    yield from kwargs.items()


def _below(klass: type) -> Iterator[type]:
    yield klass
    subclasses: list[type] = type.__subclasses__(klass)
    for below in subclasses:
        yield from _below(below)
