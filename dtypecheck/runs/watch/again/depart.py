"""How far a component's call is from the same call in float32, and the first module whose numbers depart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import torch

from ....dtypes import DType
from ....subjects.numbers import Departure
from ..reduced import floats
from .calls import looking, uncast, unchanged
from .kept import Kept
from .moved import device_of
from .nests import wide
from .replay import SHARE
from .sketch import Sketch, apart, sketch
from .widened import Widened, free

UNITS: Final = 16
"""Unit roundoffs from which a module departs, 0.8 % in fp16 and 6 % in bf16: as many as DT319 says nothing about."""
NOTHING: Final = 1e-3
"""Of the largest output tensor: what is smaller than this decides nothing."""


@dataclass(slots=True)
class Seen:
    """One call of a module in both runs. above: the number of the call that made it, -1 for the outermost. at: of its module.

    into, out: sketches in the first run, relative errors after the second.
    """

    module: torch.nn.Module
    above: int
    into: Sketch
    out: Sketch
    errors: tuple[float, float] = (0.0, 0.0)


class Strange(Exception):
    """The two runs cannot be compared; the text says why."""


def departure(
    module: torch.nn.Module, kept: Kept, component: str, dtype: DType, path: Callable[[torch.nn.Module], str]
) -> Departure | None:
    """Make a call again in its own dtype and in float32. None where it is not finite. path: what users call a module.

    errors: Impossible, Strange; whatever the module raises.
    """
    calls, result = _narrow(module, kept)
    own = floats(result, [])
    if not own or not all(bool(tensor.isfinite().all()) for tensor in own):
        return None
    order, reference = _wide(module, kept, calls)
    error = _exactly(own, reference)
    if not isfinite(error):
        raise Strange("in float32 its output is not finite")
    limit = UNITS * 2.0 ** -(dtype.mantissa + 1)
    first = _first(order, calls, limit) if error > limit else None
    if first is None:
        return Departure(component, dtype, error)
    return Departure(component, dtype, error, path(first.module), first.errors[1])


def _exactly(own: list[torch.Tensor], reference: list[torch.Tensor]) -> float:
    """‖x - y‖ / ‖y‖ of what comes out: the largest of its tensors, but for those that are next to nothing beside the others."""
    if [tensor.shape for tensor in own] != [tensor.shape for tensor in reference]:
        raise Strange("its output in float32 has another shape")
    sizes = [float(y.norm()) / y.numel() ** 0.5 for y in reference]
    errors = [
        float((x.to(y.dtype) - y).norm()) / y.numel() ** 0.5 / size
        for x, y, size in zip(own, reference, sizes, strict=True)
        if size > NOTHING * max(sizes)
    ]
    return max(errors, default=0.0)


def _narrow(module: torch.nn.Module, kept: Kept) -> tuple[list[Seen], Any]:
    """The call as it was: what each module in it was given and gave, in the order in which they began."""
    calls: list[Seen] = []
    stack = [-1]

    def look(inner: Any, part: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        seen = Seen(part, stack[-1], sketch((args, kwargs)), [])
        stack.append(len(calls))
        calls.append(seen)
        try:
            result = inner(part, *args, **kwargs)
        finally:
            stack.pop()
        seen.out = sketch(result)
        return result

    args, kwargs = kept.again()
    with unchanged(module), looking(look):
        return calls, module(*args, **kwargs)


def _wide(module: torch.nn.Module, kept: Kept, calls: list[Seen]) -> tuple[list[int], list[torch.Tensor]]:
    """The call in float32, each module's error noted. gives: the numbers of the calls in the order they ended, and the output."""
    order: list[int] = []
    begun = 0
    args, kwargs = kept.again()
    device = device_of(module, (args, kwargs))
    args, kwargs = wide((args, kwargs))
    with unchanged(module), Widened(module, device, int(SHARE * free(device))) as weights, uncast(device):

        def look(inner: Any, part: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            nonlocal begun
            number, begun = begun, begun + 1
            seen = calls[number] if number < len(calls) else None
            if seen is None or seen.module is not part:
                raise Strange("in float32 it calls other modules")
            given = apart(seen.into, sketch((args, kwargs)))
            with weights.around(part):
                result = inner(part, *args, **kwargs)
            seen.errors = given, apart(seen.out, sketch(result))
            seen.into, seen.out = [], []
            order.append(number)
            return result

        with looking(look):
            result = module(*args, **kwargs)
    return order, floats(result, [])


def _first(order: list[int], calls: list[Seen], limit: float) -> Seen | None:
    """The first module that departs though what it is given does not; in the code between two, the module whose code it is."""
    for number in order:
        seen = calls[number]
        into, out = seen.errors
        if into <= limit and out <= limit:
            continue
        while into > limit and seen.above >= 0:
            seen = calls[seen.above]
            into = seen.errors[0]
        return seen
    return None
