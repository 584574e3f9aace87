"""From what a scan finds in scripts to steps: edits of their text that keep all else of it, each judged by a scan after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from ...edits import Splice
from ...engine.scripts import Resolve
from ...files import Entry, Files
from ...findings import Finding
from ...fixplan import Refused, Step
from ...knowledge import Knowledge
from ...read.scripts import SUFFIXES
from ...subjects import Request
from ..propose.case import Wish
from ..refusal import Refusal
from .case import Case, Idea, Unfit, matches
from .document import Document, after, opened
from .judged import Judged
from .remedies import NO_EDITS, REMEDIES

__all__ = ["NO_EDITS", "REMEDIES", "is_script", "propose_scripts"]

_MOST_ROUNDS: Final = 200
_MOST_FOLLOWING: Final = 4
"""Findings that one step may bring and mend as well."""


def is_script(name: str) -> bool:
    """True for the name of a file that is read as a script."""
    return name.endswith(SUFFIXES)


def propose_scripts(
    files: Files,
    request: Request,
    known: Knowledge,
    wish: Wish,
    resolve: Resolve | None = None,
    arguments: Sequence[str] = (),
    told: Callable[[str], None] | None = None,
) -> tuple[list[Step], list[Refused]]:
    """The steps that mend what a scan finds in the scripts of a place, and what no edit of them mends.

    Each step answers a finding, and its edits are places in the text as the steps before it left it. arguments: of the script.
    """
    steps: list[Step] = []
    refused: list[Refused] = []
    for entry in files.entries():
        if not is_script(entry.name) or entry.size < 0:
            continue
        if told:
            told(entry.name)
        made = _Mended(entry, files, request, known, wish, resolve, arguments)
        made.run()
        steps += made.steps
        refused += made.refused
    return steps, list(dict.fromkeys(refused))


@dataclass(slots=True)
class _Mended:
    """One script on its way from the text that it has to the one that it would have."""

    entry: Entry
    files: Files
    request: Request
    known: Knowledge
    wish: Wish
    resolve: Resolve | None
    arguments: Sequence[str]
    steps: list[Step] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def run(self) -> None:
        """Answer one finding after the other until none is left that an edit answers."""
        try:
            data = self.files.read(self.entry.name)
        except OSError as fault:
            self.refused.append(Refused(self.entry.name, fault.strerror or str(fault)))
            return
        now = Judged(self.entry.name, data, self.request, self.known, self.resolve, self.arguments)
        for _ in range(_MOST_ROUNDS):
            left: list[Refused] = []
            better = next(self._answers(now, left), None)
            if better is None:
                self.refused = left
                return
            now = better

    def _answers(self, now: Judged, left: list[Refused]) -> Iterator[Judged]:
        """The texts in which one finding more is answered; each is a step more. left: what none answers."""
        for finding in self.wish.counting(now.findings):
            if self.wish.select and finding.code not in self.wish.select:
                continue
            why: list[str] = []
            if (found := self._answer(finding, now, why)) is not None:
                yield found
            if why or not self.wish.strategies:
                left.append(self._left(finding, why))

    def _answer(self, finding: Finding, now: Judged, why: list[str]) -> Judged | None:
        """The text after the first idea that helps and makes nothing worse: by itself, else with what mends what it brings.

        why: what speaks against the ideas that were not taken.
        """
        try:
            made = [(idea, edits, now.after(after(now.data, edits))) for idea, edits in self._ideas(finding, now, why)]
            mending = [(idea, edits, later) for idea, edits, later in made if now.mends(finding, later)]
            alone = (found for found in mending if not now.worse(found[2]))
            followed = (self._with_what_follows(*found[:2], now, found[2]) for found in mending if now.fresh(found[2]))
            for idea, edits, later in chain(alone, followed):
                if not now.worse(later) and now.mends(finding, later):
                    self._take(idea, edits, finding, now, later)
                    return later
            why += (f"{idea.change}: {now.worse(later)}" for idea, _, later in mending)
        except Refusal as fault:
            why.append(str(fault))
        return None

    def _with_what_follows(
        self, idea: Idea, edits: tuple[Splice, ...], now: Judged, later: Judged
    ) -> tuple[Idea, tuple[Splice, ...], Judged]:
        """An idea together with what mends the findings that it would bring, as far as there are a few and ideas for them."""
        for _ in range(_MOST_FOLLOWING):
            better = next((found for fresh in now.fresh(later) if (found := self._mended(fresh, later))), None)
            if better is None:
                break
            more, its_edits, later = better
            costs = tuple(dict.fromkeys((*idea.costs, *more.costs)))
            idea = replace(idea, change=f"{idea.change}; {more.change}", changes=(*idea.changes, *more.changes), costs=costs)
            edits = (*edits, *its_edits)
        return idea, edits, later

    def _mended(self, finding: Finding, now: Judged) -> tuple[Idea, tuple[Splice, ...], Judged] | None:
        """The first idea for a finding after which nothing is worse, with the text after it."""
        for idea, edits in self._ideas(finding, now, []):
            later = now.after(after(now.data, edits))
            if not now.worse(later) and now.mends(finding, later):
                return idea, edits, later
        return None

    def _ideas(self, finding: Finding, now: Judged, why: list[str]) -> Iterator[tuple[Idea, tuple[Splice, ...]]]:
        """The ideas for a finding, with their edits, as far as they are wanted."""
        script = now.script
        if script is None:
            return
        document = opened(now.path, now.data)
        for call in matches(finding, script):
            case = Case(finding, call, script, document, self.known, self.request, self.wish)
            for remedy in REMEDIES.get(finding.code, ()):
                try:
                    for idea in remedy(case):
                        if not self.wish.strategies or idea.strategy in self.wish.strategies:
                            yield from self._edits(idea, document, why)
                except Unfit as fault:
                    why.append(str(fault))

    def _edits(self, idea: Idea, document: Document, why: list[str]) -> Iterator[tuple[Idea, tuple[Splice, ...]]]:
        """An idea with its edits; nothing for one that does not fit the text."""
        try:
            if edits := document.edits(idea.changes):
                yield idea, edits
        except Unfit as fault:
            why.append(f"{idea.change}: {fault}")

    def _take(self, idea: Idea, edits: tuple[Splice, ...], finding: Finding, now: Judged, later: Judged) -> None:
        codes = dict.fromkeys((finding.code, *now.answered(later)))
        step = Step(now.path, idea.change, edits, True, len(now.data), len(later.data), idea.costs, tuple(codes), idea.strategy)
        self.steps.append(step)

    def _left(self, finding: Finding, why: Iterable[str]) -> Refused:
        """What is said of a finding that no edit answers."""
        offers = (*((finding.fix.title,) if finding.fix else ()), *finding.alternatives)
        reason = next(iter(why), NO_EDITS.get(finding.code, "no edit of the script mends it"))
        line = f"line {finding.where.line}: " if finding.where.line else ""
        cell = f"{finding.where.at} " if finding.where.at.startswith("cell ") else ""
        told = reason if reason.startswith(("line ", "cell ")) else f"{cell}{line}{reason}"
        return Refused(self.entry.name, told, (finding.code,), offers)
