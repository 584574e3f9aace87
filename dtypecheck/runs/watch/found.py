"""What was found in the steps of a run: producers, each once, with what stood around it when it was first seen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch

from ..origins import Origin
from .attend import Keeper
from .crash import given_to
from .makers import Makers
from .names import Root, Row
from .producers import BEFORE, Fault, faults
from .reduced import FLOATS
from .steps import MASKS, Call, Thread, finite

MOST: Final = 64
"""Producers that are kept apart."""


@dataclass(slots=True)
class Found:
    """A producer as it was first seen. row: None for the code between components. step: of its component. times: in how many."""

    fault: Fault
    row: Row | None
    root: Root
    step: int
    call: int
    before: list[tuple[Row, Any]]
    times: int = 1
    replay: Any = None
    glue: str = ""
    weights: tuple[str, ...] = ()
    autocast: bool = False


class Finds:
    """The producers of a run. makers: who made tensors. shown: paths as the user types them. keeper: told of each new one.

    apart: the same in another call is another one. trained: whether an optimizer has changed weights.
    """

    def __init__(self, makers: Makers, shown: Callable[[str], str]) -> None:
        self.found: dict[tuple[Any, ...], Found] = {}
        self.makers = makers
        self.shown = shown
        self.keeper: Keeper | None = None
        self.apart = False
        self.trained: Callable[[], bool] = lambda: False
        self._lock = threading.RLock()

    def forget(self, number: int) -> None:
        """One call of a pipeline was judged."""
        with self._lock:
            self.found = {key: it for key, it in self.found.items() if it.call != number}

    def spoiler(self, number: int) -> Row | None:
        """The module that made the first number that is not finite in this call of the pipeline, None if none did."""
        here = [it for it in self.found.values() if it.call == number and it.fault.reaches and it.fault.kind in ("nan", "inf")]
        return here[0].row if here else None

    def look(self, thread: Thread, root: Root, calls: list[Call], values: list[tuple[float, float]], number: int) -> None:
        """Look for producers in the calls of a step. number: of the pipeline's call."""
        bad = False
        for fault in faults(calls, values):
            bad = bad or fault.kind in ("nan", "inf")
            name, origin = self._brought(thread.outer) if fault.call is None else ("", None)
            if fault.kind == "underflow" and not _multiplies(fault.call):
                continue
            if fault.call is None and self._is_carried(thread, origin):
                thread.tainted.update([root.name] if fault.reaches else [])
                continue
            row = fault.call.row if fault.call else None
            key = (row, fault.kind, number if self.apart else 0)
            with self._lock:
                if key in self.found:
                    self.found[key].times += not calls[-1].again
                elif len(self.found) < MOST:
                    self.found[key] = self._first(fault, thread, root, calls, values, number)
                    if origin is not None or name:
                        self.found[key].glue = self.shown(f"{name} from {origin}" if origin else name)
                    if self.keeper is not None and thread.outer:
                        self.keeper.found(self.found[key], calls[-1], thread.outer[1])
            if fault.reaches and fault.kind in ("nan", "inf"):
                thread.tainted.add((row.root if row and fault.call and fault.call.above is None else root).name)
        if not bad:
            thread.tainted.discard(root.name)

    def _first(
        self, fault: Fault, thread: Thread, root: Root, calls: list[Call], values: list[tuple[float, float]], number: int
    ) -> Found:
        """A producer as it is seen for the first time."""
        row = fault.call.row if fault.call else None
        before = [(call.row, frame_of(call, values)) for call in fault.before]
        if len(before) < BEFORE:
            before = [*thread.tail[len(before) - BEFORE :], *before]
        home = row.root if row else root
        outer = fault.call if fault.call and fault.call.above is None else None
        step = outer.step if outer else max(home.steps, 1)
        weights, autocast = _bad_weights(row), _lowered(fault)
        if self.trained():
            weights = tuple(f"{name} (trained)" for name in weights)
        return Found(fault, row, home, step, number, before, weights=weights, autocast=autocast)

    def _brought(self, outer: tuple[Any, ...] | None) -> tuple[str, Origin | None]:
        """What came into a component and is not finite: the argument, and who made it."""
        for name, tensor in given_to(outer[0], outer[2], outer[3]) if outer else ():
            low, high = (float(edge) for edge in torch.aminmax(tensor.detach()))
            if not finite((low, high), any(word in name for word in MASKS)):
                return name, self.makers.of(tensor)
        return "", None

    def _is_carried(self, thread: Thread, origin: Origin | None) -> bool:
        """Whether a component before has made what now comes into another, and was found for it."""
        if origin is None:
            return bool(thread.tainted)
        return bool({origin.component, origin.after} & thread.tainted)


def frame_of(call: Call, values: list[tuple[float, float]]) -> tuple[Any, ...]:
    """What the ring buffer keeps of a call: dtypes and extremes in and out."""
    into = [values[n] for n in call.ins if n >= 0 and n not in call.masks]
    out = [values[n] for n in call.outs if n >= 0]
    return call.inputs[:1], call.outputs[:1], into, out


def _multiplies(call: Call | None) -> bool:
    """Whether a module has weights that are not zero."""
    module = call.row.module() if call else None
    weight = module._parameters.get("weight") if module is not None else None
    return weight is not None and (weight.is_meta or bool((weight.detach() != 0).any()))  # on meta: offloaded meanwhile


def _bad_weights(row: Row | None) -> tuple[str, ...]:
    """The parameters of a module itself that are not finite, by name."""
    module = row.module() if row else None
    own = module._parameters.items() if module is not None else ()
    return tuple(
        name
        for name, value in own
        if value is not None and value.dtype in FLOATS and not value.is_meta and not bool(value.isfinite().all())
    )


def _lowered(fault: Fault) -> bool:
    """Whether a module computed in another dtype than its weights have: autocast did that."""
    module = fault.call.row.module() if fault.call and fault.call.row.torchs else None
    weight = module._parameters.get("weight") if module is not None else None
    return weight is not None and weight.dtype is torch.float32 and fault.dtype is not torch.float32
