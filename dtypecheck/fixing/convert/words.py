"""What a step says of itself: from which dtype to which, how many tensors, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ...dtypes import DType, can_hold
from ...subjects import Tensor
from .recipe import Recipe


@dataclass(slots=True)
class Tally:
    """cast: tensors by their dtype now and then; kept: how many are in fp32 by the keep list; other: not cast at all."""

    cast: Counter[tuple[DType, DType]] = field(default_factory=Counter)
    kept: int = 0
    other: Counter[DType] = field(default_factory=Counter)

    @classmethod
    def of(cls, tensors: Iterable[Tensor], recipe: Recipe) -> Tally:
        """Counts what a recipe does."""
        tally = cls()
        for tensor in tensors:
            new = recipe.dtype_of(tensor)
            if not tensor.dtype.is_wide:
                tally.other[tensor.dtype] += 1
            elif new is not tensor.dtype:
                tally.cast[tensor.dtype, new] += 1
            tally.kept += recipe.keeps(tensor)
        return tally

    def wished(self, dtype: DType) -> int:
        """How many tensors become what was wished."""
        return sum(count for (_, new), count in self.cast.items() if new is dtype)

    @property
    def narrows(self) -> bool:
        """True when some number may be lost."""
        return any(not can_hold(new, old) for old, new in self.cast)

    def change(self, dtype: DType) -> str:
        """`fp32 -> bf16, 1,680 tensors`; empty when nothing becomes what was wished."""
        count = self.wished(dtype)
        if not count:
            return ""
        old = Counter({was: n for (was, new), n in self.cast.items() if new is dtype})
        names = " and ".join(was.short for was, _ in sorted(old.items(), key=lambda item: (-item[1], item[0].name)))
        return f"{names} -> {dtype.short}, {amount(count, 'tensor')}"

    def costs(self, recipe: Recipe) -> list[str]:
        """What stays as it is, and why."""
        told = []
        if self.kept and recipe.kept:
            told.append(f"{amount(self.kept, 'tensor')} in fp32: the library keeps {', '.join(recipe.kept)} in fp32")
        if packed := [dtype.short for dtype in self.other if dtype.is_float]:
            told.append(f"what is stored in {' and '.join(packed)} stays as it is")
        return told


def amount(count: int, word: str) -> str:
    """`1,680 tensors`."""
    return f"{count:,} {word}{'s' * (count != 1)}"
