"""Each subject to the rules that ask for its type: the road from a target's files to a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from . import checks
from .checks.files.load_fails import LoadFails
from .checks.ranks import are_ranks, together
from .checks.reading.broken_json import BrokenJson
from .checks.what_if import runs
from .dtypes import F32, USUAL, DType
from .files import Files
from .findings import Finding, fingerprinted
from .knowledge import Knowledge
from .loading import plan, with_dtypes
from .read.layout import Reader, Reading
from .read.runs import read_runs
from .report import Asked, Report, weight_files
from .request import WrongUse
from .rule import Rule, rules
from .subjects import Component, Config, Pipeline, Problem, Request, Subject, walk
from .subjects.scripts import Call, Script
from .subjects.shown import Event, Run, Tried
from .subjects.values import Depth, Survey, Values

Look = Callable[[Pipeline], tuple[Survey, tuple[Problem, ...]]]


def judge(pipeline: Pipeline | None, problems: Iterable[Problem], known: Knowledge) -> list[Finding]:
    """Every finding of every registered rule about one pipeline and the problems of its files, unsorted."""
    return _judge((*problems, *(walk(pipeline) if pipeline else ())), pipeline, known)


def judge_values(survey: Survey, problems: Iterable[Problem], known: Knowledge) -> list[Finding]:
    """Every finding of every registered rule about the numbers of a pipeline, and what went wrong reading them, unsorted."""
    return _judge((*problems, *survey.walk()), survey.pipeline, known)


def judge_run(run: Run, known: Knowledge) -> list[Finding]:
    """Every finding of every registered rule about a run and what happened in it by nobody's design, unsorted."""
    return _judge((run, *run.unasked), run.pipeline, known)


def judge_script(script: Script | None, problems: Iterable[Problem], known: Knowledge) -> list[Finding]:
    """Every finding of every registered rule about a script and its calls, and what went wrong reading it, unsorted.

    A call in a function is come by as often as that is called: what is found there is told once.
    """
    found = _judge((*problems, *(script.walk() if script else ())), None, known)
    return list({(finding.code, finding.where, finding.component): finding for finding in reversed(found)}.values())[::-1]


def _judge(
    subjects: Iterable[Subject | Run | Event | Survey | Values | Script | Call], pipeline: Pipeline | None, known: Knowledge
) -> list[Finding]:
    checks.load()
    asked = _by_kind(rules())
    found: list[Finding] = []
    for subject in subjects:
        for check in asked.get(type(subject), ()):
            for finding in check.check(subject, known):
                found.append(_about(finding, pipeline, _component_of(subject)))
    return found


@lru_cache(maxsize=2)
def _by_kind(listed: tuple[type[Rule], ...]) -> Mapping[type, list[Rule]]:
    """The rules by the subjects they ask for."""
    asked: dict[type, list[Rule]] = {}
    for rule in listed:
        for kind in rule.wants:
            asked.setdefault(kind, []).append(rule())
    return asked


def _component_of(subject: Subject | Run | Event | Survey | Values | Script | Call) -> Component | None:
    match subject:
        case Component():
            return subject
        case Values(component=component):
            return component
    return None


def planned(files: Files, request: Request, known: Knowledge) -> Iterator[Pipeline]:
    """Every pipeline of one place with its load plan, whole: what a rehearsal begins with."""
    return (reading.pipeline for reading in readings(files, request, known) if reading.pipeline is not None)


def readings(files: Files, request: Request, known: Knowledge, adapters: tuple[Component, ...] = ()) -> Iterator[Reading]:
    """What is read of one place, a pipeline at a time, each with its load plan. adapters: what is used with them."""
    for reading in Reader(files, known).readings():
        pipeline = reading.pipeline
        if pipeline is not None:
            used = replace(pipeline, adapters=adapters) if pipeline.kind != "adapter" else pipeline
            reading = replace(reading, pipeline=plan(used, asked_of(pipeline, request), known))
        yield reading


def report_runs(
    ran: Iterable[Run],
    known: Knowledge,
    request: Request,
    label: str = "",
    matrix: Mapping[str, tuple[Tried, ...]] | None = None,
    pipelines: Iterable[Pipeline] = (),
) -> Report:
    """The report on runs: their pipelines (and further `pipelines`), what the rules on runs say, and the dtype plans tried.

    matrix: per pipeline path. What the files say is left to a scan. Several watched runs of one script in processes of their
    own are judged together.
    """
    matrix = matrix or {}
    given, kept, seen = tuple(ran), dict[str, Pipeline](), Counter[str]()
    asked: dict[str, Mapping[DType, Mapping[str, Asked]]] = {}
    sound: dict[str, frozenset[DType]] = {}
    watched = [run for run in given if run.how == "watched"]
    for pipeline in (*(run.pipeline for run in given), *pipelines):
        if pipeline is not None and pipeline.path not in kept:
            kept[pipeline.path] = _with_settings(pipeline) if watched else pipeline.light()
            seen += _seen(pipeline)
            asked[pipeline.path] = _asked(pipeline, known)
            sound[pipeline.path] = frozenset(dtype for dtype in asked[pipeline.path] if runs(pipeline, {"": dtype}, known))
    seen["rehearsals"] = sum(run.how == "rehearsed" for run in given) + sum(map(len, matrix.values()))
    seen["watched"] = sum(_saw(run) for run in watched)
    seen["modules"] = sum(len(run.modules) for run in watched)
    judged = [(run, judge_run(run, known)) for run in given]
    findings = together(judged) if are_ranks(given) else [finding for _, made in judged for finding in made]
    found = tuple(sorted(fingerprinted(findings), key=lambda finding: finding.key))
    runs_of = tuple(replace(run, pipeline=run.pipeline and kept[run.pipeline.path]) for run in given)
    return Report(found, tuple(kept.values()), +seen, request, asked, label, sound, runs_of, matrix)


def _saw(run: Run) -> bool:
    """True for a watched run in which there was something to look at."""
    return bool(run.modules or run.steps or run.crash or run.pictures or run.producers or run.events)


def _with_settings(pipeline: Pipeline) -> Pipeline:
    """What a report keeps of a pipeline that was watched: its settings too, by which the run is judged again later."""
    light = pipeline.light()
    pairs = zip(light.components, pipeline.components, strict=True)
    parts = tuple(replace(new, config=old.config and Config(old.config.path, old.config.data)) for new, old in pairs)
    return replace(light, components=parts)


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
            seen += _seen(pipeline)
            asked[pipeline.path] = _asked(pipeline, known)
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
        from .read.values.survey import Surveyor
    except ImportError as fault:
        raise WrongUse(f"--values needs {fault.name}: pip install {fault.name}") from None
    return Surveyor(files, depth, told, up_to).survey


def scan_runs(files: Files, request: Request, known: Knowledge) -> Report | None:
    """The runs that a report of `watch` holds, judged again; None for a place that is no such file."""
    entry = next(iter(files.entries()), None)
    found = read_runs(files, entry) if entry else None
    if found is None:
        return None
    ran, problems = found
    report = report_runs(ran, known, request, files.label)
    broken = fingerprinted(judge(None, problems, known))
    return replace(report, findings=(*report.findings, *broken), seen=report.seen + Counter(files=1))


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
    codes = (LoadFails.code, BrokenJson.code)
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
