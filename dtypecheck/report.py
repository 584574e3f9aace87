"""What came out: findings, the pipelines they are about, and how much was seen; reports add."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from .dtypes import DType
from .findings import SEVERITIES, Finding, Severity, Where
from .fixplan import Mending
from .subjects import Component, Pipeline, Request, WeightFile
from .subjects.gated import Gate
from .subjects.loaded import Loaded
from .subjects.shown import Run, Tried
from .subjects.values import Survey


@dataclass(frozen=True, slots=True)
class File:
    """One file that was looked at: tensors by dtype, none for files that could not be read; sha256 where the place tells it."""

    path: str
    format: str
    nbytes: int
    dtypes: Mapping[DType, int]
    sha256: str | None = None


class Asked(NamedTuple):
    """What a request would give one component: parameters by dtype, and bytes."""

    counts: Mapping[DType, int]
    nbytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of looking at one target or many.

    pipelines: without the columns of their headers. asked: per pipeline path, what each usual request would give:
    dtype asked for, component name. seen: pipelines, components, files, tensors, bytes.
    label: what people call the target. sound: per pipeline path, the usual requests that nothing known speaks against.
    runs: what was rehearsed or watched. matrix: per pipeline path, the dtype plans that were rehearsed, the recommended first.
    values: the numbers of the pipelines, where they were asked for.
    lines: of scripts, those that findings point at.
    fix: the fix plan that was made of it, and what became of that. gate: the verdict of a gate. unlinked: names of models in
    scripts that no folder is known to stand for. loaded: the pipelines that scripts load, as they ask for them. roots: what paths
    of this report begin with ("" for all of them, a folder, or a whole path), and where that is as the working directory sees it.
    """

    findings: tuple[Finding, ...] = ()
    pipelines: tuple[Pipeline, ...] = ()
    seen: Counter[str] = field(default_factory=Counter)
    request: Request = field(default_factory=Request)
    asked: Mapping[str, Mapping[DType, Mapping[str, Asked]]] = field(default_factory=dict)
    label: str = ""
    sound: Mapping[str, frozenset[DType]] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    matrix: Mapping[str, tuple[Tried, ...]] = field(default_factory=dict)
    fix: Mending | None = None
    values: tuple[Survey, ...] = ()
    lines: Mapping[Where, str] = field(default_factory=dict)
    gate: Gate | None = None
    unlinked: tuple[str, ...] = ()
    roots: Mapping[str, str] = field(default_factory=dict)
    loaded: tuple[Loaded, ...] = ()

    def __add__(self, other: Report) -> Report:
        return Report(
            self.findings + other.findings,
            self.pipelines + other.pipelines,
            self.seen + other.seen,
            self.request if self.pipelines or not other.pipelines else other.request,
            {**self.asked, **other.asked},
            self.label or other.label,
            {**self.sound, **other.sound},
            self.runs + other.runs,
            {**self.matrix, **other.matrix},
            self.fix or other.fix,
            self.values + other.values,
            {**self.lines, **other.lines},
            self.gate or other.gate,
            tuple(dict.fromkeys((*self.unlinked, *other.unlinked))),
            {**self.roots, **other.roots},
            (*self.loaded, *other.loaded),
        )

    def below(self, folder: str) -> Report:
        """The same report with `folder` in front of every path: one of several targets."""

        def path(old: str) -> str:
            return folder or "." if old in (".", "") else f"{folder}/{old}" if folder else old

        def where(old: Where) -> Where:
            return replace(old, path=path(old.path))

        def moved(old: Pipeline) -> Pipeline:
            return replace(old, path=path(old.path), root=folder)

        findings = tuple(
            replace(
                f, where=where(f.where), against=f.against and where(f.against), pipeline=path(f.pipeline) if f.pipeline else ""
            )
            for f in self.findings
        )
        pipelines = tuple(moved(pipeline) for pipeline in self.pipelines)
        new = {old.path: pipeline for old, pipeline in zip(self.pipelines, pipelines, strict=True)}
        runs = tuple(
            replace(run, pipeline=new.get(run.pipeline.path) or moved(run.pipeline)) if run.pipeline else run for run in self.runs
        )
        asked = {path(name): counts for name, counts in self.asked.items()}
        sound = {path(name): dtypes for name, dtypes in self.sound.items()}
        matrix = {path(name): plans for name, plans in self.matrix.items()}
        values = tuple(survey.light(new[survey.pipeline.path]) for survey in self.values)
        lines = {where(place): line for place, line in self.lines.items()}
        roots = {"/".join(filter(None, (folder, old))): root for old, root in self.roots.items()}
        same = replace(self, findings=findings, pipelines=pipelines, asked=asked, sound=sound, roots=roots)
        return replace(same, runs=runs, matrix=matrix, values=values, lines=lines)

    def place(self, path: str) -> str:
        """A path of this report as the working directory sees it; code of a library, and what no target holds, as it is."""
        parts = [part for part in path.split("/") if part != "."]
        if path.endswith(".py") and parts[0] in {name for name, _, _ in self.request.libraries}:
            return path
        for count in range(len(parts), -1, -1):
            root = self.roots.get("/".join(parts[:count]))
            if root is not None:
                return "/".join([root] * (root != ".") + parts[count:]) or "."
        return path

    @property
    def files(self) -> tuple[File, ...]:
        """Every weight file of the pipelines, once, sorted by path."""
        found = {file.path: file for pipeline in self.pipelines for file in weight_files(pipeline)}
        return tuple(found[path] for path in sorted(found))

    @property
    def counted(self) -> tuple[Finding, ...]:
        """The findings that are not muted, the worst first."""
        return tuple(sorted((f for f in self.findings if f.muted is None), key=lambda finding: finding.key))

    def count(self, severity: Severity) -> int:
        """How many unmuted findings have this severity."""
        return sum(finding.severity == severity for finding in self.findings if finding.muted is None)

    @property
    def worst(self) -> Severity | None:
        """The worst severity among the unmuted findings, None without any."""
        return next((severity for severity in SEVERITIES if self.count(severity)), None)

    def run_of(self, pipeline: Pipeline) -> Run | None:
        """The run of a pipeline, None where it was not run."""
        return next((run for run in self.runs if run.pipeline and run.pipeline.path == pipeline.path), None)

    def verdict(self, pipeline: Pipeline, component: Component | None = None) -> str:
        """`ok` or the worst severity of the unmuted findings about a pipeline, or about one component of it."""
        about = [
            finding.severity
            for finding in self.findings
            if finding.muted is None
            and finding.pipeline == pipeline.path
            and (component is None or component.name in (finding.component, *finding.also))
        ]
        return min(about, key=SEVERITIES.index, default="ok")


def weight_files(pipeline: Pipeline) -> tuple[File, ...]:
    """The weight files of a pipeline; one whose tensors several components share counts them all."""
    prefix = pipeline.root + "/" if pipeline.root else ""
    parts = [file for component in pipeline.components for chosen in component.sets for file in chosen.files]
    tallies: dict[str, Counter[DType]] = {}
    found: dict[str, WeightFile] = {}
    for file in (*parts, *pipeline.loose):
        if file.path not in found or pipeline.kind == "single-file":
            tallies.setdefault(file.path, Counter()).update({dtype: stock.tensors for dtype, stock in file.stock.items()})
        found[file.path] = file
    return tuple(
        File(
            prefix + path,
            file.format,
            file.nbytes,
            dict(sorted(tallies[path].items(), key=lambda item: (-item[1], item[0].name))),
            file.sha256,
        )
        for path, file in found.items()
    )
