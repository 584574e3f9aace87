"""A watched run as the JSON report has it: all that a later `scan run.json` needs to judge it again."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from ..dtypes import DType
from ..subjects import Component, Pipeline
from ..subjects.numbers import Departure, Frame, Healing, Picture, Producer, Replay
from ..subjects.shown import ModuleRow, Run
from .json_runs import crash_of, event_of, matrix, request


def watched(run: Run) -> dict[str, Any]:
    """A run as JSON has it; NaN and inf are null."""
    return {
        "how": run.how,
        "verdict": run.verdict,
        "device": run.device,
        "code": run.code,
        "crash": crash_of(run.crash),
        "reason": run.reason or None,
        "component": run.component or None,
        "module": run.module or None,
        "producers": [_producer(producer) for producer in run.producers],
        "modules": [_module(row) for row in run.modules],
        "images": [_picture(picture) for picture in run.pictures],
        "events": [event_of(event) for event in run.events],
        "departures": [_departure(departure) for departure in run.departures],
        "healed": [_healing(healing) for healing in run.healed],
        "limits": list(run.limits),
        "steps": dict(run.steps),
        "weight_bytes": dict(run.weight_bytes),
        "script": run.script or None,
        "variable": run.variable or None,
        "called": run.called or None,
        "ranks": list(run.ranks),
        "substituted": list(run.substituted),
        "written": list(run.written),
        "remedies": matrix(run.remedies),
        "pipeline": _pipeline(run.pipeline) if run.pipeline else None,
    }


def number(value: float | None) -> float | None:
    """A number that JSON can hold: NaN and inf become null."""
    return value if value is not None and isfinite(value) else None


def _dtype(dtype: DType | None) -> str | None:
    return dtype.name if dtype else None


def _producer(producer: Producer) -> dict[str, Any]:
    return {
        "module": producer.module or None,
        "step": producer.step,
        "dtype": producer.dtype.name,
        "kind": producer.kind,
        "class": producer.klass or None,
        "operator": producer.operator or None,
        "absmax_in": number(producer.absmax_in),
        "before": [_frame(frame) for frame in producer.before],
        "before_module": producer.before_module or None,
        "carried": producer.carried,
        "carried_to": producer.carried_to or None,
        "killed_by": producer.killed_by or None,
        "reaches": producer.reaches or None,
        "glue": producer.glue or None,
        "weights": list(producer.weights),
        "autocast": producer.autocast,
        "times": producer.times,
        "replay": _replay(producer.replay) if producer.replay else None,
    }


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "module": frame.module,
        "dtype_in": _dtype(frame.dtype_in),
        "dtype_out": _dtype(frame.dtype_out),
        "absmax_in": number(frame.absmax_in),
        "absmax_out": number(frame.absmax_out),
        "finite_in": frame.finite_in,
        "finite_out": frame.finite_out,
    }


def _replay(replay: Replay) -> dict[str, Any]:
    return {
        "verdict": replay.verdict,
        "absmax": number(replay.absmax),
        "times": number(replay.times),
        "switch": replay.switch or None,
    }


def _module(row: ModuleRow) -> dict[str, Any]:
    return {
        "module": row.module,
        "class": row.klass or None,
        "calls": row.calls,
        "dtype_in": _dtype(row.dtype_in),
        "dtype_out": _dtype(row.dtype_out),
        "weights": _dtype(row.weights),
        "absmax": number(row.absmax),
        "headroom_bits": number(row.headroom_bits),
    }


def _picture(picture: Picture) -> dict[str, Any]:
    return {
        "verdict": picture.verdict,
        "number": picture.number,
        "of": picture.of,
        "call": picture.call,
        "seen": picture.seen,
        "colour": picture.colour or None,
        "producer": picture.producer or None,
        "path": picture.path or None,
    }


def _departure(departure: Departure) -> dict[str, Any]:
    return {
        "component": departure.component,
        "dtype": departure.dtype.name,
        "error": number(departure.error),
        "module": departure.module or None,
        "module_error": number(departure.module_error),
    }


def _healing(healing: Healing) -> dict[str, Any]:
    return {
        "module": healing.module,
        "what": healing.what,
        "dtype": healing.dtype.name,
        "to": healing.to.name,
        "times": healing.times,
        "cost": healing.cost or None,
        "permanent": healing.permanent or None,
    }


def _pipeline(pipeline: Pipeline) -> dict[str, Any]:
    """What the rules on runs ask of a pipeline: its class, and of each component the class, the role, the dtype and settings."""
    return {
        "path": pipeline.path,
        "kind": pipeline.kind,
        "class": pipeline.klass,
        "request": request(pipeline.request),
        "components": [_component(component) for component in pipeline.components],
    }


def _component(component: Component) -> dict[str, Any]:
    load = component.loads()
    return {
        "name": component.name,
        "path": component.path,
        "where": component.where.path,
        "class": component.klass,
        "family": component.family,
        "role": component.role,
        "dtype": _dtype(load.dtype),
        "parameters": {dtype.name: count for dtype, count in load.counts.items()},
        "quantised": component.quantised.method if component.quantised else None,
        "settings": settings(component.config.data) if component.config else None,
    }


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a config: numbers that are finite, short texts, truth values."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        plain = isinstance(value, (bool, str)) or value is None
        finite = (isinstance(value, int) and abs(value) < 1 << 62) or (isinstance(value, float) and isfinite(value))
        if isinstance(key, str) and (finite or plain) and (not isinstance(value, str) or len(value) <= LONGEST):
            found[key] = value
    return found


LONGEST = 200
"""Letters of a text that is a setting."""
