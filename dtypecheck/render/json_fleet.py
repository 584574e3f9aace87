"""The sum of a fleet as JSON, version 1: none of its keys ever vanishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..fleet.tally import Bad, Tally
from .words_fleet import sentence

VERSION: Final = 1
_SEEN: Final = ("pipelines", "components", "files", "tensors", "scripts", "bytes")


def document(tally: Tally) -> dict[str, Any]:
    """The sum as plain dicts and lists.

    version: of this form. summary: all in one sentence. targets: how many there were.
    outcomes: targets by judged, nothing (there to look at) and failed (looking at it). verdicts: those judged, by their worst
    finding: error, warning, note, ok.
    rules: a rule each, the worst first: code, name, targets (by error, warning, note), findings.
    classes: a class of pipeline each, the worst first: class, targets (by error, warning, note, ok).
    dtypes: a dtype each, the one that most is stored in first: dtype (F16, BF16, F32, ...), parameters, targets (those that store
    it, by error, warning, note, ok).
    worst: the worst targets, at most twenty: target, verdict, errors, warnings, first (what their worst finding says).
    unseen: targets that could not be looked at, at most twenty: target, outcome, why.
    seen: pipelines, components, files, tensors, scripts and bytes of weight files that were looked at.
    """
    return {
        "version": VERSION,
        "summary": sentence(tally),
        "targets": tally.targets,
        "outcomes": {name: tally.outcomes[name] for name in ("judged", "nothing", "failed")},
        "verdicts": _verdicts(tally.verdicts),
        "rules": [
            {
                "code": code,
                "name": tally.names.get(code, ""),
                "targets": {name: found[name] for name in ("error", "warning", "note")},
                "findings": tally.findings[code],
            }
            for code, found in tally.by_rule()
        ],
        "classes": [{"class": klass, "targets": _verdicts(found)} for klass, found in tally.by_class()],
        "dtypes": [
            {"dtype": dtype, "parameters": tally.parameters[dtype], "targets": _verdicts(found)}
            for dtype, found in tally.by_dtype()
        ],
        "worst": [_bad(bad) for bad in tally.named()],
        "unseen": [{"target": bad.target, "outcome": bad.verdict, "why": bad.first} for bad in tally.unseen()],
        "seen": {name: tally.seen[name] for name in _SEEN},
    }


def _verdicts(found: Mapping[str, int]) -> dict[str, int]:
    return {name: found.get(name, 0) for name in ("error", "warning", "note", "ok")}


def _bad(bad: Bad) -> dict[str, Any]:
    errors, warnings = bad.errors, bad.warnings
    return {"target": bad.target, "verdict": bad.verdict, "errors": errors, "warnings": warnings, "first": bad.first}
