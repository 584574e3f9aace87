"""The operators that one call runs: which of them made inf or NaN of finite numbers, and how large each result is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ..reduced import floats
from ..steps import finite

_OWN: Final = frozenset({"aten", "prims", "prim", "profiler", "inductor", "_c10d_functional"})
_CASTS: Final = frozenset({"_to_copy", "copy_"})
_EMPTY: Final = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})


@dataclass(frozen=True, slots=True)
class Step:
    """One operator that ran. given, gave: the largest magnitude in and out. bad: it made inf or NaN of finite numbers."""

    name: str
    given: float
    gave: float
    bad: bool


class Operators(TorchDispatchMode):  # type: ignore[misc]
    """Follows all operators of a call. strange: the first that is none of PyTorch's own."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.strange = ""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        before = [_extremes(tensor) for tensor in floats((args, kwargs or {}), [])] if func.namespace in _OWN else []
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if func.namespace not in _OWN:
            self.strange = self.strange or f"{func.namespace}::{name}"
        elif name not in _EMPTY and (made := floats(result, [])):
            after = [_extremes(tensor) for tensor in made[:1]]
            well = all(finite(pair) for pair in before)
            self.steps.append(Step(name, _largest(before), _largest(after), well and not all(finite(pair) for pair in after)))
        return result

    def needs(self, wide: Operators) -> float:
        """The largest magnitude, in float32, of what went wrong here; 0 where the two do not run the same operators.

        wide: the same call in float32. A cast that overflowed shows by what it was given.
        """
        found = [step.given for step in self.steps if step.bad and step.name in _CASTS and isfinite(step.given)]
        pairs = list(zip(self._real(), wide._real(), strict=False))
        if len(self._real()) == len(wide._real()) and all(one.name == other.name for one, other in pairs):
            found += [other.gave for one, other in pairs if one.bad and isfinite(other.gave)]
        return max(found, default=0.0)

    def _real(self) -> list[Step]:
        return [step for step in self.steps if step.name not in _CASTS]


def _extremes(tensor: torch.Tensor) -> tuple[float, float]:
    low, high = torch.aminmax(tensor.detach())
    return float(low), float(high)


def _largest(pairs: list[tuple[float, float]]) -> float:
    return max((max(-low, high) for low, high in pairs), default=0.0)
