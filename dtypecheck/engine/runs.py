"""Runs to the rules: the road from what was rehearsed or watched to a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..checks.ranks import are_ranks, together
from ..checks.what_if import runs
from ..dtypes import DType
from ..files import Files
from ..findings import fingerprinted
from ..knowledge import Knowledge
from ..read.runs import read_runs
from ..report import Asked, Report
from ..subjects import Config, Pipeline, Request
from ..subjects.shown import Run, Tried
from .judging import judge, judge_run
from .models import by_request, seen_of


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
            seen += seen_of(pipeline)
            asked[pipeline.path] = by_request(pipeline, known)
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
