"""A rehearsal, its crash, its events and the dtype plans that were tried, as the JSON report has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..subjects import Request
from ..subjects.shown import Crash, Event, Run, Tried


def rehearsal(run: Run) -> dict[str, Any]:
    """A run as JSON has it."""
    return {
        "verdict": run.verdict,
        "confirmed": run.confirmed,
        "reason": run.reason or None,
        "component": (run.crash.component if run.crash else run.component) or None,
        "module": (run.crash.module if run.crash else run.module) or None,
        "crash": crash_of(run.crash),
        "device": run.device,
        "peak_weight_bytes": sum(run.weight_bytes.values()),
        "weight_bytes": dict(run.weight_bytes),
        "called": run.called or None,
        "events": [event_of(event) for event in run.events],
        "substituted": list(run.substituted),
        "written": list(run.written),
        "remedies": matrix(run.remedies),
        "script": run.script or None,
    }


def crash_of(crash: Crash | None) -> dict[str, Any] | None:
    """A crash as JSON has it."""
    if crash is None:
        return None
    return {
        "module": crash.module or None,
        "operator": crash.operator or None,
        "operands": [
            {
                "role": o.role,
                "dtype": o.dtype.name,
                "from": o.made or None,
                "component": o.component or None,
                "made_at": o.where or None,
            }
            for o in crash.operands
        ],
        "message": crash.message,
        "glue": crash.glue or None,
        "script": crash.script or None,
        "stage": crash.stage,
        "confirmed": crash.confirmed,
        "why": crash.why or None,
        "remedy": crash.remedy or None,
    }


def event_of(event: Event) -> dict[str, Any]:
    """An event as JSON has it."""
    return {
        "kind": event.kind,
        "module": event.module,
        "operator": event.operator or None,
        "dtypes": [dtype.name for dtype in event.dtypes],
        "to": event.to.name if event.to else None,
        "from": event.by or None,
        "bytes": event.nbytes,
        "times": event.times,
        "downstream": event.downstream,
        "by_design": event.by_design,
    }


def matrix(plans: Iterable[Tried]) -> list[dict[str, Any]]:
    """The dtype plans that were tried, as JSON has them."""
    return [
        {
            "dtypes": {name: dtype.name for name, dtype in tried.dtypes.items()},
            "verdict": tried.verdict,
            "crash": crash_of(tried.crash),
            "reason": tried.reason or None,
            "weight_bytes": tried.weight_bytes,
            "safe": tried.safe,
            "slow": tried.slow,
            "note": tried.note or None,
            "recommended": tried.recommended,
        }
        for tried in plans
    ]


def request(asked: Request) -> dict[str, Any]:
    """What was asked for, as JSON has it."""
    return {
        "dtype": {name or "default": dtype.name for name, dtype in asked.dtypes.items()} or None,
        "variant": asked.variant,
        "device": asked.device,
        "libraries": {name: {"version": version, "from": source} for name, version, source in asked.libraries},
    }
