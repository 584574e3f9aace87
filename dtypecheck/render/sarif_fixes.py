"""The fixes of findings as SARIF gives them: characters of a file that others take the place of."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from ..edits import Edit, Splice
from ..findings import Finding
from ..report import Report
from .words import clean


def fixes(finding: Finding, report: Report, artifact: dict[str, Any]) -> list[dict[str, Any]]:
    """The fix of a finding, and the step of the fix plan that answers it alone; each only if all of it is text edits of its file.

    artifact: the file that the finding is in.
    """
    steps = report.fix.plan.steps if report.fix else ()
    path = finding.where.path
    given = [(finding.fix.title, finding.fix.edits)] if finding.fix else []
    own = path.rpartition("/")[2] if path == report.label else path  # a script on its own goes by its name alone in a fix plan
    answering = [step for step in steps if finding.code in step.codes and {edit.path for edit in step.edits} == {own}]
    rivals = [other for other in report.findings if other.code == finding.code and other.where.path == path]
    if len(answering) == 1 and len(rivals) == 1:
        given += [(step.change, step.edits) for step in answering]
    made = [(title, _replacements(edits)) for title, edits in given]
    return [
        {"description": {"text": clean(title)}, "artifactChanges": [{"artifactLocation": artifact, "replacements": replacements}]}
        for title, replacements in made
        if replacements
    ]


def _replacements(edits: Iterable[Edit]) -> list[dict[str, Any]]:
    """The edits as SARIF has them, all on the text as it is now; none if one of them is no such edit, or moves another."""
    done = tuple(edits)
    splices = [edit for edit in done if isinstance(edit, Splice)]
    if len(splices) < len(done) or any(later.end > earlier.start for earlier, later in pairwise(splices)):
        return []
    return [
        {
            "deletedRegion": {"charOffset": edit.start, "charLength": edit.end - edit.start},
            "insertedContent": {"text": edit.new},
        }
        for edit in splices
    ]
