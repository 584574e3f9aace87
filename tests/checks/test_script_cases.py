"""The collected bugs that stand in users' scripts: most are found where they stand, and what was mended since is left alone."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from textwrap import dedent

import pytest

from dtypecheck.engine.scripts import Folders, scan_scripts
from dtypecheck.files import Memory
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import make
from tests.checks.script_cases import BUGS, ELSEWHERE, FIXED, NEAR

KNOWN = Knowledge()
REQUEST = make(None, None, None, ["diffusers==0.42.1", "transformers==5.23.0"], KNOWN)
MISSED = {name for name, text in BUGS.items() if "# -> missed" in text}
COLLECTION = Path(__file__).resolve().parents[3] / "shared" / "knowledge" / "cases.jsonl"


@cache
def told(text: str) -> set[tuple[str, int | None, str]]:
    """Code, line and severity of each finding of a script, whose marks are taken out first."""
    lines = [line.partition("  # ->")[0] for line in dedent(text).strip("\n").split("\n")]
    files = Memory({"s.py": "\n".join(lines).encode()})
    found = scan_scripts(files, REQUEST, KNOWN, Folders(KNOWN, within=files)).findings
    return {(finding.code, finding.where.line, finding.severity) for finding in found}


def expected(text: str) -> tuple[str, int]:
    """The code and line that a script is marked with."""
    lines = dedent(text).strip("\n").split("\n")
    ((number, line),) = [(n, line) for n, line in enumerate(lines, 1) if "# ->" in line]
    return line.rpartition("# -> ")[2], number


@pytest.mark.parametrize("name", [name for name in BUGS if name not in MISSED])
def test_a_collected_bug_is_found_with_its_code_and_line(name: str) -> None:
    assert expected(BUGS[name]) in {(code, line) for code, line, _ in told(BUGS[name])}


@pytest.mark.parametrize("name", BUGS)
def test_a_collected_bug_brings_no_error_at_another_place(name: str) -> None:
    code, line = expected(BUGS[name])
    assert {found for found in told(BUGS[name]) if found[2] == "error"} <= {(code, line, "error")}


@pytest.mark.parametrize("name", FIXED)
def test_what_was_mended_since_is_left_alone(name: str) -> None:
    assert {found for found in told(FIXED[name][1]) if found[2] != "note"} == set()


@pytest.mark.parametrize("name", NEAR)
def test_what_looks_like_a_bug_and_runs_is_left_alone(name: str) -> None:
    assert told(NEAR[name]) == set()


@pytest.mark.parametrize(("device", "expected_of"), [("t4", {("DT225", "warning")}), ("a100", set()), (None, set())])
def test_a_dtype_is_held_against_the_device_that_was_named_only(device: str | None, expected_of: set[tuple[str, str]]) -> None:
    text = "import torch\nfrom diffusers import WanPipeline\nWanPipeline.from_pretrained('x', torch_dtype=torch.bfloat16)\n"
    files = Memory({"s.py": text.encode()})
    request = make(None, None, device, ["diffusers==0.42.1", "transformers==5.23.0"], KNOWN)
    found = scan_scripts(files, request, KNOWN).findings
    assert {(finding.code, finding.severity) for finding in found} == expected_of


def test_at_least_17_of_20_bugs_are_found() -> None:
    assert len(MISSED) <= 0.15 * len(BUGS)


@pytest.mark.shared
@pytest.mark.skipif(not COLLECTION.is_file(), reason="the collection of cases is not beside this checkout")
def test_every_case_that_names_the_script_is_sorted_once() -> None:
    cases = [json.loads(line) for line in COLLECTION.read_text("utf-8").splitlines()]
    named = {case["id"] for case in cases if any("script" in place for place in case["detectable_by"])}
    assert sorted([*BUGS, *FIXED, *ELSEWHERE]) == sorted(named)
