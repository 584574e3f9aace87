"""Each fixture gives the report that is committed beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
sys.path.insert(0, str(FIXTURES))

from expect import expected  # noqa: E402

CASES = sorted(path.name for path in (FIXTURES / "cases").iterdir() if path.is_dir())


@pytest.mark.parametrize("name", CASES)
def test_the_report_of_a_case_is_the_expected_one(name: str, cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cases)
    case = FIXTURES / "cases" / name
    assert expected(case) == (case / "expected.txt").read_text("utf-8")
