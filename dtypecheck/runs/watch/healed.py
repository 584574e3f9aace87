"""What `--heal` did, in words: how often, what it cost, and what to do for good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import torch

from ...dtypes import DType
from ...subjects.numbers import Healing
from ..origins import Origin
from .names import Names, Row
from .silent import named

_UNITS: Final = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


@dataclass(slots=True)
class Done:
    """All that was done to one module for one reason. dtype, to: from, to.

    moved: bytes that were cast. seconds: in float32; before: what the first of these took in its own dtype, 0 unknown.
    """

    dtype: torch.dtype
    to: torch.dtype
    permanent: str
    times: int = 0
    moved: int = 0
    seconds: float = 0.0
    before: float = 0.0

    def cast(self, tensors: Iterable[torch.Tensor]) -> None:
        """One more call whose inputs were cast."""
        self.times += 1
        self.moved += sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def listed(row: Row, what: str, done: Done, names: Names) -> Healing:
    """The record. row: of the module."""
    return Healing(names.path(row), what, named(done.dtype), named(done.to), done.times, _cost(what, done), done.permanent)


def _cost(what: str, done: Done) -> str:
    runs = f"{done.times:,} run{'s' * (done.times > 1)}"
    if what == "cast":
        return f"{done.times:,} cast{'s' * (done.times > 1)}, {_size(done.moved)}"
    instead = f" for {done.before * done.times:.2g} s" if done.before else ""
    return f"{done.seconds:.2g} s{instead} in {runs} in float32"


def _size(count: int) -> str:
    for unit, word in _UNITS:
        if count >= unit:
            return f"{count / unit:.3g} {word}"
    return f"{count} bytes"


def edge(strays: Sequence[tuple[str, Origin | None]], to: DType, component: str) -> str:
    """What to do about stray inputs of a component. strays: their names, and who made them."""
    names = " and ".join(dict.fromkeys(name for name, _ in strays if name)) or "what it is given"
    before = f"cast {names} to {to.short} before {'it goes' if len(strays) == 1 else 'they go'} into {component}"
    by = next((origin.component for _, origin in strays if origin and origin.component not in ("", component)), "")
    if by:
        return f"load {by} and {component} in one dtype, or {before}"
    where = next((origin.where for _, origin in strays if origin and origin.where), "")
    return f"{before}; it was made at {where}" if where and len(strays) == 1 else before


def weights(path: str, component: str, held: DType, main: DType | None) -> str:
    """What to do about a module that holds another dtype than what it is given."""
    if main is not None and main is not held:
        return f"cast {path} to {main.short} as all of {component or 'the model'}, or what it is given to {held.short}"
    return f"cast what {path} is given to {held.short}"


def range_(path: str, component: str, dtype: DType) -> str:
    """What to do about a module whose numbers leave the range of its dtype."""
    whole = component or "the model"
    if path == component:
        return f"load {whole} in fp32" + (", or in bf16" if dtype.exponent < 8 else "")
    return f"keep {path} in fp32 and cast around it" + (f", or load {whole} in bf16" if dtype.exponent < 8 else "")
