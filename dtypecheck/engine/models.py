"""Models to the rules: the road from the files of one place to a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from ..checks.files.class_not_there import ClassNotThere
from ..checks.files.load_fails import LoadFails
from ..checks.reading.broken_json import BrokenJson
from ..checks.what_if import runs
from ..dtypes import F32, USUAL, DType
from ..files import Files, source_of
from ..findings import Finding, fingerprinted
from ..knowledge import Knowledge
from ..loading import plan, with_dtypes
from ..read.layout import Reader, Reading
from ..report import Asked, Report, weight_files
from ..request import WrongUse
from ..subjects import Component, Pipeline, Problem, Request
from ..subjects.values import Depth, Survey
from .judging import judge, judge_values

Look = Callable[[Pipeline], tuple[Survey, tuple[Problem, ...]]]


def planned(files: Files, request: Request, known: Knowledge) -> Iterator[Pipeline]:
    """Every pipeline of one place with its load plan, whole: what a rehearsal begins with."""
    return (reading.pipeline for reading in readings(files, request, known) if reading.pipeline is not None)


def readings(files: Files, request: Request, known: Knowledge, adapters: tuple[Component, ...] = ()) -> Iterator[Reading]:
    """What is read of one place, a pipeline at a time, each with its load plan. adapters: what is used with them."""
    for reading in Reader(files, known).readings():
        pipeline = reading.pipeline
        if pipeline is not None:
            used = replace(pipeline, adapters=adapters if pipeline.kind != "adapter" else (), source=source_of(files))
            reading = replace(reading, pipeline=plan(used, asked_of(pipeline, request), known))
        yield reading


def scan(
    files: Files,
    request: Request,
    known: Knowledge,
    adapters: Iterable[Files] = (),
    told: Callable[[str], None] | None = None,
    values: Depth | None = None,
    problems: Iterable[Problem] = (),
    up_to: int | None = None,
) -> Report:
    """Everything that a header scan says about one place. told: called with the path of each pipeline, for progress.

    problems: what is known to be wrong with it beforehand. values: look at the numbers too, how closely. up_to: only at those
    that will be loaded, in files of at most so many bytes, and not in skeletons.

    errors: WrongUse where numpy is missing for that.
    """
    look = _surveyor(files, values, told, up_to) if values else None
    given, findings = _adapters(adapters, known)
    findings += judge(None, problems, known)
    made = report_readings(readings(files, request, known, given), request, known, findings, told, look)
    return replace(made, label=files.label)


def report_readings(
    read: Iterable[Reading],
    request: Request,
    known: Knowledge,
    found: Iterable[Finding] = (),
    told: Callable[[str], None] | None = None,
    look: Look | None = None,
) -> Report:
    """The report on what was read of one place. found: beforehand; look: at the numbers of a pipeline, with what went wrong."""
    findings = list(found)
    surveys: list[Survey] = []
    pipelines: list[Pipeline] = []
    seen: Counter[str] = Counter()
    asked: dict[str, Mapping[DType, Mapping[str, Asked]]] = {}
    sound: dict[str, frozenset[DType]] = {}
    for reading in read:
        pipeline = reading.pipeline
        seen["files"] += reading.files
        if pipeline is not None:
            if told:
                told(pipeline.path)
            pipelines.append(pipeline.light())
            seen += seen_of(pipeline)
            asked[pipeline.path] = by_request(pipeline, known)
            sound[pipeline.path] = frozenset(dtype for dtype in asked[pipeline.path] if runs(pipeline, {"": dtype}, known))
            if look:
                survey, unread = look(pipeline)
                findings += judge_values(survey, unread, known)
                surveys.append(survey.light(pipelines[-1]))
                seen["numbers"] += survey.elements
        findings += judge(pipeline, reading.problems, known)
    sorted_found = tuple(sorted(fingerprinted(findings), key=lambda finding: finding.key))
    return Report(sorted_found, tuple(pipelines), +seen, request, asked, sound=sound, values=tuple(surveys))


def _surveyor(files: Files, depth: Depth, told: Callable[[str], None] | None, up_to: int | None) -> Look:
    try:
        from ..read.values.survey import Surveyor
    except ImportError as fault:
        raise WrongUse(f"--values needs {fault.name}: pip install {fault.name}") from None
    return Surveyor(files, depth, told, up_to).survey


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


def stopping(pipeline: Pipeline, problems: Iterable[Problem], known: Knowledge) -> tuple[Finding, ...]:
    """What keeps a planned pipeline from being loaded under its request, and which JSON files cannot be read.

    What the weights lack is no matter of a rehearsal.
    """
    codes = (LoadFails.code, ClassNotThere.code, BrokenJson.code)
    stops = [finding for finding in judge(pipeline, problems, known) if finding.code in codes]
    return tuple(sorted(fingerprinted(stops), key=lambda finding: finding.key))


def asked_of(pipeline: Pipeline, request: Request) -> Request:
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


def by_request(pipeline: Pipeline, known: Knowledge) -> Mapping[DType, Mapping[str, Asked]]:
    if pipeline.kind == "adapter":
        return {}
    plans = {dtype: with_dtypes(pipeline, {"": dtype}, known) for dtype in USUAL}
    return {
        dtype: {c.name: Asked(c.loads().counts, c.loads().nbytes) for c in planned.components} for dtype, planned in plans.items()
    }


def seen_of(pipeline: Pipeline) -> Counter[str]:
    files = weight_files(pipeline)
    return Counter(
        {
            "pipelines": 1,
            "components": len(pipeline.components),
            "tensors": sum(sum(file.dtypes.values()) for file in files),
            "bytes": sum(file.nbytes for file in files),
        }
    )
