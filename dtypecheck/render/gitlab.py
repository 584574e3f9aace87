"""The report as GitLab's code quality reads it: a list of findings, each with a fingerprint of its own."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from typing import Any, Final

from ..findings import Finding
from ..report import Report
from .ci import identity, line, said
from .options import Look, Out
from .words import clean

SEVERITY: Final = {"error": "critical", "warning": "major", "note": "info"}


def render(report: Report, out: Out, look: Look) -> None:
    """A JSON list, the worst first; what is muted is not in it."""
    out.write(json.dumps(findings(report), indent=2) + "\n")


def findings(report: Report) -> list[dict[str, Any]]:
    """The findings that count. Two with the same fingerprint (in two copies of a model) are told apart by their paths."""
    times = Counter(identity(finding) for finding in report.counted)
    return [_finding(finding, report, times[identity(finding)] > 1) for finding in report.counted]


def _finding(finding: Finding, report: Report, twice: bool) -> dict[str, Any]:
    place, fix, name = finding.where, finding.fix, identity(finding)
    return {
        "description": f"{finding.code} {said(finding)}" + (clean(f"; fix: {fix.title}") if fix else ""),
        "check_name": clean(finding.name),
        "fingerprint": sha256(f"{name}\n{place.path}".encode("utf-8", "surrogatepass")).hexdigest() if twice else name,
        "severity": SEVERITY[finding.severity],
        "location": {"path": clean(report.place(place.path)), "lines": {"begin": line(place)}},
    }
