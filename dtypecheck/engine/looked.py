"""Which rules could have said something, by what was looked at: only of those can it be told that an ignore of them is unused.

What a rule needs to be told stands on its page: where every bad example names a device, a rule says nothing without one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from ..report import Report
from ..rule import Rule, find, matching, nearest, page
from ..subjects import Problem, Request
from ..subjects.scripts import Call, Script
from ..subjects.shown import Event, Run
from ..subjects.values import Survey, Values

_KINDS: Final = {
    Script: "scripts", Call: "scripts", Run: "runs", Event: "runs", Survey: "values", Values: "values", Problem: "problems"
}  # fmt: skip
_OPTIONS: Final = ("device", "dtype", "variant", "adapter", "policy", "stale", "interrupted")


def looked_at(report: Report) -> frozenset[str]:
    """Of files, scripts, values and runs what a report is about; of values also how closely they were looked at."""
    found = {"files"} if report.seen["files"] and report.pipelines else set[str]()
    found |= {"scripts"} if report.seen["scripts"] else set()
    found |= {"values", *(survey.depth for survey in report.values)} if report.values else set()
    found |= {"runs"} if report.runs or report.matrix else set()
    return frozenset(found | ({"problems"} if found else set()))


def paths_of(report: Report) -> frozenset[str]:
    """The paths that a report says something about: of its pipelines and their parts and files, of scripts and of findings."""
    found = {finding.where.path for finding in report.findings} | {file.path for file in report.files} | set(report.roots) - {""}
    for pipeline in report.pipelines:
        parts = [f"{pipeline.root}/{part.path}" if pipeline.root else part.path for part in pipeline.components]
        found |= {pipeline.path, *parts, *(f"{part}/config.json" for part in parts)}
    return frozenset(found)


def about_scripts(code: str) -> bool:
    """Whether a rule ever looks at scripts."""
    return bool(_kinds(_rule(code)) & {"scripts", "problems"})


def about_runs(code: str) -> bool:
    """Whether a rule looks at runs."""
    rule = find(code)
    return rule is not None and "runs" in _kinds(rule)


def could_fire(code: str, kinds: Collection[str], request: Request, linked: bool = True) -> bool:
    """Whether a rule could have said something. kinds: what was looked at; linked: each model in scripts is known."""
    rule = _rule(code)
    needed = _needs(rule)
    given = {
        "device": bool(request.device),
        "dtype": bool(request.dtypes),
        "variant": bool(request.variant),
        "model": linked,
        "full": "full" in kinds,
    }
    return bool(_kinds(rule) & set(kinds)) and all(given.get(need, False) for need in needed)


def unused(words: Iterable[str], matched: Callable[[str], bool], fires: Callable[[str], bool]) -> list[tuple[str, str]]:
    """The words of an ignore that name no rule, or mute nothing, each with what is to be told of it.

    matched: whether a word muted something; fires: whether a rule could have said something.
    """
    told: list[tuple[str, str]] = []
    for word in words:
        meant = matching(word)
        if not meant:
            near = nearest(word)
            told.append((word, f"no rule is called {word!r}" + (f"; the nearest is {near}" if near else "")))
        elif not matched(word) and any(map(fires, meant)):
            told.append((word, f"the ignore of {word} mutes nothing"))
    return told


def _rule(code: str) -> type[Rule]:
    rule = find(code)
    assert rule is not None, code  # noqa: S101 - codes come from the registry
    return rule


def _kinds(rule: type[Rule]) -> frozenset[str]:
    return frozenset(_KINDS.get(kind, "files") for kind in rule.wants)


def _needs(rule: type[Rule]) -> frozenset[str]:
    """What stands in every bad example of a rule's page: options, and a model's files beside a script."""
    found = [
        {name for name in _OPTIONS if f"--{name} " in text}
        | ({"full"} if "--values full" in text else set())
        | ({"model"} if "scripts" in _kinds(rule) and ".safetensors: " in text else set())
        for text in page(rule).bad
    ]
    return frozenset(set.intersection(*found)) if found else frozenset()
