"""Fleets that the tests of their tables look at: rows of reports made by hand, and of the fixtures as they are scanned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from dtypecheck.api import scan
from dtypecheck.findings import Finding, Where
from dtypecheck.fleet.rows import judged, read_line, unjudged
from dtypecheck.fleet.tally import Tally
from dtypecheck.render.html_fleet import Page
from dtypecheck.render.json import document
from dtypecheck.report import Report
from dtypecheck.subjects import Pipeline

from . import made

Row = Mapping[str, Any]
CASES = (
    "bert-f32", "bnb-nf4", "broken-json", "index-escape", "lfs-pointer", "sd15", "sdxl", "sharded-variant-renamed", "t5-wo-kept",
    "t5-wo-narrowed", "variant-lies",
)  # fmt: skip
"""Of fixtures/: with errors, with warnings, with notes only, and with nothing."""


def finding(severity: str, code: str = "DT105", name: str = "load-fails", path: str = "unet/config.json") -> Finding:
    """A finding of a severity."""
    return Finding(code, name, severity, Where(path), f"{name}, said by a test")  # type: ignore[arg-type]


def row(target: str, *findings: Finding, klass: str | None = None) -> Row:
    """The row of a model whose pipeline is of a class."""
    pipeline = made.sdxl()
    pipeline = Pipeline(".", klass or pipeline.klass, "pipeline", pipeline.components, request=pipeline.request)
    report = Report(
        findings, (pipeline,), Counter({"pipelines": 1, "components": 4, "files": 9, "tensors": 5283, "bytes": 7 * 10**9})
    )
    return told(judged(target, document(report)).text)


def lost(target: str, why: str = "401: it asks for a token") -> Row:
    """The row of a model that could not be looked at."""
    return told(unjudged(target, why, "nothing" if why.startswith("401") else "failed").text)


def told(text: bytes | None) -> Row:
    """A line as a fleet reads it again."""
    assert text is not None
    return read_line(text)


def small() -> list[Row]:
    """Six models: two with errors, one with a warning, one with a note, one sound, one that could not be looked at."""
    error, warning, note = (
        finding("error"),
        finding("warning", "DT111", "default-load-mixes"),
        finding("note", "DT103", "variant-lies"),
    )
    return [
        row("org/sound"),
        row("org/noted", note, note),
        row("org/warned", warning, klass="FluxPipeline"),
        row("org/broken", error, warning),
        row("models/a/long/way/down/worse", error, error, note, klass="FluxPipeline"),
        lost("org/secret"),
    ]


def tally_of(rows: Iterable[Row]) -> Tally:
    """Their sum."""
    tally = Tally()
    for item in rows:
        tally.take(item)
    return tally


def page_of(rows: Iterable[Row]) -> str:
    """Their page."""
    out, tally = StringIO(), Tally()
    page = Page(out)
    for item in rows:
        tally.take(item)
        page.take(item)
    page.finish(tally)
    return out.getvalue()


@cache
def scanned(cases: Path) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """The reports of CASES by name."""
    return tuple((name, document(scan(cases / name))) for name in CASES)


def many(cases: Path, count: int) -> Iterator[Row]:
    """So many models, each like one of CASES, one in a hundred of them out of reach."""
    reports = scanned(cases)
    for number in range(count):
        name, report = reports[number * 7 % len(reports)]
        yield lost(f"gone/{number}") if number % 100 == 99 else told(judged(f"org{number % 10}/{name}-{number}", report).text)
