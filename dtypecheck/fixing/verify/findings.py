"""The same scan before and after a fix: what the plan answers is gone, and nothing new is there."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import scan
from ...files import Files
from ...findings import Finding
from ...fixplan import FixPlan
from ...knowledge import Knowledge
from ...report import Report
from ...subjects import Request
from ..worse import new

_Place = tuple[str, str, str]


def findings_checked(
    before: Files, after: Files, plan: FixPlan, request: Request, known: Knowledge
) -> tuple[list[str], list[str]]:
    """Reasons and lines. A note that is new is told: it is no fault, two sets of weights side by side are one."""
    was, now = scan(before, request, known), scan(after, request, known)
    left = list(unanswered(was, now, plan))
    reasons = [f"{finding.code} is still there at {finding.where}: {finding.message}" for finding in left]
    more = [finding for finding in new(was, now) if finding not in left]
    reasons += [f"{f.code} is new at {f.where}: {f.message}" for f in more if f.severity != "note"]
    told = [f"scan: a new note, {f.code} at {f.where}: {f.message}" for f in more if f.severity == "note"]
    codes = sorted({code for step in plan.steps for code in step.codes})
    if not reasons:
        told.insert(0, f"scan: nothing new{', ' + ', '.join(codes) + ' answered' if codes else ''}")
    return reasons, told


def unanswered(was: Report, now: Report, plan: FixPlan) -> Iterator[Finding]:
    """Findings of before that a step of the plan answers, and that are still there and say the same."""
    old = {(_place(finding), finding.message) for finding in was.findings}
    refused = {(code, item.place) for item in plan.refused for code in item.codes}
    for finding in now.findings:
        steps = (step for step in plan.steps if finding.code in step.codes and _covers(step.place, finding))
        if (_place(finding), finding.message) in old and (finding.code, finding.where.path) not in refused and next(steps, None):
            yield finding


def _place(finding: Finding) -> _Place:
    return finding.code, finding.where.path, finding.where.at


def _covers(place: str, finding: Finding) -> bool:
    """Whether a finding is about a file or folder: it, or what it stands against, lies there."""
    paths = [finding.where.path, finding.against.path if finding.against else finding.where.path]
    return place in ("", ".") or any(path == place or path.startswith(place.rstrip("/") + "/") for path in paths)
