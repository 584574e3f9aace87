"""What ran and nobody asked for: half tensors that met a wider one, counted by module, and what ran wide behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import torch

from ..dtypes import F32, DType
from ..subjects.shown import Event
from . import origins
from .modules import dtype_of
from .origins import Origin

_HALF: Final = (torch.float16, torch.bfloat16)


@dataclass(slots=True)
class _Met:
    """All meetings of half with wide in one module. strange: nobody's design. behind: modules that then ran wide.

    ahead: modules that had the wide tensor before any half one met it: in the next step they come after, and are not behind.
    """

    module: str
    operator: str
    narrow: DType
    by: str
    strange: bool
    nbytes: int = 0
    times: int = 0
    behind: set[str] = field(default_factory=set)
    ahead: frozenset[str] = frozenset()

    def event(self) -> Event:
        dtypes, name = (self.narrow, F32), self.operator.removeprefix("aten.").partition(".")[0]
        by_design, downstream = not self.strange, len(self.behind)
        return Event("promoted", self.module, name, dtypes, F32, self.by, self.nbytes, self.times, downstream, by_design)


class Events:
    """Collects promotions. halves: the components whose weights are mostly half, by name, with their dtype."""

    def __init__(self, halves: dict[str, DType]) -> None:
        self.halves = halves
        self._met: dict[tuple[str, str], _Met] = {}
        self._first: dict[tuple[str, str], _Met] = {}
        self._ahead: dict[tuple[str, str], set[str]] = {}

    def operator(self, func: Any, given: list[torch.Tensor], made: list[torch.Tensor], module: str) -> None:
        """One operator ran, and its results know where they come from."""
        if not made or made[0].dtype is not torch.float32:
            return
        wide = [t for t in given if t.dtype is torch.float32 and t.dim() > 0]
        half = next((t for t in given if t.dtype in _HALF and t.dim() > 0), None)
        if wide and half is not None:
            self._meet(func, half, origins.of(wide[0]), _more(given, made), module)
        elif wide:
            self._went_on(wide, given, made, module)

    def _meet(self, func: Any, half: torch.Tensor, origin: Origin | None, nbytes: int, module: str) -> None:
        key = module, origin.name if origin else ""
        row = self._met.get(key)
        if row is None:
            row = self._met[key] = _Met(module, str(func), dtype_of(half), str(origin or ""), self._strange(origin, module))
        row.nbytes += nbytes
        row.times += 1
        if row.strange:
            stream = module.partition(".")[0], row.by
            first = self._first.get(stream)
            if first is None:
                self._first[stream] = row
                row.ahead = frozenset(self._ahead.get(stream, ()))
            elif module not in first.ahead and module != first.module:
                first.behind.add(module)

    def _went_on(self, wide: list[torch.Tensor], given: list[torch.Tensor], made: list[torch.Tensor], module: str) -> None:
        """An operator of a half component computed in float32 alone: behind a promotion if whoever brought that brought this."""
        origin = next((found for t in wide if self._strange(found := origins.of(t), module)), None)
        if origin is None:
            return
        stream = module.partition(".")[0], str(origin)
        first = self._first.get(stream)
        if first is None:
            self._ahead.setdefault(stream, set()).add(module)
        elif module not in first.ahead:
            first.nbytes += _more(given, made)
            if module != first.module:
                first.behind.add(module)

    def _strange(self, origin: Origin | None, module: str) -> bool:
        """Whether a wide tensor came into a half component from outside: no design of that component's."""
        here = module.partition(".")[0]
        if here not in self.halves or origin is None:
            return False
        return origin.kind in ("component", "argument") and origin.component != here

    def seen(self) -> tuple[Event, ...]:
        """All promotions, in the order they came."""
        return tuple(row.event() for row in self._met.values())


def _more(given: list[torch.Tensor], made: list[torch.Tensor]) -> int:
    """Bytes that wide results take beyond half ones; a view, or a result written in place, takes none of its own."""
    new = (t for t in made if t.dtype is torch.float32 and not any(torch._C._is_alias_of(t, other) for other in given))
    return sum(t.numel() * 2 for t in new)
