"""The record of a watched run, as far as it has come."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import Any

import torch

from ...dtypes import F32, DType
from ...subjects import Request
from ...subjects.numbers import Frame, Producer
from ...subjects.shown import Event, ModuleRow, Outcome, Run
from . import live, silent
from .found import Found
from .names import Row
from .producers import Fault
from .watcher import Watcher


def run_of(watcher: Watcher, request: Request, number: int | None = None, **further: Any) -> Run:
    """What was seen so far.

    number: of the one call whose producers are wanted, None for all. further: fields of Run that others know: pictures, events of
    training, the script.
    """
    told = watcher.names.told()
    klass = next((root.klass for root in told if root.klass), None)
    pipeline = live.pipeline_of((root.facts.component for root in told if root.facts), klass, request)
    rows = list(watcher.ways.met)
    roots = [root for root in told if root.steps]
    verdict: Outcome = "crashes" if watcher.crash else "runs" if watcher.steps else "unknown"
    return Run(
        how="watched",
        verdict=verdict,
        device=next(iter(watcher.devices), "cpu"),
        crash=watcher.crash,
        reason="" if watcher.steps else "no module of torch was called",
        events=(*_events(watcher, rows), *further.pop("events", ())),
        modules=tuple(_module(row, watcher) for row in rows),
        weight_bytes={root.name: root.facts.nbytes for root in told if root.facts},
        pipeline=pipeline,
        producers=tuple(producers(watcher, number)),
        departures=watcher.keeper.departures() if watcher.keeper is not None else (),
        healed=watcher.healer.healings() if watcher.healer is not None else (),
        limits=tuple(watcher.limits),
        steps={root.name: root.steps for root in roots},
        variable=watcher.variable,
        **further,
    )


def producers(watcher: Watcher, number: int | None = None) -> list[Producer]:
    """The producers that were found, in all calls or in one."""
    return [_producer(found, watcher) for found in list(watcher.finds.found.values()) if number in (None, found.call)]


def _producer(found: Found, watcher: Watcher) -> Producer:
    fault, names = found.fault, watcher.names
    path = names.path(found.row) if found.row else ""
    return Producer(
        path,
        found.step,
        _named(fault.dtype),
        fault.kind,  # type: ignore[arg-type]
        klass=found.row.klass if found.row else "",
        absmax_in=fault.absmax_in,
        before=tuple(_frame(names.path(row), seen) for row, seen in found.before),
        carried=fault.carried,
        carried_to=names.path(fault.last.row) if fault.last else "",
        killed_by=names.path(fault.killer.row) if fault.killer else "",
        glue=found.glue,
        weights=found.weights,
        times=found.times,
        reaches=found.root.name if fault.reaches else "",
        operator=fault.operator,
        before_module=names.path(fault.first.row) if fault.first else "",
        autocast=found.autocast,
        replay=found.replay,
    )


def _frame(path: str, seen: tuple[Any, ...]) -> Frame:
    given, gave, into, out = seen
    ins, outs = _largest(into), _largest(out)
    return Frame(
        path,
        _named(given[0]) if given else None,
        _named(gave[0]) if gave else None,
        ins,
        outs,
        all(isfinite(low) and isfinite(high) for low, high in into),
        all(isfinite(low) and isfinite(high) for low, high in out),
    )


def _largest(values: list[tuple[float, float]]) -> float | None:
    return max((most for low, high in values if isfinite(most := max(-low, high))), default=None)


def _module(row: Row, watcher: Watcher) -> ModuleRow:
    ways = list(row.ways)
    given, gave, weight = ways[0] if ways else (None, None, None)
    return ModuleRow(
        watcher.names.path(row),
        sum(row.ways.values()),
        _named(given) if given else None,
        _named(gave) if gave else None,
        row.absmax if row.absmax >= 0 else None,
        row.klass,
        _named(weight) if weight else None,
    )


def _named(dtype: torch.dtype) -> DType:
    return silent.named(dtype) if dtype else F32


def _events(watcher: Watcher, rows: list[Row]) -> list[Event]:
    names = watcher.names
    found = [
        replace(event, module=names.below(root, event.module))
        for root in names.told()
        if root.facts and root.steps
        for event in root.facts.events
    ]
    found += silent.lowered(rows, names, watcher.roles)
    return [*found, *silent.promoted(rows, names, watcher.strange)]


__all__ = ["Fault", "producers", "run_of"]
