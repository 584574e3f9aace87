"""The casts by torch's own copy, between views of our buffers."""

from __future__ import annotations

from typing import Any, Final

from ...dtypes import DType
from .tally import Array

NAME: Final = "torch"
_SERIAL: Final = 32_736
"""Numbers that torch copies in the thread that asks. For 32,768 it wakes others, and waits for them on a busy machine."""


class Torch:
    """Casts pieces of any length."""

    asks = False

    def __init__(self) -> None:
        import torch

        self._torch = torch

    def cast(self, held: Array, made: Array, source: DType, target: DType, special: bool) -> None:
        """Cast the bytes `held` into the bytes `made`."""
        if not len(held):
            return
        numbers, results = self._view(held, source), self._view(made, target)
        for at in range(0, len(numbers), _SERIAL):
            results[at : at + _SERIAL].copy_(numbers[at : at + _SERIAL])

    def _view(self, raw: Array, dtype: DType) -> Any:
        return self._torch.frombuffer(raw, dtype=getattr(self._torch, dtype.torch))
