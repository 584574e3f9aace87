"""GitLab's code quality: the fields that its documentation asks for, one fingerprint a finding."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dtypecheck.render import renderer
from dtypecheck.render.options import Look
from dtypecheck.report import Report

from . import made

DOCUMENTED = Draft202012Validator(
    {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["description", "check_name", "fingerprint", "severity", "location"],
            "additionalProperties": False,
            "properties": {
                "description": {"type": "string", "minLength": 1},
                "check_name": {"type": "string"},
                "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}(#[0-9]+)?$"},
                "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                "location": {
                    "type": "object",
                    "required": ["path", "lines"],
                    "additionalProperties": False,
                    "properties": {
                        "path": {"type": "string"},
                        "lines": {
                            "type": "object",
                            "required": ["begin"],
                            "additionalProperties": False,
                            "properties": {"begin": {"type": "integer", "minimum": 1}},
                        },
                    },
                },
            },
        },
    }
)
"""docs.gitlab.com, "Code Quality report format"."""


def findings(report: Report) -> list[dict[str, Any]]:
    out = StringIO()
    renderer("gitlab")(report, out, Look())
    read = json.loads(out.getvalue())
    DOCUMENTED.validate(read)
    return read  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", made.REPORTS)
def test_every_report_has_the_documented_fields_for_each_finding_that_counts(name: str) -> None:
    report = made.REPORTS[name]()
    found = findings(report)
    assert len(found) == len(report.counted)
    assert len({finding["fingerprint"] for finding in found}) == len(found)


def test_a_finding_is_where_the_repository_has_it_and_says_what_to_do() -> None:
    first, *others = findings(made.mixed())
    assert first == {
        "description": "DT102 the config declares float16; fix: declare bfloat16",
        "check_name": "declared-dtype-narrows",
        "fingerprint": made.mixed().counted[0].fingerprint,
        "severity": "critical",
        "location": {"path": "models/sd xl/vae/config.json", "lines": {"begin": 3}},
    }
    assert [finding["severity"] for finding in others] == ["major", "major", "info"]
    assert [finding["location"] for finding in others[:2]] == [
        {"path": "ci/serve.py", "lines": {"begin": 14}},
        {"path": "demo.ipynb", "lines": {"begin": 1}},
    ]


def test_what_is_muted_is_not_there() -> None:
    report = made.mixed()
    assert findings(replace(report, findings=tuple(finding.mute("so") for finding in report.findings))) == []


def test_the_same_fault_in_two_copies_of_a_model_has_two_fingerprints() -> None:
    both = findings(made.mixed().below("a") + made.mixed().below("b"))
    assert len({finding["fingerprint"] for finding in both}) == len(both) == 2 * len(made.mixed().counted)


@pytest.mark.parametrize("text", made.NASTY)
def test_a_stranger_s_texts_are_printable(text: str) -> None:
    for finding in findings(made.by_stranger(text)):
        assert finding["description"].isprintable()
        assert finding["location"]["path"].isprintable()


@given(st.text(st.characters(), max_size=20))
def test_any_text_gives_the_documented_fields(text: str) -> None:
    assert findings(made.by_stranger(text))
