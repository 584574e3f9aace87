"""One call of one module made again: as it was, with PyTorch's plain kernels, and in float32; what that says about its fault."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import torch

from ....subjects.numbers import Replay
from ...words import first_line
from ..reduced import Extremes, floats
from ..steps import MASKS, finite
from .calls import looking, uncast, unchanged
from .kept import Kept
from .kernels import Switch, switches
from .moved import device_of
from .nests import wide
from .operators import Operators
from .widened import Impossible, Widened, free

SHARE: Final = 0.5
"""Of the free memory that weights in float32 may take; the results of layers need some too."""


@dataclass(slots=True)
class Aim:
    """What is looked for: a module, and how its fault shows. first: the module inside that was given the bad numbers, if any.

    path: of the module. kind: nan, inf or saturated. dtype: the numbers' own. names, first_names: of what the two are given.
    """

    module: torch.nn.Module
    first: torch.nn.Module | None
    path: str
    kind: str
    dtype: torch.dtype
    names: tuple[str, ...] = ()
    first_names: tuple[str, ...] = ()

    def bad(self, given: Iterable[Extremes], made: Iterable[Extremes]) -> bool:
        """Whether the fault is in what was made, and came with nothing that was given."""
        came = list(given)
        if self.kind == "saturated":
            limit = torch.finfo(self.dtype).max
            return any(edge in pair and not any(edge in one for one in came) for pair in made for edge in (limit, -limit))
        hidden = any(low == -torch.inf for low, _ in came)
        return any(not finite(pair) and not (hidden and pair[0] == -torch.inf and pair[1] < torch.inf) for pair in made)


@dataclass(slots=True)
class Tried:
    """One more run. largest: the largest finite magnitude that came out. operators: what ran, where that was followed."""

    bad: bool
    largest: float
    operators: Operators | None = None


def extremes(value: Any) -> list[Extremes]:
    """Of every floating tensor in a nest."""
    found = [torch.aminmax(tensor.detach()) for tensor in floats(value, [])]
    return [(float(low), float(high)) for low, high in found]


def inputs(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], names: tuple[str, ...] = ()) -> list[Extremes]:
    """The extremes of what a module is given, but for masks. names: of its parameters."""
    positional = zip((*names, *[""] * len(args)), args, strict=False)
    return extremes([value for name, value in (*positional, *kwargs.items()) if not any(word in name for word in MASKS)])


def replayed(aim: Aim, kept: Kept) -> Replay:
    """Make the call again in three ways. errors: Impossible where float32 cannot be had; whatever the module raises in it."""
    device = device_of(aim.module, kept.again())
    found = switches(aim.module, device, aim.path)
    repeats = _tried(aim, kept, ()).bad
    plain_run, found, left = _reference(aim, kept, found)
    in_wide = _wide(aim, kept, found, device)
    absmax = _size(plain_run, in_wide)
    most = torch.finfo(aim.dtype).max
    times = absmax / most if absmax is not None and absmax > most else None
    if not repeats:
        return Replay("kernel not excluded", absmax, times, "made again as it was, it was finite: the fault does not repeat")
    if plain_run is not None and not plain_run.bad:
        return Replay("kernel", absmax, None, _named(aim, kept, found))
    if left:
        return Replay("kernel not excluded", absmax, times, left)
    if in_wide.bad:
        return Replay("not numeric")
    return Replay("precision", absmax, times)


def _size(plain_run: Tried | None, in_wide: Tried) -> float | None:
    """The largest magnitude that the call needs, None where float32 does not hold it either."""
    if in_wide.bad:
        return None
    if plain_run is None or plain_run.operators is None or in_wide.operators is None:
        return in_wide.largest
    return max(in_wide.largest, plain_run.operators.needs(in_wide.operators))


def _reference(aim: Aim, kept: Kept, found: list[Switch]) -> tuple[Tried | None, list[Switch], str]:
    """The call in its own dtype with all switches off, the switches that could be, and what could not be excluded, in words."""
    left = ""
    try:
        tried = _tried(aim, kept, found, Operators())
    except Exception as fault:  # noqa: BLE001 - kernels of others, and processors that do not fit
        if all(switch.sure for switch in found):
            return None, [], f"PyTorch's plain kernels cannot run it: {first_line(fault)}"
        left = f"it cannot be run without {next(switch.words for switch in found if not switch.sure)}"
        found = [switch for switch in found if switch.sure]
        try:
            tried = _tried(aim, kept, found, Operators())
        except Exception as other:  # noqa: BLE001 - likewise
            return None, [], f"PyTorch's plain kernels cannot run it: {first_line(other)}"
    if tried.bad and tried.operators is not None and tried.operators.strange:
        left = left or f"{tried.operators.strange} is no operator of PyTorch's own"
    return tried, found, left


def _wide(aim: Aim, kept: Kept, found: list[Switch], device: torch.device) -> Tried:
    """The call in float32, with all switches off that can be."""
    with Widened(aim.module, device, int(SHARE * free(device))) as weights, uncast(device):
        return _tried(aim, kept, found, Operators(), weights)


def _named(aim: Aim, kept: Kept, found: list[Switch]) -> str:
    """The first switch that helps alone; all of them where none does."""
    for switch in found:
        with contextlib.suppress(Exception):  # one that cannot run alone is not the one
            if not _tried(aim, kept, [switch]).bad:
                return switch.words
    return "all of: " + "; ".join(switch.words for switch in found)


def _tried(
    aim: Aim, kept: Kept, found: Iterable[Switch], operators: Operators | None = None, weights: Widened | None = None
) -> Tried:
    """The call once more. found: what is off meanwhile. weights: the float32 ones, if it is to run in float32."""
    args, kwargs = kept.again()
    if weights is not None:
        args, kwargs = wide((args, kwargs))
    given = inputs(aim.module, args, kwargs, aim.names)
    made: list[Extremes] = []

    def look(inner: Any, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if module is aim.first:
            made.extend(inputs(module, args, kwargs, aim.first_names))
        with weights.around(module) if weights is not None else contextlib.nullcontext():
            return inner(module, *args, **kwargs)

    with contextlib.ExitStack() as stack:
        stack.enter_context(unchanged(aim.module))
        for switch in found:
            stack.enter_context(switch.off())
        stack.enter_context(looking(look))
        if operators is not None:
            stack.enter_context(operators)
        result = aim.module(*args, **kwargs)
    made += extremes(result)
    largest = max((size for low, high in made if isfinite(size := max(-low, high))), default=0.0)
    return Tried(aim.bad(given, made), largest, operators)


__all__ = ["Aim", "Impossible", "inputs", "replayed"]
