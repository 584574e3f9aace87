"""One step: every call of a module inside one outermost call of a component, with the extremes of what went in and came out."""

from __future__ import annotations

import threading
from math import isfinite
from typing import Any, Final

import torch

from .names import Row
from .reduced import Extremes, Reduced, floats

MASKS: Final = ("mask", "bias")
"""What the name of an argument says if -inf and the lowest number of a dtype belong there."""


class Call:
    """One call of a module, or of an operator. ins, outs: numbers of extremes; masks: those of them that are masks by name.

    operator: its name, "" for a module's call. inputs, outputs: dtypes, in the order of ins and outs. step: the number of the
    outermost call. strict: -inf that its layer gives is not taken as meant. again: made a second time, for its gradients.
    """

    __slots__ = ("above", "again", "inputs", "ins", "masks", "operator", "outputs", "outs", "row", "step", "strict")

    def __init__(self, row: Row, above: Call | None, operator: str = "") -> None:
        self.row = row
        self.above = above
        self.operator = operator
        self.step = 0
        self.strict = False
        self.again: bool = above is not None and above.again
        self.ins: list[int] = []
        self.outs: list[int] = []
        self.masks: set[int] = set()
        self.inputs: tuple[torch.dtype, ...] = ()
        self.outputs: tuple[torch.dtype, ...] = ()

    def given(self, args: tuple[Any, ...], kwargs: dict[str, Any], reduced: Reduced) -> None:
        """Note what goes in."""
        plain: list[torch.Tensor] = []
        for value in args:
            floats(value, plain)
        found = [reduced.of(tensor) for tensor in plain]
        self.inputs = tuple(tensor.dtype for tensor in plain)
        if kwargs:
            self._named(kwargs, reduced, found)
        if len(args) > 1 and (names := self.row.parameters):
            for name, value in zip(names, args, strict=False):
                if any(word in name for word in MASKS):
                    self.masks.update(reduced.of(tensor) for tensor in floats(value, []))
        self.ins = found

    def _named(self, kwargs: dict[str, Any], reduced: Reduced, found: list[int]) -> None:
        for name, value in kwargs.items():
            tensors = floats(value, [])
            if not tensors:
                continue
            numbers = [reduced.of(tensor) for tensor in tensors]
            found += numbers
            self.inputs += tuple(tensor.dtype for tensor in tensors)
            if any(word in name for word in MASKS):
                self.masks.update(numbers)

    def gave(self, result: Any, reduced: Reduced) -> None:
        """Note what comes out."""
        tensors = floats(result, [])
        self.outs = [reduced.of(tensor) for tensor in tensors]
        self.outputs = tuple(tensor.dtype for tensor in tensors)


class Thread(threading.local):
    """What runs in this thread.

    left: our mode was taken off. number: of the pipeline's call that runs here, or ran last; negative for calls of modules by
    themselves. off: nothing is followed meanwhile: a compiled part, our own replay, a captured graph.
    """

    def __init__(self) -> None:
        self.stack: list[Call] = []
        self.calls: list[Call] = []
        self.reduced = Reduced()
        self.off = False
        self.left = False
        self.number = 0
        self.depth = 0
        self.fault: BaseException | None = None
        self.failed: tuple[Any, ...] | None = None
        self.outer: tuple[Any, ...] | None = None
        self.tail: list[Any] = []
        self.tainted: set[str] = set()


def keep_largest(calls: list[Call], values: list[Extremes]) -> None:
    """Keep the largest finite magnitude that each module gave."""
    for call in calls:
        row = call.row
        for number in call.outs:
            low, high = values[number]
            most = high if high > -low else -low
            if most > row.absmax and isfinite(most):
                row.absmax = most


def recomputed() -> bool:
    """Whether a backward pass runs in this thread: what it calls was called before (torch.utils.checkpoint)."""
    return bool(torch._C._current_graph_task_id() != -1)


def finite(extremes: Extremes, mask: bool = False) -> bool:
    """Whether all numbers are finite; -inf is where a mask hides something, by name or by what else is in it."""
    low, high = extremes
    if isfinite(low) and isfinite(high):
        return True
    return low == -torch.inf and ((mask and high < torch.inf) or high == 0.0 or (mask and high == low))
