"""What a gate did not look at, or could not decide, and whether that leaves its verdict open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..checks.words import size
from ..read.values.reasons import TOO_LARGE
from ..report import Report
from ..subjects import Pipeline
from ..subjects.shown import OWN_CODE

Kind = Literal["rehearsal", "run", "values", "weights", "scripts"]
"""The kinds of evidence, config.CHECKS."""


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that was not seen. text: what, and why. open: without it nothing is proven.

    of: the fingerprint of the note that tells it too; with that muted, or its rule left out, it is settled.
    """

    kind: Kind
    text: str
    open: bool = True
    of: str = ""


def missing_of(report: Report, scripts: tuple[str, ...], why_not: dict[Kind, str]) -> tuple[Missing, ...]:
    """What the report on a gate's targets leaves open.

    scripts: those that were given. why_not: why the rehearsal and the numbers were not looked at all, where they were not.
    """
    seen = (_rehearsal(report, why_not), _weights(report), _values(report, why_not), _scripts(report, scripts))
    return tuple(dict.fromkeys(gap for gaps in (*seen, _vaes(report), _run(report)) for gap in gaps))


def _rehearsal(report: Report, why_not: dict[Kind, str]) -> Iterator[Missing]:
    rehearsed = [run for run in report.runs if run.how == "rehearsed"]
    if not rehearsed and report.pipelines:
        yield Missing("rehearsal", f"it was not rehearsed: {why_not.get('rehearsal', 'there was nothing to rehearse')}")
    for pipeline in _left_out(report) if rehearsed else ():
        why = why_not.get("rehearsal", "only one model of a folder is")
        yield Missing("rehearsal", f"{pipeline.path} was not rehearsed: {why}")
    for run in rehearsed:
        if run.verdict == "unknown":
            of = run.script or (run.pipeline.path if run.pipeline else "")
            place = run.module or run.component
            where = f" in {place}" if place and place not in run.reason else ""
            name = f" of {of}" if of not in ("", ".") else ""
            yield Missing("rehearsal", f"the rehearsal{name} ended undecided{where}: {run.reason}")
        for stand_in in run.substituted if run.verdict == "runs" else ():
            if OWN_CODE in stand_in:
                yield Missing("rehearsal", f"what stood in for a part is not what is loaded: {stand_in}")


def _left_out(report: Report) -> Iterator[Pipeline]:
    """The models that were not rehearsed while others were; what lies in a pipeline's folder is no model of its own."""
    done = {run.pipeline.path for run in report.runs if run.pipeline}
    whole = {pipeline.root: pipeline for pipeline in report.pipelines if pipeline.path in (pipeline.root or ".", "")}
    for pipeline in report.pipelines:
        if pipeline.kind != "adapter" and pipeline.path not in done and whole.get(pipeline.root, pipeline) is pipeline:
            yield pipeline


def _weights(report: Report) -> Iterator[Missing]:
    """Parts without weights, and models of scripts that are not here."""
    for finding in report.findings:
        if finding.name == "weights-missing":
            yield Missing("weights", f"{finding.where.path}: {finding.message}")
    for name in report.unlinked:
        offers = f"--model {name}=DIR names its folder, --online asks the Hub"
        yield Missing("weights", f"{name}, which a script loads, was not seen: {offers}")


def _values(report: Report, why_not: dict[Kind, str]) -> Iterator[Missing]:
    if "values" in why_not:
        yield Missing("values", f"the numbers were not looked at: {why_not['values']}")
    sizes = {file.path: file.nbytes for file in report.files}
    unread: dict[str, dict[str, int]] = {}
    for survey in report.values:
        root = f"{survey.pipeline.root}/" if survey.pipeline.root else ""
        for place, why in (pair for values in survey.values for counted in values.sets for pair in counted.unread):
            unread.setdefault(why, {})[root + place] = sizes.get(root + place, 0)
    for why, places in unread.items():
        first, more = next(iter(places)), f" and {len(places) - 1} more" if len(places) > 1 else ""
        if why.startswith(TOO_LARGE):
            text = f"{first}{more} ({size(sum(places.values()))}): {why}; --values-up-to reads it"
            yield Missing("values", f"the numbers were not read of {text}", open=False)
        else:
            yield Missing("values", f"the numbers were not seen of {first}{more}: {why}")


def _scripts(report: Report, scripts: tuple[str, ...]) -> Iterator[Missing]:
    unparsed = {finding.where.path for finding in report.findings if finding.name == "broken-script"}
    for path in scripts:
        if path in unparsed:
            yield Missing("scripts", f"{path} cannot be parsed")
    loaded = [load for load in report.loaded if not load.adapter]
    if scripts and not (report.pipelines or report.runs or loaded or report.unlinked):
        yield Missing("weights", "no model was looked at: its folder stands beside the scripts")
    if scripts and not unparsed and not report.seen["calls"]:
        yield Missing("scripts", f"{' and '.join(scripts)}: nothing about models was found in it")


def _vaes(report: Report) -> Iterator[Missing]:
    """A VAE of which nobody knows whether its pictures are black in fp16, unless somebody has looked at some."""
    if any(run.how == "watched" and run.pictures for run in report.runs):
        return
    for finding in report.findings:
        if finding.name == "vae-not-known":
            yield Missing("run", f"{finding.where.path}: {finding.message}, and no picture was looked at", of=finding.fingerprint)


def _run(report: Report) -> Iterator[Missing]:
    if not any(run.how == "watched" for run in report.runs):
        yield Missing(
            "run", "no picture was looked at; dtypecheck watch -o run.json SCRIPT makes a run that shows them", open=False
        )
