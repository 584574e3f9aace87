"""What else a report knows: the tensors that met at the crash, dtype plans, casts, what could not be seen, versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from .. import __version__
from ..checks.shown import dtype_plan
from ..checks.words import size
from ..report import Report
from ..subjects.shown import Event, Tried
from .html_numbers import linked
from .html_places import Part
from .html_tags import Html, path, prose, table, tag
from .html_words import NOTHING
from .words import plural, requests
from .words_runs import answer, remark

MOST: Final = 200
"""Casts that are listed."""


def crash(part: Part, level: int) -> Html:
    """The tensors that met where the run stopped, each with who brought it."""
    stopped = part.run.crash if part.run else None
    if stopped is None or not (stopped.operands or stopped.why or stopped.remedy):
        return Html()
    rows = [(o.role, o.dtype.short, path(o.made or NOTHING), path(o.where or NOTHING)) for o in stopped.operands]
    title = f"What met in {stopped.module or stopped.glue or 'the pipeline'}"
    words = stopped.message or stopped.operator or "The tensors that met"
    met = table(("what", "dtype", "from", "made at"), rows, words, told=True) if rows else ""
    asides = [tag("p", prose(words)) for words in (stopped.why, stopped.remedy) if words]
    return tag("section", tag(f"h{level}", title), met, *asides)


def plans(part: Part, report: Report, level: int) -> Html:
    """The dtype plans that were tried: a whole matrix, or the remedies of a crash; and what the usual requests would give."""
    tried: Sequence[Tried] = part.run.remedies if part.run else ()
    if part.pipeline and part.pipeline.path in report.matrix:
        tried = report.matrix[part.pipeline.path]
    said = requests(part.pipeline, report).strip() if part.pipeline and not part.pipeline.request.dtypes else ""
    rows = [
        (dtype_plan(one.dtypes), answer(one), size(one.weight_bytes) if one.weight_bytes else NOTHING, remark(one))
        for one in tried
    ]
    shown = table(("dtype plan", "runs", "weights", "remarks"), rows, "Dtype plans that were rehearsed") if rows else ""
    aside = tag("p", said, class_="asked") if said else Html()
    return tag("section", tag(f"h{level}", "Dtype plans"), shown, aside) if shown else aside


def casts(part: Part, level: int) -> Html:
    """Every place where a dtype changed that nobody asked for, and how many a library brings about by design."""
    run = part.run
    if run is None or not run.events:
        return Html()
    designed = [event for event in run.events if event.by_design]
    rows = [_cast(event, part) for event in run.unasked[:MOST]]
    left = len(run.unasked) - len(rows)
    inside = [
        table(("what", "module", "dtypes", "brought by", "times"), rows, "Not asked for") if rows else "",
        tag("p", f"and {plural(left, 'place')} more") if left > 0 else "",
        tag("p", f"By design of the libraries: {_times(designed)} in {plural(len({e.module for e in designed}), 'module')}.")
        if designed
        else "",
    ]
    return tag("section", tag(f"h{level}", "Casts and mixtures"), *inside)


def _times(events: Iterable[Event]) -> str:
    return plural(sum(event.times for event in events), "cast")


def _cast(event: Event, part: Part) -> tuple[str, ...]:
    change = " + ".join(dtype.short for dtype in event.dtypes) + (f" → {event.to.short}" if event.to else "")
    return event.kind, linked(event.module, part), change or NOTHING, event.by or NOTHING, f"{event.times:,}"


def limits(part: Part, level: int) -> Html:
    """What could not be seen, what stood in for something, what was not written."""
    run = part.run
    if run is None:
        return Html()
    lists = (
        ("What could not be seen", run.limits),
        ("Stood in for", run.substituted),
        ("Not written", run.written),
    )
    return Html("".join(tag("section", tag(f"h{level}", title), _list(words)) for title, words in lists if words))


def _list(words: Iterable[str]) -> Html:
    return tag("ul", *(tag("li", word) for word in words))


def about(report: Report) -> Html:
    """With which versions, on which device, how the call was made: one line each."""
    lines = [f"{name} {version} ({source})" for name, version, source in report.request.libraries]
    devices = dict.fromkeys([run.device for run in report.runs] + [report.request.device] * bool(report.request.device))
    facts = [
        ("device", ", ".join(name for name in devices if name)),
        ("asked for", ", ".join(f"{name}={d.short}" if name else d.short for name, d in report.request.dtypes.items())),
        ("variant", report.request.variant or ""),
        ("called", "; ".join(dict.fromkeys(run.called for run in report.runs if run.called))),
        ("processes", ", ".join(f"rank {rank}" for run in report.runs for rank in run.ranks)),
        ("libraries", ", ".join(lines)),
        ("written by", f"dtypecheck {__version__}"),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", words)) for name, words in facts if words), class_="about")
