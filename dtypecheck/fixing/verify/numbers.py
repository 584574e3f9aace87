"""What the components of a fixed target compute, held against the same in float32 with the weights of before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import torch

from ...dtypes import F32, can_hold
from ...engine import planned
from ...files import Files
from ...knowledge import Knowledge
from ...runs.foreign import foreign
from ...runs.phantoms.component import CannotBuild, klass
from ...runs.pretend import quiet
from ...subjects import Component, Pipeline, Request
from ..outcome import Outcome, Same, Stored
from .calls import Call, Calls, cast, main_dtype, numbers
from .guesses import guessed
from .measure import judged, measure, outputs
from .memory import free_memory
from .models import CannotFill, filled

SHARE: Final = 0.25
"""Of the free memory: what one component may take in float32 to be computed with."""
SEED: Final = 20


@dataclass(frozen=True, slots=True)
class Sides:
    """A target before and after a fix. old, new: how it is loaded; outcome: the files that changed; calls: heard of its parts."""

    before: Files
    after: Files
    outcome: Outcome
    old: Request
    new: Request
    known: Knowledge
    calls: Calls


def compared(sides: Sides) -> tuple[list[str], list[str]]:
    """Reasons and lines for every component whose weights changed, or that is loaded in another dtype than before."""
    reasons, told = list[str](), list[str]()
    old = {pipeline.path: pipeline for pipeline in planned(sides.before, sides.old, sides.known)}
    for pipeline in planned(sides.after, sides.new, sides.known):
        if pipeline.kind not in ("pipeline", "component", "model"):
            continue
        for part in pipeline.components:
            was = old[pipeline.path].named(part.name) if pipeline.path in old else None
            if part.loads().chosen is None or (was and not _changed(was, part, sides.outcome)):
                continue
            try:
                wrong, lines = _component(was, part, pipeline, sides)
            except CannotFill as fault:
                told.append(f"{part.label}: not compared with fp32: {fault}")
                continue
            reasons += wrong
            told += lines
    return reasons, told


def kinds(pipeline: Pipeline | None) -> Iterator[type]:
    """The classes of a pipeline's components, as far as they are installed."""
    for part in pipeline.components if pipeline else ():
        try:
            yield klass("", part.klass or "")
        except CannotBuild:
            continue


def _changed(was: Component, part: Component, outcome: Outcome) -> bool:
    """Whether other bytes are loaded than before, or the same in another dtype."""
    new, old = part.loads(), was.loads()
    paths = [file.path for file in new.chosen.files] if new.chosen else []
    before = [file.path for file in old.chosen.files] if old.chosen else []
    return new.dtype is not old.dtype or paths != before or any(path in outcome.contents for path in paths)


def _component(was: Component | None, part: Component, pipeline: Pipeline, sides: Sides) -> tuple[list[str], list[str]]:
    if was is None or was.loads().chosen is None:
        raise CannotFill("it could not be loaded before")
    need, free = max(_bytes(was), _bytes(part)), free_memory()
    if free is not None and need > SHARE * free:
        raise CannotFill(f"{need / 1e9:.1f} GB in fp32, {free / 1e9:.1f} GB of memory are free")
    original = filled(was, sides.before, sides.old, sides.known, F32)
    heard = sides.calls.of(original) or guessed(original, part, pipeline)
    if not heard:
        raise CannotFill(f"nothing here knows how a {part.klass} is called")
    # those that the pipeline widens the component for come last: it stays wide
    given = [_with_numbers(call) for call in sorted(heard, key=lambda call: call.dtype is torch.float32)]
    wide = [_run(original, call, torch.float32) for call in given]
    del original
    new = filled(part, sides.after, sides.new, sides.known)
    reasons, told = list[str](), list[str]()
    meant = derived(was, part, sides.outcome)
    for call, first in zip(given, wide, strict=True):
        widened = call.dtype is torch.float32 and main_dtype(new) is not torch.float32
        second = _run(new.to(call.dtype) if widened else new, call, call.dtype)
        if isinstance(first, str) or isinstance(second, str):
            told.append(f"{part.label}: {call.method} not compared with fp32: {first if isinstance(first, str) else second}")
            continue
        found = measure(first, second)
        if found.was_finite and not found.finite and not narrower(was, part) and _overflowed(was, call, sides):
            told.append(f"{part.label}: {call.method} is not finite in {part.loads().dtype}, as it was before under this request")
            continue
        fault, line = judged(part, call, found, meant)
        told.append(line)
        reasons += [fault] if fault else []
    return reasons, told


def narrower(was: Component, part: Component) -> bool:
    """Whether a component is stored or loaded in a dtype that holds less than the one of before."""
    old, new = was.loads(), part.loads()
    stored = old.chosen.main if old.chosen else None, new.chosen.main if new.chosen else None
    pairs = (old.dtype, new.dtype), stored
    return any(before is not None and now is not None and not can_hold(now, before) for before, now in pairs)


def _overflowed(was: Component, call: Call, sides: Sides) -> bool:
    """Whether a component with the weights of before, loaded as it was asked for, gives infinities or NaN too."""
    module = filled(was, sides.before, sides.old, sides.known)
    dtype = call.dtype if call.dtype is torch.float32 else main_dtype(module)
    found = _run(module.to(dtype), call, dtype)
    return not isinstance(found, str) and not all(bool(tensor.isfinite().all()) for tensor in found)


def derived(was: Component, part: Component, outcome: Outcome) -> bool:
    """Whether all that is loaded now was made of what was loaded before, so that only rounding can tell them apart."""
    new, old = part.loads().chosen, was.loads().chosen
    sources = {file.path for file in old.files} if old else set()
    for file in new.files if new else ():
        match outcome.contents.get(file.path):
            case Stored(edit=edit):
                made = set(edit.sources)
            case Same(of=of):
                made = {of}
            case None:
                made = {file.path}
            case _:
                return False
        if not made <= sources:
            return False
    return True


def _with_numbers(call: Call) -> Call:
    """The same call with numbers in place of shapes."""
    with foreign(CannotFill, "its inputs cannot be made"):
        args, kwargs = numbers(call, SEED)
    return Call(call.method, call.dtype, args, kwargs)


class _Raised(Exception):
    """The module's own code raised; the text says what."""


def _run(module: torch.nn.Module, call: Call, dtype: torch.dtype) -> list[torch.Tensor] | str:
    """The floating tensors that a call gives a module that computes in `dtype`; in words why it gave none."""
    perform: Callable[..., Any] = module if call.method == "forward" else getattr(module, call.method)
    try:
        with foreign(_Raised, ""), quiet(), torch.no_grad():
            torch.manual_seed(SEED)
            found = list(outputs(perform(*cast(call.args, call.dtype, dtype), **cast(dict(call.kwargs), call.dtype, dtype))))
    except _Raised as fault:
        return str(fault)
    return found or "it gives no floating numbers"


def _bytes(part: Component) -> int:
    """Of a component in float32."""
    chosen = part.loads().chosen
    return sum(4 * amount.parameters for amount in chosen.stock.values()) if chosen else 0
