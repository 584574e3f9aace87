"""The smallest and the largest number of each tensor, reduced where the tensor lies and fetched together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Final
from weakref import ref

import torch

FLOATS: Final = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
_PLAIN: Final = (torch.Tensor, torch.nn.Parameter)
DEEP: Final = 6
"""How deep containers in containers are looked into."""

Extremes = tuple[float, float]


class Reduced:
    """The extremes of the tensors of one step.

    A tensor that several modules hand on is reduced once; in inference mode, where torch counts no changes in place, each time.
    Nothing is fetched from its device before `fetch`.
    """

    __slots__ = ("_highs", "_lows", "_seen")

    def __init__(self) -> None:
        self._lows: list[torch.Tensor] = []
        self._highs: list[torch.Tensor] = []
        self._seen: dict[int, tuple[Any, int, int]] = {}

    def of(self, tensor: torch.Tensor) -> int:
        """The number under which the extremes of this tensor will be found, -1 for one that cannot be reduced."""
        version = -1 if tensor.is_inference() else tensor._version
        known = self._seen.get(id(tensor))
        if known is not None and known[1] == version >= 0 and known[0]() is tensor:
            return known[2]
        try:
            low, high = torch.aminmax(tensor.detach())
        except (RuntimeError, NotImplementedError):
            return -1
        number = len(self._lows)
        self._lows.append(low)
        self._highs.append(high)
        self._seen[id(tensor)] = ref(tensor), version, number
        return number

    def fetch(self) -> list[Extremes]:
        """The extremes by number, and forget all: one synchronisation a device. A NaN makes both of them NaN."""
        found: list[Extremes] = [(0.0, 0.0)] * len(self._lows)
        devices: dict[torch.device, list[int]] = {}
        for number, lowest in enumerate(self._lows):
            devices.setdefault(lowest.device, []).append(number)
        for numbers in devices.values():
            for number, (low, high) in zip(numbers, _stacked(self._lows, self._highs, numbers), strict=True):
                found[number] = low, high
        self.forget()
        return found

    def forget(self) -> None:
        """Begin anew."""
        self._lows, self._highs, self._seen = [], [], {}


def _stacked(lows: list[torch.Tensor], highs: list[torch.Tensor], numbers: list[int]) -> Iterable[list[float]]:
    """Low and high by number, in one transfer: dtypes promote to the widest among them, which holds them all exactly."""
    both = torch.stack([torch.stack([lows[i] for i in numbers]), torch.stack([highs[i] for i in numbers])], 1)
    pairs: list[list[float]] = both.tolist()
    return pairs


def floats(value: Any, found: list[torch.Tensor], depth: int = 0) -> list[torch.Tensor]:
    """The plain floating tensors with numbers in them, in any nest of tuples, lists, dicts and dataclasses."""
    kind = type(value)
    if kind in _PLAIN:
        if value.dtype in FLOATS and not value.is_meta and value.layout is torch.strided and value.numel():
            found.append(value)
    elif value is None or kind in (int, float, bool, str) or depth > DEEP:
        pass
    elif isinstance(value, (list, tuple)):
        for item in value:
            floats(item, found, depth + 1)
    elif isinstance(value, dict):
        for item in value.values():
            floats(item, found, depth + 1)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            floats(getattr(value, field.name, None), found, depth + 1)
    return found
