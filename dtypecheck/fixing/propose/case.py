"""One finding with all that a remedy for it may look at, and the steps that a remedy makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ...dtypes import DType
from ...edits import Edit
from ...files import Files
from ...findings import Finding
from ...fixplan import Refused, Step
from ...knowledge import Knowledge
from ...subjects import Component, Pipeline
from ..steps import step


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked of a fix. select: codes, none for all. strategies: the words of --strategy, none for any.

    to: convert to this dtype instead of answering findings; components: only these; variant: as a variant of this name, beside.
    shard: bytes of a shard at most. clamp: cut what is too large instead of refusing it. swap: the VAE to put in, a folder or
    the name of a row in rules/swaps.toml. counting: of findings those that a policy lets count; the others get no answer.
    """

    select: frozenset[str] = frozenset()
    strategies: tuple[str, ...] = ()
    to: DType | None = None
    components: tuple[str, ...] = ()
    variant: str | None = None
    shard: int | None = None
    clamp: bool = False
    swap: str | None = None
    counting: Callable[[Sequence[Finding]], Sequence[Finding]] = tuple


@dataclass(frozen=True, slots=True)
class Case:
    """A finding, the pipeline and component that it is about, and where the files are."""

    finding: Finding
    pipeline: Pipeline | None
    component: Component | None
    files: Files
    known: Knowledge
    wish: Wish = field(default_factory=Wish)

    def step(
        self, place: str, change: str, edits: Iterable[Edit], strategy: str, lossless: bool = True, costs: Iterable[str] = ()
    ) -> Step | Refused:
        """A step of these edits; Refused where they do not fit the files."""
        return step(self.files, place, change, edits, strategy, lossless, costs)


Remedy = Callable[[Case], Iterator[Step | Refused]]


def refused(case: Case, why: str, *offers: str) -> Refused:
    """What is not done about the finding of a case, and why."""
    return Refused(case.finding.where.path, why, (case.finding.code,), offers)
