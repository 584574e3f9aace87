"""The casts by torch's own copy, between views of our buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ...dtypes import DType
from .tally import Array

NAME: Final = "torch"
_SERIAL: Final = 32_736
"""Numbers that torch copies in the thread that asks. For 32,768 it wakes others, and waits for them on a busy machine."""


class Torch:
    """Casts pieces of any length; `most` is what stays in a core's cache until it was counted."""

    most = 1 << 17

    def __init__(self) -> None:
        import torch

        self._torch = torch

    def cast(self, held: Array, made: Array, source: DType, target: DType) -> None:
        """Cast the bytes `held` into the bytes `made`."""
        self.bound(held, made, source, target)()

    def bound(self, held: Array, made: Array, source: DType, target: DType) -> Callable[[], None]:
        """What casts the bytes that are in `held` then into `made`. To make torch's views takes as long as to cast by them."""
        if not len(held):
            return lambda: None
        numbers, results = self._view(held, source), self._view(made, target)
        pairs = tuple(zip(results.split(_SERIAL), numbers.split(_SERIAL), strict=True))

        def cast() -> None:
            for result, number in pairs:
                result.copy_(number)

        return cast

    def _view(self, raw: Array, dtype: DType) -> Any:
        return self._torch.frombuffer(raw, dtype=getattr(self._torch, dtype.torch))
