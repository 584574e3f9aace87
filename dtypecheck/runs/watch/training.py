"""Listens to optimizers and gradient scalers: half parameters that are stepped, and the step after which they are not finite."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from ...subjects.shown import Event
from ..modules import dtype_of
from ..script.changes import Changes
from ..script.trace import Script
from .beside import Beside
from .callers import Callers
from .safely import Safely
from .unseen import unseen

_HALF: Final = (torch.float16, torch.bfloat16)
_PLAIN: Final = (torch.Tensor, torch.nn.Parameter)
PARTS: Final = 3
"""Components that one optimizer trains at most; names that begin in more ways are parts of one model, and told once."""

Key = tuple[object, ...]
Named = tuple[torch.Tensor, torch.Tensor, str]
"""A tensor, the parameter that it belongs to, and what it is: "" for the parameter itself, else the key of the state."""


@dataclass(slots=True)
class _Known:
    """An optimizer. steps: taken so far. size: of its groups when its events were made. over: it is looked at no further.

    apart: the first words of its parameters' names are components.
    """

    number: int
    steps: int = 0
    size: int = -1
    over: bool = False
    apart: bool = True
    keys: tuple[Key, ...] = ()

    def part(self, path: str) -> str:
        """The component of a parameter."""
        return path.partition(".")[0] if self.apart else ""


class Training:
    """Events of training, as long as it is on: "scaler", "optimizer" and "optimizer-nan", one a component and optimizer.

    steps: of all optimizers.

    name: the path of a parameter, "" if unknown. script: whose lines are the user's own. faults: what failed in here.
    `dtypes` are that of the parameters and that of the optimizer's states. `by` is the user's line, then `eps 1e-08`, then
    `fused` where a kernel adds that in float32; of "optimizer-nan" it is the line and what was not finite, `times` the step.
    """

    def __init__(self, name: Callable[[torch.Tensor], str] = lambda parameter: "", script: Script | None = None) -> None:
        self.name = name
        self.callers = Callers(script)
        self._safely = Safely()
        self.faults = self._safely.faults
        self.on = False
        self.steps = 0
        self._stack = ExitStack()
        self._optimizers: Beside[_Known] = Beside()
        self._events: dict[Key, Event] = {}
        self._count = 0

    def __enter__(self) -> Training:
        changes = self._stack.enter_context(Changes())
        for register, act in (
            (register_optimizer_step_pre_hook, self._before),
            (register_optimizer_step_post_hook, self._after),
        ):
            self._stack.callback(register(self._hook(act)).remove)
        for name in ("unscale_", "step"):
            changes.wrap(torch.amp.GradScaler, name, self._scaling)
        self.on = True
        return self

    def __exit__(self, *_: object) -> None:
        self.on = False
        self._stack.close()

    def events(self) -> tuple[Event, ...]:
        """All events so far, in the order they came."""
        return tuple(replace(event, times=max(event.times, 1)) for event in self._events.values())

    # Optimizers

    def _hook(self, act: Callable[[Any], None]) -> Callable[[Any, Any, Any], None]:
        def hook(optimizer: Any, args: Any, kwargs: Any) -> None:
            if not torch.compiler.is_compiling():
                self._unseen(act, optimizer)

        return hook

    def _known(self, optimizer: Any) -> _Known:
        known = self._optimizers.get(optimizer)
        if known is None:
            self._count += 1
            known = _Known(self._count)
            self._optimizers.put(optimizer, known)
        return known

    def _before(self, optimizer: Any) -> None:
        known = self._known(optimizer)
        size = sum(len(group["params"]) for group in optimizer.param_groups)
        if known.size == size:
            return
        if known.size < 0 and _first_bad([(it, it, "") for it, _ in _halves(optimizer)]):
            known.over = True  # they were so before any step: no optimizer's fault
        known.size = size
        line = self.callers.line(sys._getframe(1))
        halves = [(parameter, group, self.name(parameter)) for parameter, group in _halves(optimizer)]
        known.apart = len({path.partition(".")[0] for _, _, path in halves}) <= PARTS
        for parameter, group, path in halves:
            key = "optimizer", known.number, known.part(path), parameter.dtype
            if key not in self._events:
                eps = f"eps {group['eps']:g}" if isinstance(group.get("eps"), float) else ""
                by = " ".join(filter(None, (line, eps, "fused" if group.get("fused") else "")))
                name = type(optimizer).__name__
                self._events[key] = Event("optimizer", path, name, (dtype_of(parameter),), by=by, times=0)
                known.keys += (key,)

    def _after(self, optimizer: Any) -> None:
        self.steps += 1
        known = self._known(optimizer)
        known.steps += 1
        if not known.keys:
            return
        found = list(_with_states(optimizer))
        for key in known.keys:
            event = self._events[key]
            if len(event.dtypes) == 1:
                owned = ((it, owner) for it, owner, word in found if word and owner.dtype is key[3])
                states = (it for it, owner in owned if known.part(self.name(owner)) == key[2])
                event = replace(event, dtypes=(*event.dtypes, *(dtype_of(it) for it in _one(states))))
            self._events[key] = replace(event, times=known.steps)
        if known.over:
            return
        bad = _first_bad(found)
        if bad is not None:
            known.over = True
            self._broke(optimizer, known, *bad)

    def _broke(self, optimizer: Any, known: _Known, tensor: torch.Tensor, owner: torch.Tensor, word: str) -> None:
        """A parameter or a state is not finite any more, for the first time."""
        gradient = owner.grad is not None and _first_bad([(owner.grad, owner, "gradient")]) is not None
        what = word or "the parameter"
        by = f"{self.callers.line(sys._getframe(1))} {what} in step {known.steps}" + ", as its gradient was" * gradient
        dtypes = (dtype_of(owner), dtype_of(tensor)) if word else (dtype_of(owner),)
        key = "optimizer-nan", known.number
        event = Event("optimizer-nan", self.name(owner), type(optimizer).__name__, dtypes, by=by.strip(), times=known.steps)
        self._events[key] = event

    # Scalers

    def _scaling(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def scale(scaler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            if self.on and not torch.compiler.is_compiling():
                self._unseen(self._scaled, scaler, optimizer, real.__name__ == "step")
            return real(scaler, optimizer, *args, **kwargs)

        return scale

    def _scaled(self, scaler: Any, optimizer: Any, counts: bool) -> None:
        """Before the scaler refuses, where it does."""
        if not scaler.is_enabled():
            return
        known = self._known(optimizer)
        known.apart = len({self.name(parameter).partition(".")[0] for parameter, _ in _halves(optimizer)}) <= PARTS
        seen: set[Key] = set()
        for parameter, _ in _halves(optimizer):
            if parameter.grad is None or parameter.grad.dtype not in _HALF:
                continue
            path = self.name(parameter)
            key = "scaler", known.number, known.part(path), parameter.grad.dtype
            if key in seen:
                continue
            seen.add(key)
            event = self._events.get(key)
            if event is None:
                line = self.callers.line(sys._getframe(1))
                event = Event("scaler", path, "GradScaler", (dtype_of(parameter.grad),), by=line, times=0)
            self._events[key] = replace(event, times=event.times + counts)

    def _unseen(self, act: Callable[..., None], *args: Any) -> None:
        """Do it without being listened to; where it fails the training goes on."""
        with unseen():
            self._safely(act, *args)


def _halves(optimizer: Any) -> Iterator[tuple[torch.Tensor, dict[str, Any]]]:
    """The half parameters that it steps, each with its group."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.dtype in _HALF and parameter.requires_grad:
                yield parameter, group


def _with_states(optimizer: Any) -> Iterator[Named]:
    """The half parameters and the floating states that are kept for each."""
    for parameter, _ in _halves(optimizer):
        yield parameter, parameter, ""
        for word, state in optimizer.state.get(parameter, {}).items():
            if isinstance(state, torch.Tensor) and state.is_floating_point() and state.dim():
                yield state, parameter, word


def _one(states: Iterator[torch.Tensor]) -> list[torch.Tensor]:
    return [state for state, _ in zip(states, range(1), strict=False)]


def _first_bad(found: list[Named]) -> Named | None:
    """The first that is not finite: one reduction each, one transfer a device."""
    places: dict[torch.device, list[Named]] = {}
    for named in found:
        tensor = named[0]
        if type(tensor) in _PLAIN and tensor.layout is torch.strided and not tensor.is_meta and tensor.numel():
            places.setdefault(tensor.device, []).append(named)
    for device, here in places.items():
        finite = _finite([tensor for tensor, _, _ in here], device.type == "cpu")
        for named, good in zip(here, finite, strict=True):
            if not good:
                return named
    return None


def _finite(tensors: list[torch.Tensor], on_cpu: bool) -> list[bool]:
    """Whether each is finite. A NaN goes through to the extremes; the largest magnitude is exact in any dtype."""
    if on_cpu:
        edges = [torch.stack(torch.aminmax(tensor)).isfinite().all() for tensor in tensors]
    else:
        edges = [norm.isfinite() for norm in torch._foreach_norm(tensors, float("inf"))]
    return [bool(good) for good in torch.stack(edges).tolist()]
