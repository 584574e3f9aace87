"""One line a finding, as compilers write: for logs, editors and grep."""

from __future__ import annotations

from ..report import Report
from .options import Look, Out
from .spoken import speaker
from .words import clean, line
from .words_fix import lines
from .words_runs import verdicts
from .words_watch import OURS, departed, watched_runs


def render(report: Report, out: Out, look: Look) -> None:
    """Findings from the worst; notes only with -v; last the verdict in one line. -q leaves out what is no error."""
    if report.fix:
        for text in lines(report.fix, report):
            out.write(clean(text) + "\n")
        return
    shown = {-1: ("error",), 0: ("error", "warning")}.get(look.verbosity, ("error", "warning", "note"))
    speak = speaker(watched_runs(report))
    for finding in report.counted:
        if finding.severity in shown:
            out.write(line(finding, speak) + "\n")
    for run in watched_runs(report) if look.verbosity >= 0 else ():
        for text in departed(run):
            out.write(f"{OURS}{text}\n")
    ours = OURS if watched_runs(report) and not report.gate else ""
    for text in verdicts(report):
        out.write(f"{ours}{text}\n")
