"""A tensor made in the dtype of another has its dtype from there: `x.to(y.dtype)`, `randn(..., dtype=y.dtype)`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final

import torch
from torch.overrides import TorchFunctionMode

from . import origins
from .origins import Origin
from .world import World

_ASKED: Final = torch.Tensor.dtype.__get__  # type: ignore[attr-defined]


class Lent(TorchFunctionMode):  # type: ignore[misc]
    """Watches who is asked for a dtype, and marks what is then made in it and nobody else brought.

    Inside a component only the same function counts; between components a function that is called with the dtype too.
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self._asked: dict[torch.dtype, tuple[int, Origin]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.world.busy:
            return result
        if func == _ASKED:
            origin = origins.of(args[0])
            if origin is not None and origin.kind != "code":
                self._asked[result] = id(sys._getframe(1)), origin
            return result
        if isinstance(result, torch.Tensor) and result.dtype in self._asked and result.dtype in _given(args, kwargs):
            found = origins.of(result)
            asked, origin = self._asked[result.dtype]
            if (found is None or found.kind == "code") and self._active(asked, sys._getframe(1)):
                origins.mark(result, origin)
        return result

    def _active(self, asked: int, frame: FrameType | None) -> bool:
        """True while the function that asked runs."""
        if self.world.inside:
            return id(frame) == asked
        while frame is not None:
            if id(frame) == asked:
                return True
            frame = frame.f_back
        return False


def _given(args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> list[Any]:
    """The dtypes that a function is called with."""
    return [value for value in (*args, *(kwargs or {}).values()) if isinstance(value, torch.dtype)]
