"""What `--heal` did, module by module: how often, what it cost, and what to do for good."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from ...dtypes import DType
from ...subjects.numbers import Healing
from ..origins import Origin
from .names import Names, Row
from .silent import named
from .steps import Call

_UNITS: Final = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of a module, as it was asked for: `inner(module, *args, **kwargs)` makes it."""

    inner: Callable[..., Any]
    module: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    call: Call

    def __call__(self) -> Any:
        return self.inner(self.module, *self.args, **self.kwargs)

    @property
    def row(self) -> Row:
        """Of the module."""
        return self.call.row

    @property
    def outermost(self) -> bool:
        """Whether no other module made this call."""
        return self.call.above is None


@dataclass(slots=True)
class Done:
    """All that was done to one module for one reason. dtype, to: from, to.

    moved: bytes that were cast. seconds: in float32; before: what it took once in its own dtype, 0 unknown.
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


class Book:
    """All that was done, in the order in which it was first needed."""

    def __init__(self) -> None:
        self._done: dict[tuple[Row, str], Done] = {}

    def entry(self, row: Row, what: str, make: Callable[[], Done]) -> Done:
        """What was done to a module; a new entry if it is the first time."""
        found = self._done.get((row, what))
        if found is None:
            found = self._done[row, what] = make()
        return found

    def find(self, row: Row, what: str) -> Done | None:
        """The same, None if nothing was."""
        return self._done.get((row, what))

    def strike(self, row: Row, what: str) -> None:
        """It was no help."""
        self._done.pop((row, what), None)

    def healings(self, names: Names) -> tuple[Healing, ...]:
        """The record."""
        found = [(row, what, done) for (row, what), done in list(self._done.items()) if done.times]
        return tuple(
            Healing(names.path(row), what, named(done.dtype), named(done.to), done.times, _cost(what, done), done.permanent)
            for row, what, done in found
        )


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


def weights(path: str, row: Row, held: DType) -> str:
    """What to do about a module that holds another dtype than what it is given."""
    main = row.root.main
    if main is not None and main is not held:
        return f"cast {path} to {main.short} as all of {_whole(row)}, or what it is given to {held.short}"
    return f"cast what {path} is given to {held.short}"


def wider(path: str, row: Row, dtype: DType) -> str:
    """What to do about a module whose numbers leave the range of its dtype."""
    other = dtype.exponent < 8  # bf16 reaches as far as fp32
    if not row.below:
        return f"load {_whole(row)} in fp32" + (", or in bf16" if other else "")
    return f"keep {path} in fp32 and cast around it" + (f", or load {_whole(row)} in bf16" if other else "")


def _whole(row: Row) -> str:
    return row.root.name if row.root.is_component else "the model"
