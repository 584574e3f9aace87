"""The report in the log of a GitHub workflow: a folded group with all of it, annotations for the worst, the verdict last.

The paths that annotations name are those that the working directory sees: GitHub wants that to be the root of the repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..findings import SEVERITIES, Finding
from ..report import Report
from .ci import at, line, loaded, muted, named, said, told
from .markdown import SUMMARY, page
from .options import Look, Out
from .words import clean, heading, plural
from .words_runs import verdicts

COMMANDS: Final = {"error": "error", "warning": "warning", "note": "notice"}
MOST: Final = 10
"""Annotations of each kind that GitHub shows of one step."""


def render(report: Report, out: Out, look: Look) -> None:
    """Annotations of errors and warnings; of notes only with -v, with -q only of errors."""
    shown = {-1: ("error",), 0: ("error", "warning")}.get(look.verbosity, SEVERITIES)
    out.write(f"::group::dtypecheck{_data(clean(f' {report.label}' if report.label else ''))}\n")
    for text in _details(report):
        out.write(f"{_harmless(text)}\n")
    out.write("::endgroup::\n")
    left = []
    for severity in shown:
        found = [finding for finding in report.counted if finding.severity == severity]
        for finding in found[:MOST]:
            out.write(annotation(finding, report) + "\n")
        left += [plural(len(found) - MOST, f"more {severity}")] if len(found) > MOST else []
    if left:
        out.write(f"GitHub shows {MOST} of a kind: {', '.join(left)} in the group above\n")
    for text in verdicts(report):
        out.write(f"dtypecheck: {_harmless(text)}\n")


def summary(report: Report) -> str:
    """What belongs into the file that $GITHUB_STEP_SUMMARY names: Markdown, within the size that GitHub takes."""
    return page(report, SUMMARY)


def annotation(finding: Finding, report: Report) -> str:
    """One finding as a workflow command, which GitHub shows at its line."""
    where = {"file": clean(report.place(finding.where.path)), "line": str(line(finding.where))}
    where["title"] = clean(f"{finding.code} {finding.name}")
    given = ",".join(f"{key}={_property(value)}" for key, value in where.items() if value)
    message = "\n".join((said(finding), *told(finding, report)))
    return f"::{COMMANDS[finding.severity]} {given}::{_data(message)}"


def _data(text: str) -> str:
    """Text behind a command as the runner reads it back."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _harmless(text: str) -> str:
    """A line of the log that is no command: those begin with two colons, and of old with a word in brackets anywhere."""
    text = text.replace("##[", "# #[")
    return f"- {text}" if text.lstrip().startswith("::") else text


def _details(report: Report) -> Iterator[str]:
    for number, pipeline in enumerate(report.pipelines):
        yield clean(heading(pipeline, report.label or ".", number == 0))
        for part in pipeline.components:
            yield f"  {clean(named(part))} {loaded(part)}"
    for finding in report.counted:
        yield f"{finding.severity} {finding.code} {at(finding.where, report)}: {said(finding)}"
        yield from (f"  {text}" for text in told(finding, report))
    for finding in muted(report):
        yield clean(f"muted {finding.code} {finding.message} ({at(finding.where, report)}): {finding.muted}")
