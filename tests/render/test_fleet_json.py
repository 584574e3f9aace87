"""The sum of a fleet as JSON: every key is there, and the numbers are those of the rows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from dtypecheck.fleet.tally import Tally
from dtypecheck.render.json_fleet import document

from .fleets import many, small, tally_of

KEYS = ["version", "summary", "targets", "outcomes", "verdicts", "rules", "classes", "dtypes", "worst", "unseen", "seen"]


def test_no_key_ever_vanishes() -> None:
    for tally in (Tally(), tally_of(small())):
        assert list(document(tally)) == KEYS
        assert all(name in document.__doc__ for name in KEYS)  # type: ignore[operator]
        assert json.loads(json.dumps(document(tally), allow_nan=False)) == document(tally)


def test_a_small_fleet_in_full() -> None:
    told = document(tally_of(small()))
    assert told["targets"] == 6
    assert told["outcomes"] == {"judged": 5, "nothing": 1, "failed": 0}
    assert told["verdicts"] == {"error": 2, "warning": 1, "note": 1, "ok": 1}
    assert told["rules"][0] == {
        "code": "DT105", "name": "load-fails", "targets": {"error": 2, "warning": 0, "note": 0}, "findings": 3,
    }  # fmt: skip
    assert told["classes"][0] == {"class": "FluxPipeline", "targets": {"error": 1, "warning": 1, "note": 0, "ok": 0}}
    assert told["dtypes"] == [
        {"dtype": "F16", "parameters": 17_344_189_335, "targets": {"error": 2, "warning": 1, "note": 1, "ok": 1}}
    ]
    first = "DT105 unet/config.json: load-fails, said by a test"
    assert told["worst"][0] == {
        "target": "models/a/long/way/down/worse", "verdict": "error", "errors": 2, "warnings": 0, "first": first,
    }  # fmt: skip
    assert told["unseen"] == [{"target": "org/secret", "outcome": "nothing", "why": "401: it asks for a token"}]


def test_the_numbers_of_real_reports_add_up(cases: Path) -> None:
    rows = list(many(cases, 330))
    told = document(tally_of(rows))
    assert told["targets"] == 330 == sum(told["outcomes"].values())
    assert told["outcomes"]["judged"] == sum(told["verdicts"].values()) == 327
    assert min(told["verdicts"].values()) > 0
    findings = Counter(f["code"] for row in rows if row["report"] for f in row["report"]["findings"] if f["muted"] is None)
    assert {rule["code"]: rule["findings"] for rule in told["rules"]} == findings
    assert len(told["worst"]) == 20
