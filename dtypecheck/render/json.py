"""The report as JSON, version 1: the keys are those of schema.json, none of them ever vanishes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..checks.ranks import are_ranks, merged
from ..dtypes import DType
from ..findings import Finding, Where
from ..report import File, Report
from ..subjects import Component, Pipeline
from ..subjects.gated import Gate
from .json_fix import fix
from .json_runs import matrix, rehearsal, request
from .json_values import values
from .json_watch import watched
from .options import Look, Out

VERSION = 1


def render(report: Report, out: Out, look: Look) -> None:
    """One JSON document, keys in a fixed order, findings and files sorted."""
    out.write(json.dumps(document(report), indent=2, allow_nan=False) + "\n")


def document(report: Report) -> dict[str, Any]:
    """The report as plain dicts and lists.

    run: the watched one, or those of several processes merged; with several others than such, only `runs` has them.
    """
    rehearsed = [run for run in report.runs if run.how == "rehearsed"]
    seen = [run for run in report.runs if run.how == "watched"]
    one = merged(seen) if are_ranks(seen) else seen[0] if len(seen) == 1 else None
    return {
        "version": VERSION,
        "request": request(report.request),
        "findings": [_finding(finding) for finding in sorted(report.findings, key=lambda f: f.key)],
        "pipelines": [_pipeline(pipeline, report) for pipeline in sorted(report.pipelines, key=lambda p: p.path)],
        "files": [_file(file) for file in sorted(report.files, key=lambda f: f.path)],
        "seen": dict(sorted(report.seen.items())),
        "rehearsal": rehearsal(rehearsed[0]) if len(rehearsed) == 1 else None,
        "run": watched(one) if one else None,
        "runs": list(map(watched, seen)) if len(seen) > 1 else [],
        "matrix": matrix(next(iter(report.matrix.values()))) if len(report.matrix) == 1 else None,
        "fix": fix(report.fix) if report.fix else None,
        "values": values(report.values),
        "gate": _gate(report.gate) if report.gate else None,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    fix = finding.fix
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "message": finding.message,
        "path": finding.where.path,
        "at": finding.where.at or None,
        "line": finding.where.line,
        "against": _where(finding.against),
        "because": finding.because or None,
        "says": finding.says or None,
        "fix": {"title": fix.title, "lossless": fix.lossless, "verified": fix.verified} if fix else None,
        "alternatives": list(finding.alternatives),
        "pipeline": finding.pipeline or None,
        "component": finding.component or None,
        "muted": finding.muted,
        "muted_by": finding.muted_by,
        "fingerprint": finding.fingerprint,
    }


def _gate(gate: Gate) -> dict[str, Any]:
    return {"verdict": gate.verdict, "because": gate.because, "unchecked": list(gate.unchecked)}


def _where(where: Where | None) -> dict[str, Any] | None:
    return {"path": where.path, "at": where.at or None, "line": where.line} if where else None


def _pipeline(pipeline: Pipeline, report: Report) -> dict[str, Any]:
    asked = report.asked.get(pipeline.path, {})
    return {
        "path": pipeline.path,
        "kind": pipeline.kind,
        "class": pipeline.klass,
        "components": [_component(component, pipeline, report) for component in pipeline.components],
        "bytes": sum(component.loads().nbytes for component in pipeline.components),
        "verdict": report.verdict(pipeline),
        "requests": {
            dtype.torch: {name: _counts(given.counts) for name, given in components.items()}
            for dtype, components in asked.items()
        },
        "sound_requests": [dtype.torch for dtype in asked if dtype in report.sound.get(pipeline.path, ())],
        "rehearsal": rehearsal(run) if (run := report.run_of(pipeline)) and run.how == "rehearsed" else None,
        "matrix": matrix(report.matrix[pipeline.path]) if pipeline.path in report.matrix else None,
        "source": pipeline.source._asdict() if pipeline.source else None,
    }


def _component(component: Component, pipeline: Pipeline, report: Report) -> dict[str, Any]:
    load = component.loads()
    chosen = load.chosen or (component.sets[0] if component.sets else None)
    packed = component.quantised
    return {
        "name": component.name,
        "class": component.klass,
        "stored": {dtype.name: amount.parameters for dtype, amount in chosen.stock.items()} if chosen else {},
        "declared": component.declared.dtype.name if component.declared else None,
        "loads_as": _counts(load.counts) if load.dtype else None,
        "dtype": load.dtype.name if load.dtype else None,
        "quantised": {"method": packed.method, "compute": packed.compute.dtype.name if packed.compute else None}
        if packed
        else None,
        "files": [f"{pipeline.root}/{file.path}" if pipeline.root else file.path for file in chosen.files] if chosen else [],
        "bytes": load.nbytes,
        "verdict": report.verdict(pipeline, component),
    }


def _counts(counts: Mapping[DType, int]) -> dict[str, int]:
    return {dtype.name: count for dtype, count in counts.items()}


def _file(file: File) -> dict[str, Any]:
    dtypes = {dtype.name: count for dtype, count in file.dtypes.items()}
    return {"path": file.path, "format": file.format, "bytes": file.nbytes, "dtypes": dtypes, "sha256": file.sha256}
