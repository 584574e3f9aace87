"""Each subject to the rules that ask for its type: the road from a target's files to a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from . import checks
from .checks.what_if import runs
from .dtypes import F32, USUAL, DType
from .files import Files
from .findings import Finding, fingerprinted
from .knowledge import Knowledge
from .loading import plan, with_dtypes
from .read.layout import Reader
from .report import Asked, Report, weight_files
from .request import WrongUse
from .rule import Rule, rules
from .subjects import Component, Pipeline, Problem, Request, Subject, walk
from .subjects.shown import Event, Run, Tried


def judge(pipeline: Pipeline | None, problems: Iterable[Problem], known: Knowledge) -> list[Finding]:
    """Every finding of every registered rule about one pipeline and the problems of its files, unsorted."""
    return _judge((*problems, *(walk(pipeline) if pipeline else ())), pipeline, known)


def judge_run(run: Run, known: Knowledge) -> list[Finding]:
    """Every finding of every registered rule about a run and what happened in it by nobody's design, unsorted."""
    return _judge((run, *run.unasked), run.pipeline, known)


def _judge(subjects: Iterable[Subject | Run | Event], pipeline: Pipeline | None, known: Knowledge) -> list[Finding]:
    checks.load()
    asked: dict[type, list[Rule]] = {}
    for rule in rules():
        for kind in rule.wants:
            asked.setdefault(kind, []).append(rule())
    found: list[Finding] = []
    for subject in subjects:
        for check in asked.get(type(subject), ()):
            for finding in check.check(subject, known):
                found.append(_about(finding, pipeline, subject if isinstance(subject, Component) else None))
    return found


def report_runs(
    ran: Iterable[Run], known: Knowledge, request: Request, label: str = "", matrix: Mapping[str, tuple[Tried, ...]] | None = None
) -> Report:
    """The report on runs of one target: their pipelines, what the rules on runs say, and the dtype plans that were tried.

    matrix: per pipeline path. A crash, what was promoted and why a run is undecided become findings; what the files say is
    a scan's matter.
    """
    given = tuple(ran)
    findings = [finding for one in given for finding in judge_run(one, known)]
    seen: Counter[str] = Counter(rehearsals=sum(one.how == "rehearsed" for one in given) + sum(map(len, (matrix or {}).values())))
    kept: dict[str, Pipeline] = {}
    light: list[Run] = []
    for one in given:
        if one.pipeline is not None and one.pipeline.path not in kept:
            kept[one.pipeline.path] = one.pipeline.light()
            seen += _seen(one.pipeline)
        light.append(replace(one, pipeline=one.pipeline and kept[one.pipeline.path]))
    found = tuple(sorted(fingerprinted(findings), key=lambda finding: finding.key))
    return Report(found, tuple(kept.values()), +seen, request, label=label, runs=tuple(light), matrix=matrix or {})


def _about(finding: Finding, pipeline: Pipeline | None, component: Component | None) -> Finding:
    """The finding with the names of what it is about: the component it came from, or the one whose folder it points into."""
    if pipeline is None:
        return finding
    if component is None and not finding.component:
        path = finding.where.path + "/"
        inner = [c for c in pipeline.components if c.path and path.startswith(c.path + "/")]
        component = inner[0] if inner else pipeline.named(finding.where.at.lstrip("/"))
    return replace(finding, pipeline=pipeline.path, component=finding.component or (component.name if component else ""))


def scan(
    files: Files, request: Request, known: Knowledge, adapters: Iterable[Files] = (), told: Callable[[str], None] | None = None
) -> Report:
    """Everything that a header scan says about one place. told: called with the path of each pipeline, for progress."""
    given, findings = _adapters(adapters, known)
    pipelines: list[Pipeline] = []
    seen: Counter[str] = Counter()
    asked: dict[str, Mapping[DType, Mapping[str, Asked]]] = {}
    sound: dict[str, frozenset[DType]] = {}
    for reading in Reader(files, known).readings():
        pipeline = reading.pipeline
        seen["files"] += reading.files
        if pipeline is not None:
            if told:
                told(pipeline.path)
            used = replace(pipeline, adapters=given) if pipeline.kind != "adapter" else pipeline
            pipeline = plan(used, _for(pipeline, request), known)
            pipelines.append(pipeline.light())
            seen += _seen(pipeline)
            asked[pipeline.path] = _asked(pipeline, known)
            sound[pipeline.path] = frozenset(dtype for dtype in asked[pipeline.path] if runs(pipeline, {"": dtype}, known))
        findings += judge(pipeline, reading.problems, known)
    found = tuple(sorted(fingerprinted(findings), key=lambda finding: finding.key))
    return Report(found, tuple(pipelines), +seen, request, asked, files.label, sound)


def _adapters(adapters: Iterable[Files], known: Knowledge) -> tuple[tuple[Component, ...], list[Finding]]:
    """What the adapters given with the target consist of, and what is wrong with their files."""
    components: list[Component] = []
    findings: list[Finding] = []
    for files in adapters:
        before = len(components) + len(findings)
        for reading in Reader(files, known).readings():
            components += reading.pipeline.components if reading.pipeline else ()
            findings += judge(None, reading.problems, known)
        if len(components) + len(findings) == before:
            raise WrongUse(f"{files.label}: an adapter without weights")
    return tuple(components), findings


def _for(pipeline: Pipeline, request: Request) -> Request:
    """The request as this pipeline understands it: names of components mean something only in a pipeline that has them."""
    named = {name: dtype for name, dtype in request.dtypes.items() if not name or pipeline.named(name)}
    if request.dtypes and "" not in named:
        named[""] = F32
    dropped: tuple[str, ...] = ()
    if pipeline.kind == "single-file" and any(request.dtypes):
        # from_single_file takes no dict: it warns and loads all in float32 (diffusers loaders/single_file.py:370)
        named, dropped = {"": F32}, tuple(filter(None, request.dtypes))
    variant = request.variant if pipeline.kind in ("pipeline", "component", "model") else None
    return replace(request, dtypes=named, variant=variant, dropped=dropped)


def _asked(pipeline: Pipeline, known: Knowledge) -> Mapping[DType, Mapping[str, Asked]]:
    if pipeline.kind == "adapter":
        return {}
    plans = {dtype: with_dtypes(pipeline, {"": dtype}, known) for dtype in USUAL}
    return {
        dtype: {c.name: Asked(c.loads().counts, c.loads().nbytes) for c in planned.components} for dtype, planned in plans.items()
    }


def _seen(pipeline: Pipeline) -> Counter[str]:
    files = weight_files(pipeline)
    return Counter(
        {
            "pipelines": 1,
            "components": len(pipeline.components),
            "tensors": sum(sum(file.dtypes.values()) for file in files),
            "bytes": sum(file.nbytes for file in files),
        }
    )
