"""What the DT0 rules share: each tells the problems of one kind that the readers noted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ..findings import Finding, Fix
from ..knowledge import Knowledge
from ..rule import Rule
from ..subjects import Problem


class OfKind(Rule):
    """A rule about problems of one kind. remedy: what to do, empty when there is nothing to do."""

    kind: ClassVar[str] = ""
    remedy: ClassVar[str] = ""

    def check(self, problem: Problem, known: Knowledge) -> Iterator[Finding]:
        """The problem as a finding, if it is of this rule's kind."""
        if problem.kind == self.kind:
            fix = Fix(self.remedy) if self.remedy else None
            yield self.finding(problem.where, problem.detail, against=problem.against, fix=fix, source=problem.kind)
