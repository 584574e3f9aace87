"""What counts: select, ignore, suppressions with a reason, and from the report the exit code."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache

from ..checks.reading.unused_ignore import UnusedIgnore, word_of
from ..engine.looked import could_fire, looked_at, paths_of, unused
from ..findings import SEVERITIES, Finding, Where, fingerprinted
from ..report import Report
from ..rule import matching, nearest
from ..settings import Ignore, Override, Settings
from ..settings.places import fits, named

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


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rules count. wanted: None for all."""

    wanted: frozenset[str] | None = None
    unwanted: frozenset[str] = frozenset()

    def has(self, code: str) -> bool:
        """Whether a rule counts."""
        return (self.wanted is None or code in self.wanted) and code not in self.unwanted


def selection(
    select: Iterable[str] = (), ignore: Iterable[str] = (), extend: Iterable[str] = (), overrides: Sequence[Override] = ()
) -> Selection:
    """The rules that count: the selected ones (all without a selection) and further ones, without the ignored ones.

    overrides: in their order; the last `select` among them takes the place of the first, the rest adds. errors: UnknownRule.
    """
    last = next((override.select for override in reversed(overrides) if override.select is not None), tuple(select))
    wanted, extra = codes(last), codes((*extend, *(word for override in overrides for word in override.extend_select)))
    unwanted = codes((*ignore, *(word for override in overrides for word in override.ignore)))
    return Selection(wanted | extra if wanted else None, unwanted)


Chosen = Callable[[str], Selection]
"""Which rules count in a place, as the working directory sees it."""


def by_path(settings: Settings, select: Iterable[str] = (), ignore: Iterable[str] = (), extend: Iterable[str] = ()) -> Chosen:
    """Which rules count in a place: those of the flags, of the settings, and of overrides that fit it. errors: UnknownRule."""
    flags = tuple(select)
    ignored, added = (*settings.ignore, *ignore), (*settings.extend_select, *extend)

    @cache
    def of(overrides: tuple[Override, ...]) -> Selection:
        fitting = tuple(replace(override, select=None) for override in overrides) if flags else overrides
        return selection(flags or settings.select, ignored, added, fitting)

    of(settings.overrides)  # an unknown rule is told, whether its override fits or not
    return lambda place: of(settings.overriding(place))


def choose(
    report: Report,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    extend: Iterable[str] = (),
    chosen: Chosen | None = None,
) -> Report:
    """The report with only the findings of the selected rules (all without a selection) that are not ignored.

    chosen: in place of the three, where that differs by path. The note on an unused ignore counts only where every rule that the
    ignore names does: what is not selected could not have been muted.
    """
    same = selection(select, ignore, extend)
    by_path = chosen or (lambda _: same)

    def keep(finding: Finding) -> bool:
        rules = by_path(report.place(finding.where.path))
        named = matching(word_of(finding)) if finding.code == UnusedIgnore.code else ()
        return all(map(rules.has, (finding.code, *named)))

    return replace(report, findings=tuple(finding for finding in report.findings if keep(finding)))


def suppress(report: Report, suppressions: Iterable[Ignore], called: Callable[[str], str] | None = None) -> Report:
    """The report with the findings that a suppression names muted by its reason.

    called: what a place, as the working directory sees it, is called from the settings' folder; a suppression may say that too.
    """
    pairs = [(codes(item.rules), item) for item in suppressions]

    def other(path: str) -> str:
        return called(report.place(path)) if called else path

    def muted(finding: Finding) -> Finding:
        reasons = (item.reason for meant, item in pairs if finding.code in meant and _in(item, finding.where.path, other))
        reason = next(reasons, None) if finding.muted is None else None
        return finding.mute(reason, "settings") if reason else finding

    return replace(report, findings=tuple(map(muted, report.findings)))


def _in(item: Ignore, path: str, other: Callable[[str], str]) -> bool:
    """Whether a path of the report is one of a suppression's, under this name or its other one."""
    return item.path == "*" or fnmatchcase(path, item.path) or fits(other(path), (item.path,))


def idle(report: Report, settings: Settings, chosen: Chosen) -> tuple[Finding, ...]:
    """A note for each ignore of the settings file that mutes nothing, though its rules are selected and could have fired.

    report: with all findings of the selected rules. A finding that a comment mutes too is one that the ignore would mute.
    """
    kinds, linked = looked_at(report), not report.unlinked
    place = named(settings.file.absolute(), settings.ground.here) if settings.file else ""
    found: list[Finding] = []

    def called(path: str) -> str:
        return settings.called(report.place(path))

    for item in settings.suppressions:
        muted = {finding.code for finding in report.findings if _in(item, finding.where.path, called)}
        paths = [path for path in (*paths_of(report), ".") if _in(item, path, called)]

        def fires(code: str, paths: Sequence[str] = paths) -> bool:
            return all(chosen(report.place(path)).has(code) for path in paths) and could_fire(code, kinds, report.request, linked)

        def mutes(word: str, muted: Collection[str] = muted) -> bool:
            return any(code in muted for code in matching(word))

        told = unused(item.rules, mutes, fires) if paths else []
        found += (UnusedIgnore().tell(Where(place, "", item.line), text, word) for word, text in told)
    return tuple(fingerprinted(found))


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
