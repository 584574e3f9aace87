"""What counts: select, ignore, suppressions with a reason, and from the report the exit code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from .config import Ignore
from .findings import SEVERITIES
from .report import Report
from .rule import matching, nearest

CLEAN, FOUND, MISUSED, NOTHING = 0, 1, 2, 3


class UnknownRule(ValueError):
    """A selector that means no rule; its text says the nearest one."""


def codes(words: Iterable[str]) -> frozenset[str]:
    """The codes that selectors mean. errors: UnknownRule for one that means none."""
    found: set[str] = set()
    for word in (part for text in words for part in re.split(r"[,\s]+", text) if part):
        if not (meant := matching(word)):
            near = nearest(word)
            raise UnknownRule(f"no rule is called {word!r}" + (f"; the nearest is {near}" if near else ""))
        found.update(meant)
    return frozenset(found)


def choose(report: Report, select: Iterable[str] = (), ignore: Iterable[str] = (), extend: Iterable[str] = ()) -> Report:
    """The report with only the findings of the selected rules (all without a selection) that are not ignored."""
    wanted, extra, unwanted = codes(select), codes(extend), codes(ignore)

    def keep(code: str) -> bool:
        return (not wanted or code in wanted | extra) and code not in unwanted

    return replace(report, findings=tuple(finding for finding in report.findings if keep(finding.code)))


def suppress(report: Report, suppressions: Iterable[Ignore]) -> Report:
    """The report with the findings that a suppression names muted by its reason."""
    pairs = [(codes(item.rules), item) for item in suppressions]

    def reason(code: str, path: str) -> str | None:
        return next((item.reason for meant, item in pairs if code in meant and fnmatchcase(path, item.path)), None)

    findings = tuple(
        finding.mute(why, "settings") if finding.muted is None and (why := reason(finding.code, finding.where.path)) else finding
        for finding in report.findings
    )
    return replace(report, findings=findings)


def exit_code(report: Report, fail_on: str = "error") -> int:
    """0 clean, 1 findings at or above `fail_on` (error, warning, note or never), 3 nothing was looked at."""
    if fail_on != "never":
        worst = SEVERITIES[: [str(word) for word in SEVERITIES].index(fail_on) + 1]
        if any(finding.severity in worst and finding.muted is None for finding in report.findings):
            return FOUND
    looked = any(report.seen[what] for what in ("pipelines", "watched", "scripts"))
    return CLEAN if looked or report.findings else NOTHING


def rehearsal_code(report: Report, fail_on: str = "error") -> int:
    """0 runs, 1 crashes or a finding at or above `fail_on`, 3 undecided; for a matrix 0 when some dtype plan runs, else 1.

    A crash that is ignored or muted does not count, and with `never` none does.
    """
    if report.matrix:
        return CLEAN if any(tried.verdict == "runs" for plans in report.matrix.values() for tried in plans) else FOUND
    if fail_on != "never" and any(finding.name == "run-crashes" and finding.muted is None for finding in report.findings):
        return FOUND
    if exit_code(report, fail_on) == FOUND:
        return FOUND
    undecided = any(run.verdict == "unknown" for run in report.runs)
    return NOTHING if undecided or not report.runs else CLEAN


def watch_code(report: Report, fail_on: str = "error") -> int:
    """What the script itself ended with if that is not 0, else 0 clean, 1 findings at or above `fail_on`, 3 nothing was seen."""
    own = next((run.code for run in report.runs if run.code), 0)
    return own or (exit_code(report, fail_on) if report.findings or report.seen["watched"] else NOTHING)


def done_code(report: Report, fail_on: str = "error") -> int:
    """Of a plan that was carried out: as a scan of what there is now; 1 too when some of what was asked for was refused."""
    return max(exit_code(report, fail_on), FOUND if _wished(report) and fail_on != "never" else CLEAN)


def _wished(report: Report) -> bool:
    """Whether something that was asked for, no finding's remedy, is refused."""
    return any(not item.codes and not item.done for item in report.fix.plan.refused) if report.fix else False


def plan_code(report: Report, fail_on: str = "error") -> int:
    """Of a plan that was not applied: as a scan; 1 too when what was asked for (no finding's remedy) is refused."""
    refused = _wished(report) and not (report.fix and report.fix.plan.steps)
    return FOUND if refused and fail_on != "never" else exit_code(report, fail_on)
