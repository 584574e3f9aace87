"""What a report is about, part by part, and which finding has its place where: all links of the HTML report come from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..checks.shown import component_name
from ..dtypes import DType
from ..findings import Finding
from ..report import Report
from ..subjects import Component, Pipeline
from ..subjects.shown import ModuleRow, Run
from .html_colours import family
from .html_words import shown_by
from .words_watch import watched_runs

SHARE = 0.01
"""The part of a block that a dtype must have to be named in it."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A finding, and the number that stands for it all over the page."""

    number: int
    finding: Finding

    def anchor(self, front: str) -> str:
        """Where its card is."""
        return f"{front}f{self.number}"


@dataclass(frozen=True, slots=True)
class Block:
    """A component as the map shows it. shares: how much of it has each dtype, the most first. calls: 0 where nobody counted."""

    name: str
    component: Component | None
    shares: Mapping[DType, int]
    nbytes: int = 0
    calls: int = 0
    klass: str = ""

    @property
    def family(self) -> str:
        """Whose colour it has: mixed where another dtype has a tenth of it."""
        if self.component and self.component.quantised:
            return "packed"
        if not self.shares:
            return "other"
        families = Counter[str]()
        for dtype, share in self.shares.items():
            families[family(dtype)] += share
        name, most = families.most_common(1)[0]
        return name if most >= 0.9 * families.total() else "mixed"

    @property
    def named(self) -> tuple[DType, ...]:
        """The dtypes worth a word."""
        total = sum(self.shares.values())
        return tuple(dtype for dtype, share in self.shares.items() if share >= SHARE * total)


@dataclass(frozen=True)
class Part:
    """One run, or one pipeline that was only looked at.

    front: what every anchor of it begins with. tabled: whether the table of its modules is on the page too.
    """

    front: str
    run: Run | None
    pipeline: Pipeline | None
    numbered: tuple[Numbered, ...] = field(default=(), repr=False)
    tabled: bool = True

    @property
    def modules(self) -> tuple[ModuleRow, ...]:
        """The modules in order of execution."""
        return self.run.modules if self.run else ()

    @cached_property
    def order(self) -> Mapping[str, int]:
        """The number of each module's row, from 1."""
        return {row.module: number for number, row in enumerate(self.modules, 1)}

    def row(self, module: str) -> str | None:
        """The anchor of a module's row, or of the nearest module above it; None where there is none."""
        while module:
            if module in self.order:
                return f"{self.front}m{self.order[module]}"
            module = module.rpartition(".")[0]
        return None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The components, in the order in which they were first called; those that never were come last."""
        known = [component.name for component in self.pipeline.components] if self.pipeline else []
        if self.run:
            known += [*self.run.steps, *self.run.weight_bytes]
        met = [self.component(row.module) for row in self.modules]
        return tuple(dict.fromkeys([*met, *known]))

    def component(self, module: str) -> str:
        """The component that a module path begins with; a lone model's paths begin at its own root."""
        return component_name(self.run, module) if self.run else module.partition(".")[0]

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """A block for each component."""
        return tuple(map(self._block, self.names))

    def _block(self, name: str) -> Block:
        component = self.pipeline.named(name) if self.pipeline else None
        run = self.run
        rows = [row for row in self.modules if self.component(row.module) == name]
        seen = Counter(dtype for row in rows if (dtype := row.weights or shown_by(row)))
        planned = component.loads() if component else None
        shares = Counter(dict(planned.counts)) if planned and planned.counts and not self.watched else seen
        shares = shares or Counter(dict(planned.counts) if planned else {})
        nbytes = (run.weight_bytes.get(name, 0) if run else 0) or (planned.nbytes if planned else 0)
        own = next((row.klass for row in rows if row.module in (name, "")), "")
        klass = (component.klass if component else "") or own
        return Block(name, component, dict(shares.most_common()), nbytes, run.steps.get(name, 0) if run else 0, klass)

    @property
    def watched(self) -> bool:
        """True for a real run: what was seen stands above what was planned."""
        return self.run is not None and self.run.how == "watched"

    def lost(self, row: ModuleRow) -> bool:
        """True for a module of a run whose numbers broke, if nothing finite was seen of what it gave."""
        broke = self.watched and self.run is not None and self.run.producers
        return bool(broke) and row.absmax is None and row.dtype_out is not None and row.dtype_out.is_float

    def of_block(self, name: str) -> Iterator[Numbered]:
        """The findings about a component."""
        for numbered in self.numbered:
            found = numbered.finding
            named = (found.component, *found.also) if found.component else (self.component(found.where.at),)
            if name in named:
                yield numbered

    @cached_property
    def of_rows(self) -> Mapping[str, tuple[Numbered, ...]]:
        """The findings by the anchor of the row that they point at."""
        found: dict[str, tuple[Numbered, ...]] = {}
        for numbered in self.numbered:
            anchor = self.row(numbered.finding.where.at)
            if anchor:
                found[anchor] = (*found.get(anchor, ()), numbered)
        return found

    def block_anchor(self, name: str) -> str | None:
        """Where a component's block is."""
        return f"{self.front}c{self.names.index(name) + 1}" if name in self.names else None


def parts_of(report: Report, front: str = "", tabled: bool = True) -> tuple[Part, ...]:
    """Every run, then every pipeline that did not run, each with its findings; processes of one script are one run."""
    runs = (*watched_runs(report), *(run for run in report.runs if run.how == "rehearsed"))
    ran = {run.pipeline.path for run in runs if run.pipeline}
    given: list[tuple[Run | None, Pipeline | None]] = [(run, run.pipeline) for run in runs]
    given += [(None, pipeline) for pipeline in report.pipelines if pipeline.path not in ran]
    numbered = [Numbered(number, finding) for number, finding in enumerate(report.counted, 1)]
    many = len(given) > 1
    return tuple(
        Part(
            f"{front}p{n}-" if many else front,
            run,
            pipeline,
            tuple(item for item in numbered if not many or _is_about(item.finding, run, pipeline)),
            tabled,
        )
        for n, (run, pipeline) in enumerate(given, 1)
    )


def _is_about(finding: Finding, run: Run | None, pipeline: Pipeline | None) -> bool:
    """In a report on several things: the finding names the pipeline, or points into the script that ran."""
    if finding.pipeline:
        return pipeline is not None and finding.pipeline == pipeline.path
    return run is not None and bool(run.script) and finding.where.path == run.script
