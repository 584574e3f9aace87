"""What ran and nobody asked for: half tensors that met a wider one, counted by the module where they did."""

from __future__ import annotations

from typing import Any, Final

import torch

from ..dtypes import DType, parse
from ..subjects.shown import Event
from . import origins

_HALF: Final = (torch.float16, torch.bfloat16)


class Events:
    """Collects promotions. halves: the components whose weights are mostly half, by name, with their dtype."""

    def __init__(self, halves: dict[str, DType]) -> None:
        self.halves = halves
        self._found: dict[tuple[str, str], list[Any]] = {}
        self.casts = 0

    def operator(self, func: Any, given: list[torch.Tensor], made: list[torch.Tensor], module: str) -> None:
        """One operator ran."""
        if len(given) < 2 or not made or made[0].dtype is not torch.float32:
            return
        half = next((t for t in given if t.dtype in _HALF and t.dim() > 0), None)
        wide = next((t for t in given if t.dtype is torch.float32 and t.dim() > 0), None)
        if half is None or wide is None:
            return
        origin = origins.of(wide)
        key = module, origin.name if origin else ""
        row = self._found.get(key)
        if row is None:
            row = self._found[key] = [str(func), half.dtype, origin, 0, 0]
        row[3] += made[0].numel() * 2
        row[4] += 1

    def seen(self) -> tuple[Event, ...]:
        """All promotions, in the order they came."""
        return tuple(self._event(module, *row) for (module, _), row in self._found.items())

    def _event(self, module: str, func: str, half: torch.dtype, origin: origins.Origin | None, nbytes: int, times: int) -> Event:
        from ..dtypes import F32

        here = module.partition(".")[0]
        strange = (
            here in self.halves and origin is not None and origin.kind in ("component", "argument") and origin.component != here
        )
        name = func.removeprefix("aten.").partition(".")[0]
        narrow = parse(str(half)) or F32
        return Event("promoted", module, name, (narrow, F32), F32, str(origin or ""), nbytes, times, by_design=not strange)
