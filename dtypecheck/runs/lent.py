"""A tensor made in the dtype of another has its dtype from there: `x.to(y.dtype)`, `randn(..., dtype=y.dtype)`."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType
from typing import Any, Final

import torch
from torch.overrides import TorchFunctionMode

from . import origins
from .origins import Origin
from .world import World

_ASKED: Final = torch.Tensor.dtype.__get__


class Lending:
    """Remembers who is asked for a dtype, and marks what is then made in it and nobody else brought.

    That is so where the answer goes into the very call that makes the tensor, or into a name. Inside a component only the
    function that asked counts; between components a function that is called from there too.
    find, note: where origins are kept. inside: says whether a component runs.
    """

    def __init__(
        self,
        find: Callable[[torch.Tensor], Origin | None],
        note: Callable[[torch.Tensor, Origin], None],
        inside: Callable[[], bool],
    ) -> None:
        self.find = find
        self.note = note
        self.inside = inside
        self._asked: dict[torch.dtype, tuple[int, int, Origin]] = {}

    def heard(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, result: Any, frame: FrameType) -> None:
        """A function of torch was called from a frame and gave a result."""
        if func == _ASKED:
            origin = self.find(args[0])
            if origin is not None and (origin.kind != "code" or origin.after):
                line = 0 if _named(frame.f_code, frame.f_lasti) else frame.f_lineno
                self._asked[result] = id(frame), line, origin
            return
        if isinstance(result, torch.Tensor) and result.dtype in self._asked and result.dtype in _given(args, kwargs):
            found = self.find(result)
            asked, line, origin = self._asked[result.dtype]
            if (found is None or found.kind == "code") and self._active(asked, line, frame):
                self.note(result, _lent(found, origin))

    def _active(self, asked: int, line: int, frame: FrameType | None) -> bool:
        """True while the function that asked runs, and its answer is in use. line: where it asked, 0 for a name."""
        while frame is not None:
            if id(frame) == asked:
                begin, end = _span(frame.f_code, frame.f_lasti)
                return not line or begin <= line <= end
            if self.inside():
                return False
            frame = frame.f_back
        return False


class Lent(TorchFunctionMode):  # type: ignore[misc]
    """Follows who lends a dtype in a rehearsal."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.lending = Lending(origins.of, origins.mark, lambda: bool(world.inside))

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self.world.busy:
            self.lending.heard(func, args, kwargs, result, sys._getframe(1))
        return result


def _lent(found: Origin | None, asked: Origin) -> Origin:
    """Code made it, after the component whose dtype it has; what was asked of an argument or parameter is from there."""
    component = asked.name if asked.kind == "component" else asked.after
    if not component:
        return asked
    return replace(found or Origin("code", ""), through=asked.through, after=component)


@lru_cache(maxsize=4096)
def _named(code: CodeType, at: int) -> bool:
    """True when the value that an instruction gives is put into a name: `dtype = x.dtype`."""
    after = next((step for step in dis.get_instructions(code) if step.offset > at and step.opname != "CACHE"), None)
    return after is not None and after.opname.startswith("STORE_")


@lru_cache(maxsize=4096)
def _span(code: CodeType, at: int) -> tuple[int, int]:
    """First and last line of the expression that an instruction is of."""
    begin, end, *_ = next(islice(code.co_positions(), at // 2, None), (None, None))
    return begin or 0, end or 0


def _given(args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> list[Any]:
    """The dtypes that a function is called with."""
    return [value for value in (*args, *(kwargs or {}).values()) if isinstance(value, torch.dtype)]
