"""A module in float32 in place of half: where its numbers do not fit, the smallest part around it whose result does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import torch

from ..words import first_line
from .again.calls import away, eager, uncast
from .again.lent import Lent
from .again.moved import device_of
from .again.nests import HALF, is_float, mapped
from .again.widened import Widened
from .healed import Asked, Book, Done, wider
from .names import Row
from .reduced import floats
from .silent import named
from .steps import Call, finite
from .watcher import Watcher

TRIES: Final = 3
"""Calls of a module that float32 did not help, after which it is left alone."""

Like: TypeAlias = "tuple[torch.dtype, ...] | torch.dtype | None"
"""The dtypes of the tensors in a result, one by one, or of all of them; None: as they are."""


class Wider:
    """Runs modules in float32, and remembers for which of them that was right. book: where it is listed."""

    def __init__(self, watcher: Watcher, book: Book) -> None:
        self.watcher = watcher
        self.book = book
        self.known: dict[Row, Like] = {}
        self._lost: dict[Row, int] = {}
        self._calls = _Calls()

    def begin(self) -> None:
        """An outermost call begins."""
        self._calls.unfit.clear()
        self._calls.lost.clear()

    def wanted(self, call: Call) -> bool:
        """Whether a module in this call gave something that does not fit, so that it must be made again, wider."""
        return call in self._calls.unfit

    def hopeless(self, call: Call) -> bool:
        """Whether float32 was no help for it, or for a module in it."""
        found = call in self._calls.lost or self._lost.get(call.row, 0) >= TRIES
        if found:
            self._calls.up(self._calls.lost, call)
        return found

    def usual(self, asked: Asked) -> Any:
        """The module in float32, as it is known to need it."""
        return self.fitting(self.run(asked), self.known[asked.row], asked.call)[0]

    def instead(self, asked: Asked, result: Any, back: Callable[[], None]) -> Any:
        """The module in float32 in place of a result that is not finite. back: as if it had not been called."""
        row = asked.row
        like = tuple(tensor.dtype for tensor in floats(result, []))
        narrow = next((dtype for dtype in like if dtype in HALF), None)
        before = self.book.find(row, "float32")
        try:
            seconds = self._timed(asked)
            back()
            made = self.run(asked, narrow)
        except Exception as fault:  # noqa: BLE001 - what cannot run in float32 alone may be able to with what is around it
            self._calls.up(self._calls.unfit, asked.call)
            if asked.outermost:
                self.watcher.limits.setdefault(f"{self.watcher.names.path(row)} could not be run in fp32: {first_line(fault)}")
        else:
            if well(made):
                made, fits = self.fitting(made, like, asked.call)
                if fits or asked.outermost:
                    self.known[row] = like
                    self.book.entry(row, "float32", lambda: self._new(row, narrow)).before = seconds
                    return made
            else:
                self._lost[row] = self._lost.get(row, 0) + 1
                self._calls.up(self._calls.lost, asked.call)
        if before is None:
            self.book.strike(row, "float32")
        return result

    def run(self, asked: Asked, narrow: torch.dtype | None = None) -> Any:
        """The module with float32 weights and inputs. narrow: its own dtype, where that is known better than its component's."""
        row, module = asked.row, asked.module
        device, begun = device_of(module, (asked.args, asked.kwargs)), time.perf_counter()
        lent = Lent(asked.args, asked.kwargs, narrow or torch_dtype(row.root.main))
        try:
            with away(self.watcher.thread), Widened(module, device), uncast(device), eager(module):
                result = asked.inner(module, *lent.args, **lent.kwargs)
        finally:
            lent.back()
        well(result)  # waits for the device
        done = self.book.entry(row, "float32", lambda: self._new(row, narrow))
        done.times += 1
        done.seconds += time.perf_counter() - begun
        return result

    def fitting(self, result: Any, like: Like, call: Call) -> tuple[Any, bool]:
        """A float32 result in the dtypes that it has otherwise, and whether those hold it; if not, the module around is told so.

        There is none around a component: then what does not fit stays float32.
        """
        tensors = floats(result, [])
        dtypes = like if isinstance(like, tuple) else (like,) * len(tensors)
        targets = {id(tensor): dtype for tensor, dtype in zip(tensors, dtypes, strict=False) if dtype is not None}
        fits = {id(it) for it in tensors if id(it) not in targets or well(it.to(targets[id(it)]))}
        whole = len(fits) == len({id(it) for it in tensors})
        if not whole:
            self._calls.up(self._calls.unfit, call)
        if not whole and call.above is None:
            targets = {number: dtype for number, dtype in targets.items() if number in fits}
            path = self.watcher.names.path(call.row)
            self.watcher.limits.setdefault(f"{path} gives numbers that only fp32 holds: whatever casts them behind it loses them")
        return mapped(result, lambda it: it.to(targets[id(it)]) if id(it) in targets else it, objects=False), whole

    def _timed(self, asked: Asked) -> float:
        """Seconds that the module takes in its own dtype, with nothing of ours around."""
        begun = time.perf_counter()
        with away(self.watcher.thread):
            well(asked())  # waits for the device
        return time.perf_counter() - begun

    def _new(self, row: Row, narrow: torch.dtype | None) -> Done:
        own = narrow or torch_dtype(row.root.main) or torch.float16
        own = own if own in HALF else torch.float16
        return Done(own, torch.float32, wider(self.watcher.names.path(row), row, named(own)))


class _Calls(threading.local):
    """Calls of this thread that run now: those in which a number does not fit, and those that nothing helps."""

    def __init__(self) -> None:
        self.unfit: set[Call] = set()
        self.lost: set[Call] = set()

    def up(self, calls: set[Call], call: Call) -> None:
        """Tell the module around this one."""
        if call.above is not None:
            calls.add(call.above)


def torch_dtype(dtype: Any) -> torch.dtype | None:
    """torch's dtype for our record of one."""
    return getattr(torch, dtype.torch) if dtype is not None and dtype.torch else None


def well(value: Any) -> bool:
    """Whether all numbers are finite, or a mask's -inf. It waits for the device."""
    return all(tame(tensor) for tensor in floats(value, []))


def tame(tensor: torch.Tensor, mask: bool = False) -> bool:
    """Whether the numbers of a tensor are finite, or a mask's -inf."""
    if not is_float(tensor) or not tensor.numel():
        return True
    low, high = torch.stack(torch.aminmax(tensor.detach())).tolist()
    return finite((low, high), mask)
