"""Findings of a script against the comments in it that mute: what they mute, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from ..findings import Finding, Where
from ..knowledge import Knowledge
from ..read.header import NO_REASON, UNUSED_IGNORE
from ..read.scripts.ignores import Ignore, ignores
from ..rule import matching
from ..subjects import Problem, Request
from ..subjects.scripts import Script
from .judging import judge
from .looked import about_runs, about_scripts, could_fire, unused

_KINDS = frozenset({"scripts", "problems"})


def by_comments(
    found: Sequence[Finding], script: Script, known: Knowledge, request: Request, linked: bool = True
) -> list[Finding]:
    """The findings, muted where a comment says so and why, and a note for each comment that mutes nothing.

    linked: each model that the script names is known. A comment without a reason mutes nothing.
    """
    comments = ignores(script.texts, script.path.endswith(".ipynb"))
    if not comments:
        return list(found)
    hits: set[tuple[Ignore, str]] = set()
    made: list[Finding] = []
    for finding in found:
        of = [(comment, word) for comment in comments for word in comment.words if _hits(comment, word, finding)]
        hits.update(of)
        reason = next((comment.reason for comment, _ in of if comment.reason), None)
        made.append(finding.mute(reason, "source") if reason else finding)
    problems = [problem for comment in comments for problem in _wrong(comment, script.path, hits, request, linked)]
    return [*made, *judge(None, problems, known)]


def by_lines(found: Sequence[Finding], path: str, texts: Mapping[int, str]) -> tuple[Finding, ...]:
    """Findings on runs, muted where a comment says so at a line of the script that they point at, as either witness.

    path: of the script, as the findings spell it. texts: its own, by cell. What mutes nothing is told by a scan of the script.
    """
    comments = ignores(texts, path.endswith(".ipynb"))

    def muted(finding: Finding) -> Finding:
        places = [place for place in (finding.where, finding.against) if place and place.path == path]
        if finding.muted is not None or not places or not about_runs(finding.code):
            return finding
        seen = (replace(finding, where=place) for place in places)
        reason = next((c.reason for one in seen for c in comments for w in c.words if c.reason and _hits(c, w, one)), None)
        return finding.mute(reason, "source") if reason else finding

    return tuple(map(muted, found)) if comments else tuple(found)


def _hits(comment: Ignore, word: str, finding: Finding) -> bool:
    cell = int(finding.where.at.removeprefix("cell ")) if finding.where.at.startswith("cell ") else 0
    return comment.covers(cell, finding.where.line) and finding.code in matching(word)


def _wrong(comment: Ignore, path: str, hits: Collection[tuple[Ignore, str]], request: Request, linked: bool) -> Iterator[Problem]:
    """What is wrong with one comment."""
    where = Where(path, f"cell {comment.cell}" if comment.cell else "", comment.line)

    def fires(code: str) -> bool:
        if about_runs(code):
            return False  # a scan runs nothing
        return not about_scripts(code) or could_fire(code, _KINDS, request, linked)

    for word, told in unused(comment.words, lambda word: (comment, word) in hits, fires):
        if (meant := matching(word)) and not any(about_scripts(code) or about_runs(code) for code in meant):
            told = f"{word} says nothing about scripts: this ignore mutes nothing"
        yield Problem(UNUSED_IGNORE, where, f"{told}\n{word}")
    if not comment.words:
        yield Problem(NO_REASON, where, "this ignore names no rule, and mutes nothing")
    elif not comment.reason:
        yield Problem(NO_REASON, where, f"the ignore of {', '.join(comment.words)} gives no reason, and mutes nothing")
