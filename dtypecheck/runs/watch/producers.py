"""Who made the first number that is not finite, who handed it on, and who hid it: read from the calls of one step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf, isfinite, isnan
from typing import Final

import torch

from .reduced import Extremes
from .steps import Call, finite

BEFORE: Final = 8
"""Calls before the first bad one that are kept."""
_HALF: Final = (torch.float16, torch.bfloat16)
_LARGEST: Final = {dtype: torch.finfo(dtype).max for dtype in _HALF}
_LIMITS: Final = frozenset(_LARGEST.values())


@dataclass(slots=True)
class Fault:
    """What one step shows of a producer. call: None for the code between components. first: the first call that was given it.

    operator: the one in the producer's own code, where operators were followed.
    """

    kind: str
    call: Call | None
    dtype: torch.dtype
    absmax_in: float | None = None
    before: list[Call] = field(default_factory=list)
    carried: int = 0
    last: Call | None = None
    killer: Call | None = None
    first: Call | None = None
    reaches: bool = False
    operator: str = ""


def suspicious(values: list[Extremes]) -> bool:
    """Whether a closer look at a step is worth while: something is not finite, or as large as a half dtype can hold."""
    return any(not low - high > -inf or high in _LIMITS or -low in _LIMITS or low == high == 0.0 for low, high in values)


def faults(calls: list[Call], values: list[Extremes]) -> Iterator[Fault]:
    """The producers of a step, the first that is not finite before those that stand at a limit or lost everything.

    calls: in the order they ended, the outermost last. values: the extremes by number.
    """
    if any(isnan(values[n][0]) or values[n][1] == inf for call in calls for n in call.outs if n >= 0):
        for call in calls:  # something broke in this step: no layer's -inf is taken as meant
            call.strict = True
    found = _first([call for call in calls if not call.operator], values)
    if found is not None:
        found.operator = _operator(found, calls, values)
        yield found
    for call in calls:
        if call.operator or not call.row.leaf:
            continue
        if (dtype := _saturated(call, values)) is not None:
            yield Fault("saturated", call, dtype, _absmax(call, values))
        elif (dtype := _vanished(call, values)) is not None:
            yield Fault("underflow", call, dtype, _absmax(call, values))


def _first(calls: list[Call], values: list[Extremes]) -> Fault | None:
    """The first number that is not finite, and what became of it."""
    at = next((i for i, call in enumerate(calls) if not (_good_in(call, values) and _good_out(call, values))), None)
    if at is None:
        return None
    bad = calls[at]
    if (source := _source(bad, calls[:at], values)) is not None:
        bad, at = source, calls.index(source)
        fault = Fault("inf", bad, _lowest(bad, values), _absmax(bad, values))
    elif _good_in(bad, values):
        fault = Fault(_kind(bad.outs, bad, values), bad, _dtype(bad.outs, bad.outputs, bad, values), _absmax(bad, values))
    else:
        holder = bad.above
        while holder is not None and not _good_in(holder, values):
            holder = holder.above
        dtype = _dtype(bad.ins, bad.inputs, bad, values)
        fault = Fault(_kind(bad.ins, bad, values), holder, dtype, _absmax(holder, values) if holder else None, first=bad)
    fault.before = [call for call in calls[:at] if call.row.leaf or call.operator][-BEFORE:]
    later = calls[at + 1 :] if fault.first is None else calls[at:]
    carriers = [call for call in later if call is not fault.call and not call.operator and not _good_out(call, values)]
    fault.carried = len({id(call.row) for call in carriers})
    fault.last = next((call for call in reversed(carriers) if call.row.leaf), carriers[-1] if carriers else None)
    fault.reaches = not _good_out(calls[-1], values)
    if not fault.reaches:
        touched = {id(bad)} | {id(call) for call in _above(bad)}
        fault.killer = next(
            (
                call
                for call in later
                if call.outs and _good_out(call, values) and (id(call) in touched or not _good_in(call, values))
            ),
            None,
        )
        if fault.killer is None and fault.first is bad and _good_out(bad, values):
            fault.killer = bad
    return fault


def _source(bad: Call, before: list[Call], values: list[Extremes]) -> Call | None:
    """Who made the -inf that a call broke on, followed back through those that handed it on; None where it was given none.

    A mask hides what it is put on and breaks nothing: -inf that makes NaN or inf of the next module was an overflow.
    """
    low = _low(bad.ins, bad, values)
    if not all(n < 0 or n in low or finite(values[n], n in bad.masks) for n in bad.ins):
        return None
    found, wanted = None, {values[n] for n in low}
    for call in reversed(before):
        # one tensor may have been measured twice, and of nested calls with the same output the innermost ended first
        if wanted & {values[n] for n in _low(call.outs, call, values)}:
            found, wanted = call, wanted | {values[n] for n in _low(call.ins, call, values)}
    return found if found is not None and not _low(found.ins, found, values) else None


def _low(numbers: list[int], call: Call, values: list[Extremes]) -> set[int]:
    """Those that are -inf beside finite numbers, but for masks."""
    return {n for n in numbers if n >= 0 and n not in call.masks and values[n][0] == -inf and isfinite(values[n][1])}


def _lowest(call: Call, values: list[Extremes]) -> torch.dtype:
    """The dtype of the output that is -inf in part."""
    low = _low(call.outs, call, values)
    return next((dtype for n, dtype in zip(call.outs, call.outputs, strict=False) if n in low), torch.float32)


def _operator(found: Fault, calls: list[Call], values: list[Extremes]) -> str:
    """The first operator of the producer's own code that made what is not finite, where operators were followed."""
    for call in calls:
        if call.operator and found.call is not None and call.row is found.call.row:
            gave = [values[n] for n in call.outs if n >= 0]
            lost = any(isnan(low) or high == inf for low, high in gave)
            if lost and all(n < 0 or finite(values[n], True) for n in call.ins):
                return call.operator
    return ""


def _above(call: Call) -> Iterator[Call]:
    above = call.above
    while above is not None:
        yield above
        above = above.above


def _good_in(call: Call, values: list[Extremes]) -> bool:
    return all(n < 0 or finite(values[n], n in call.masks) or _hides(call, values[n]) for n in call.ins)


def _good_out(call: Call, values: list[Extremes]) -> bool:
    """Whether what came out is finite, or -inf alone where that hides something, or exactly as it came in."""
    for number in call.outs:
        if number < 0 or finite(values[number]) or _hides(call, values[number]):
            continue
        low, high = values[number]
        came = low == -inf and high < inf and any(i >= 0 and values[i][0] == -inf and values[i][1] < inf for i in call.ins)
        if not came:
            return False
    return True


def _hides(call: Call, extremes: Extremes) -> bool:
    """-inf alone, beside finite numbers, is meant to be there (masked scores, filtered logits), but for a library's layer."""
    low, high = extremes
    layer = call.row.leaf and call.row.own and (call.row.installed or call.strict)
    return low == -inf and isfinite(high) and not layer


def _kind(numbers: list[int], call: Call, values: list[Extremes]) -> str:
    bad = [values[n] for n in numbers if n >= 0 and not finite(values[n], n in call.masks)]
    return "nan" if bad and all(isnan(low) for low, _ in bad) else "inf"


def _dtype(numbers: list[int], dtypes: tuple[torch.dtype, ...], call: Call, values: list[Extremes]) -> torch.dtype:
    pairs = zip(numbers, dtypes, strict=False)
    return next((dtype for n, dtype in pairs if n >= 0 and not finite(values[n], n in call.masks)), torch.float32)


def absmax(numbers: list[int], values: list[Extremes]) -> float | None:
    """The largest finite magnitude among these, None without one."""
    found = [max(-values[n][0], values[n][1]) for n in numbers if n >= 0]
    return max((number for number in found if isfinite(number)), default=None)


def _absmax(call: Call, values: list[Extremes]) -> float | None:
    return absmax([n for n in call.ins if n not in call.masks], values)


def _saturated(call: Call, values: list[Extremes]) -> torch.dtype | None:
    """The dtype at whose limit the output stands, if nothing came in so and it is no mask."""
    for number, dtype in zip(call.outs, call.outputs, strict=False):
        limit = _LARGEST.get(dtype)
        if limit is None or number < 0:
            continue
        low, high = values[number]
        for edge in {low, high} & {limit, -limit}:
            came = any(n >= 0 and edge in values[n] for n in call.ins)
            if not came and not (edge == low and high == 0.0) and not (low == high == -limit):
                return dtype
    return None


def _vanished(call: Call, values: list[Extremes]) -> torch.dtype | None:
    """The half dtype in which an output is all zero, of inputs that are not, in a module that multiplies by its own weights."""
    if not call.row.own or not call.outs or call.outputs[0] not in _HALF or values[call.outs[0]] != (0.0, 0.0):
        return None
    given = [values[n] for n in call.ins if n >= 0]
    return call.outputs[0] if given and any(pair != (0.0, 0.0) for pair in given) else None
