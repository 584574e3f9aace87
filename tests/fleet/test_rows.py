"""A row says the verdict first and holds the whole report; rows add up, in any grouping."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.fleet.rows import BadLine, Row, judged, read_line, unjudged
from dtypecheck.fleet.tally import WORST, Tally
from dtypecheck.render.json import document
from dtypecheck.verbs.scan import scan_paths


@pytest.fixture(scope="module")
def rows(cases: Path) -> list[dict[str, Any]]:
    """A row of every case, and two that could not be looked at."""
    found = [judged(case.name, document(scan_paths([case]))) for case in sorted(cases.iterdir())]
    found += [unjudged("gone", "there is\nno such  file", "nothing"), unjudged("killed", "killed")]
    return [read_line(row.text or b"") for row in found]


def tally(rows: list[dict[str, Any]]) -> Tally:
    found = Tally()
    for row in rows:
        found.take(row)
    return found


def test_a_row_holds_the_report_of_a_scan(cases: Path) -> None:
    wanted = document(scan_paths([cases / "sdxl"]))
    row = judged("sdxl", wanted, "state")
    assert isinstance(row, Row)
    assert row.state == "state"
    assert row.text is not None
    assert row.text.endswith(b"\n")
    assert row.text.count(b"\n") == 1
    told = json.loads(row.text)
    assert list(told)[:6] == ["version", "target", "outcome", "why", "verdict", "counts"]
    assert told["report"] == wanted
    assert told["verdict"] == "warning"
    assert sum(told["counts"].values()) == len(wanted["findings"])


def test_what_could_not_be_looked_at_says_why_and_is_never_kept() -> None:
    row = unjudged("x", "two\nlines")
    assert row.state == ""
    assert read_line(row.text or b"")["why"] == "two lines"


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"{}", b'{"target": "a"}', b'{"version": 9, "target": "a", "outcome": "judged"}', b"\xff", b"[" * 99_999,
     b'{"version": 1, "target": "a", "outcome": "judged", "counts": {}, "report": null}',
     b'{"version": 1, "target": "a", "outcome": "odd", "counts": {}, "report": null}'],
)  # fmt: skip
def test_a_line_of_something_else_is_refused(line: bytes) -> None:
    with pytest.raises(BadLine):
        read_line(line)


def test_the_sum_counts_what_is_in_the_rows(rows: list[dict[str, Any]]) -> None:
    found = tally(rows)
    reports = [row["report"] for row in rows if row["report"]]
    assert found.targets == len(rows) == len(reports) + 2
    assert found.outcomes == {"judged": len(reports), "nothing": 1, "failed": 1}
    assert sum(found.findings.values()) == sum(len(report["findings"]) for report in reports)
    assert found.seen["bytes"] == sum(report["seen"].get("bytes", 0) for report in reports)
    with_errors = sum(any(f["severity"] == "error" for f in report["findings"]) for report in reports)
    assert found.verdicts["error"] == with_errors > 0
    fp16 = [r for r in reports if any("F16" in part["stored"] for p in r["pipelines"] for part in p["components"])]
    assert sum(found.dtypes["F16"].values()) == len(fp16) > 5
    assert found.by_rule()[0][1]["error"] == max(counter["error"] for counter in found.rules.values())


def test_tallies_add_in_any_grouping(rows: list[dict[str, Any]]) -> None:
    whole = tally(rows)
    for cut in (1, 7, 30):
        one, other = tally(rows[:cut]), tally(rows[cut:])
        for made in (one + other, other + one):
            assert made.rules == whole.rules
            assert made.classes == whole.classes
            assert (made.verdicts, made.findings, made.seen) == (whole.verdicts, whole.findings, whole.seen)
            assert made.named() == whole.named()


def test_the_worst_are_named_the_worst_first(rows: list[dict[str, Any]]) -> None:
    found = tally(rows * 10)
    assert len(found.named()) == WORST
    counts = [(bad.errors, bad.warnings) for bad in found.named()]
    assert counts == sorted(counts, reverse=True)
    assert counts[0][0] > 0
    assert len(found.worst) <= 4 * WORST
