"""Subjects to findings: what is read of models, scripts and runs goes to the rules that ask for it, and becomes a report."""

from __future__ import annotations

from .judging import judge, judge_run
from .models import asked_of, planned, readings, report_readings, scan, stopping
from .runs import report_runs, scan_runs

__all__ = [
    "asked_of", "judge", "judge_run", "planned", "readings", "report_readings", "report_runs", "scan", "scan_runs", "stopping",
]  # fmt: skip
