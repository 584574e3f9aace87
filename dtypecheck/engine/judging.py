"""Each subject to the rules that ask for its type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache

from .. import checks
from ..findings import Finding
from ..knowledge import Knowledge
from ..rule import Rule, rules
from ..subjects import Component, Pipeline, Problem, Subject, walk
from ..subjects.scripts import Call, Script
from ..subjects.shown import Event, Run
from ..subjects.values import Survey, Values


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


def _about(finding: Finding, pipeline: Pipeline | None, component: Component | None) -> Finding:
    """The finding with the names of what it is about: the component it came from, or the one whose folder it points into."""
    if pipeline is None:
        return finding
    if component is None and not finding.component:
        path = finding.where.path + "/"
        inner = [c for c in pipeline.components if c.path and path.startswith(c.path + "/")]
        component = inner[0] if inner else pipeline.named(finding.where.at.lstrip("/"))
    return replace(finding, pipeline=pipeline.path, component=finding.component or (component.name if component else ""))
