"""The report as one HTML file: no network, readable without a script, on a phone, in the dark and on paper.

`compact` is the part of it that a notebook shows.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Final

from ..report import Report
from .html_asides import about, casts, crash, limits, plans
from .html_chart import chart
from .html_findings import findings
from .html_fix import fix
from .html_frame import head, read, style
from .html_map import blocks
from .html_modules import modules
from .html_numbers import numbers
from .html_places import Part, parts_of
from .html_tags import Html, prose, tag, text
from .options import Look, Out
from .words import heading, verdict
from .words_runs import verdicts
from .words_watch import watched_runs

CARDS: Final = 12
"""Findings that a notebook shows."""
DARK: Final = "body[data-jp-theme-light=false] .dtypecheck, body.vscode-dark .dtypecheck, html[theme=dark] .dtypecheck"
"""How JupyterLab, VS Code and Colab say that they are dark, whatever the system prefers."""


def render(report: Report, out: Out, look: Look) -> None:
    """The whole page; it is the same at every verbosity, what is long is folded."""
    out.write(page(report) + "\n")


def page(report: Report) -> str:
    """A complete document, whose policy forbids it to load anything or to run any other script than its own."""
    first, *others = _verdicts(report)
    unseen = [tag("li", prose(words)) for words in report.gate.unchecked] if report.gate else []
    script = read("html.js")
    top = tag(
        "header",
        tag("p", f"dtypecheck{f' · {report.label}' if report.label else ''}", class_="faint"),
        tag("h1", prose(first)),
        *(tag("p", prose(words), class_="verdict") for words in others),
        tag("p", "Not checked:", class_="verdict", id="unchecked") if unseen else "",
        tag("ul", *unseen, aria_labelledby="unchecked") if unseen else "",
        class_=f"top {_colour(report)}",
    )
    skip = tag("a", "To the findings", href="#findings", class_="skip") if report.findings else ""
    body = tag("main", *_sections(report), id="report")
    foot = tag("footer", about(report))
    end = tag("script", Html(f"\n{script}"))
    whole = tag(
        "html", head(f"dtypecheck: {first}", script), tag("body", skip, top, body, foot, end, class_="dtypecheck"), lang="en"
    )
    return f"<!DOCTYPE html>\n{whole}"


def compact(report: Report) -> str:
    """The verdict, the map, the findings and the chart: what stands under a cell of a notebook. Without a script."""
    first, *others = _verdicts(report)
    front = f"d{sha256(repr((first, others, report.counted)).encode('utf-8', 'backslashreplace')).hexdigest()[:8]}-"
    parts = parts_of(report, front, tabled=False)
    said = tag("p", tag("b", first), class_=f"top {_colour(report)}")
    inside = [said, *(tag("p", words, class_="verdict") for words in others)]
    inside += [blocks(part, front) for part in parts]
    inside.append(findings(report, parts, front, 3, CARDS))
    inside += [chart(part, front) for part in parts]
    return tag("div", tag("style", Html(style("", DARK))), *inside, class_="dtypecheck inside")


def _verdicts(report: Report) -> tuple[str, ...]:
    """The verdict of a watched run without what it says of notes and limits that only -v would show: here they are.

    That of a gate stands before what was found.
    """
    if report.gate:
        return f"{report.gate.verdict}: {report.gate.because}", verdict(report)
    if not watched_runs(report):
        return verdicts(report)
    loud = tuple(finding for finding in report.findings if finding.severity != "note")
    return verdicts(replace(report, findings=loud, runs=tuple(replace(run, limits=()) for run in report.runs)))


def _colour(report: Report) -> str:
    """What the verdict is coloured as: a gate's by its own words."""
    if report.gate:
        return {"deploy": "ok", "not proven": "warning", "do not deploy": "error"}[report.gate.verdict]
    return report.worst or "ok"


def _sections(report: Report) -> list[Html]:
    """With one thing to tell of, the findings stand between its map and its chart; with many, before them all."""
    parts = parts_of(report)
    one = len(parts) == 1
    found = findings(report, parts, "", 2)
    sections = [fix(report)] if report.fix else []
    sections += [] if one else [found]
    for number, part in enumerate(parts):
        upper = (tag("h2", _heading(part, report, number == 0)), blocks(part, ""))
        lower = (
            crash(part, 2 + (not one)),
            chart(part, ""),
            numbers(part, 2 + (not one)),
            plans(part, report, 2 + (not one)),
            modules(part, "", 2 + (not one)),
            casts(part, 2 + (not one)),
            limits(part, 2 + (not one)),
        )
        sections += [tag("section", *upper), found, *lower] if one else [tag("section", *upper, *lower)]
    return sections


def _heading(part: Part, report: Report, first: bool) -> Html:
    run, pipeline = part.run, part.pipeline
    how = f"{run.how} on {run.device}" if run else "loaded"
    if pipeline is None:
        name = (run.script or run.variable) if run else ""
        return text(f"{name or report.label or 'the run'}   {how}")
    if pipeline.path in report.matrix:
        device = report.request.device or pipeline.request.device
        return text(heading(pipeline, report.label or ".", first, f"rehearsed{f' on {device}' if device else ''}", ""))
    return text(heading(pipeline, report.label or ".", first, how))
