"""Who made the tensors that go from component to component: noted by every function of torch that the code between them calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final
from weakref import ref

import torch
from torch.overrides import TorchFunctionMode

from .. import origins
from ..lent import Lending
from ..origins import Origin

MOST: Final = 20_000
"""Tensors that are known at a time; a script that keeps more is followed no further."""


class Makers:
    """The origins of tensors, kept beside them: what a script saves or pickles stays as it was."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[Any, Origin]] = {}

    def of(self, tensor: torch.Tensor) -> Origin | None:
        """Who made it, None if nobody saw."""
        known = self._found.get(id(tensor))
        return known[1] if known is not None and known[0]() is tensor else None

    def mark(self, tensor: torch.Tensor, origin: Origin) -> None:
        """Say who made it."""
        number = id(tensor)
        if number in self._found or len(self._found) < MOST:
            self._found[number] = ref(tensor, lambda gone: self._forget(number, gone)), origin

    def _forget(self, number: int, gone: Any) -> None:
        if number in self._found and self._found[number][0] is gone:
            del self._found[number]


class Between(TorchFunctionMode):  # type: ignore[misc]
    """Follows the tensors of the code between components. idle: says whether a component runs, where nothing is followed."""

    def __init__(self, makers: Makers, idle: Callable[[], bool]) -> None:
        super().__init__()
        self.makers = makers
        self.idle = idle
        self.lending = Lending(makers.of, makers.mark, lambda: False)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if torch.compiler.is_compiling() or self.idle():
            return result
        if not isinstance(result, (torch.Tensor, tuple, list)):
            if isinstance(result, torch.dtype):
                self.lending.heard(func, args, kwargs, result, sys._getframe(1))
            return result
        made = [tensor for tensor in origins.tensors(result) if type(tensor) is torch.Tensor]
        if made:
            given = origins.tensors(kwargs, origins.tensors(args)) if kwargs else origins.tensors(args)
            origins.hand_on(given, made, self.makers.of, self.makers.mark)
            self.lending.heard(func, args, kwargs, result, sys._getframe(1))
        return result


class Following:
    """The mode in torch's stack of function modes: taken off while a component runs, and never put above one of the user's."""

    def __init__(self, mode: Between, thread: Any) -> None:
        self.mode = mode
        self.thread = thread

    def start(self) -> None:
        """Follow from now on in this thread, if nobody does."""
        if self.mode not in _stack():
            torch._C._push_on_torch_function_stack(self.mode)

    def leave(self) -> None:
        """A component begins: not followed, where our mode is the innermost."""
        if torch._C._len_torch_function_stack() and _stack()[-1] is self.mode:
            torch._C._pop_torch_function_stack()
            self.thread.left = True

    def back(self) -> None:
        """It ended."""
        if self.thread.left:
            self.thread.left = False
            torch._C._push_on_torch_function_stack(self.mode)

    def stop(self) -> None:
        """Not in the stack any more, wherever in it; the user's modes stay in their order."""
        self.thread.left = False
        modes = _stack()
        if self.mode not in modes:
            return
        for _ in modes:
            torch._C._pop_torch_function_stack()
        for mode in modes:
            if mode is not self.mode:
                torch._C._push_on_torch_function_stack(mode)


def _stack() -> list[Any]:
    return [torch._C._get_function_stack_at(at) for at in range(torch._C._len_torch_function_stack())]
