"""Public reports of dtype faults as small scripts: each fails by itself as reported, and a watch names fault and module."""

from __future__ import annotations

from pathlib import Path

import pytest

from dtypecheck.findings import SEVERITIES, Finding
from dtypecheck.knowledge import Knowledge
from dtypecheck.report import Report

from .cases.play import Played, look, play, stage, watched
from .cases.table import ALIKES, CASES, HERE, TABLES, Case, table

CURED = tuple(case for case in CASES if case.cure)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tiny models lie that any script asked for."""
    return tmp_path_factory.mktemp("models")


def by_name(case: Case) -> str:
    return case.name


def told(finding: Finding, case: Case) -> str:
    """All that a reader sees of a finding, without the script's name, whose words would prove nothing."""
    fix = finding.fix.title if finding.fix else ""
    said = " | ".join((finding.message, finding.because, fix, *finding.alternatives))
    return said.replace(str(case.path), "the script")


def listed(report: Report, case: Case) -> str:
    """What was said, for the message of a test that fails."""
    return "\n".join(f"{f.severity} {f.code} [{f.where.at}] {told(f, case)}" for f in report.counted) or "nothing"


def fails_as_told(case: Case, played: Played) -> None:
    if case.fails:
        assert case.fails in played.fails
    else:
        assert played.fails == ""
    if case.shows:
        name, _, what = case.shows.partition(" ")
        assert look(played.has[name]) == what


@pytest.mark.parametrize("case", [*CASES, *ALIKES], ids=by_name)
def test_without_us_a_script_ends_as_its_report_says(case: Case, models: Path, tmp_path: Path, known: Knowledge) -> None:
    with stage(case, models, tmp_path, known):
        played = play(case, case.arguments)
    fails_as_told(case, played)


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_watch_names_the_fault_and_its_module(case: Case, models: Path, tmp_path: Path, known: Knowledge) -> None:
    with stage(case, models, tmp_path, known):
        report = watched(case, case.arguments)
    found = [finding for finding in report.counted if finding.code in case.codes]
    assert {finding.code for finding in found} == set(case.codes), listed(report, case)
    if case.module is not None:
        assert case.module in {finding.where.at for finding in found}, listed(report, case)
        accused = {finding.where.at for finding in found if finding.severity == "error"}
        assert accused <= {case.module}, f"it accuses others too\n{listed(report, case)}"
    text = " ".join(told(finding, case) for finding in found).lower()
    assert [word for word in case.says if word.lower() not in text] == [], listed(report, case)
    assert ".to(torch.float8" not in text, "float8 is stored, and nobody casts what goes in to it"
    others = {finding.code for finding in report.counted if finding.severity == "error"} - {*case.codes, *case.also}
    assert others == set(), listed(report, case)


@pytest.mark.parametrize("case", CURED, ids=by_name)
def test_a_script_without_the_fault_has_no_such_finding(case: Case, models: Path, tmp_path: Path, known: Knowledge) -> None:
    with stage(case, models, tmp_path, known):
        report = watched(case, case.cure)
    (run,) = report.runs
    assert (run.verdict, run.reason, run.code) == ("runs", "", 0), listed(report, case)
    said = {finding.code for finding in report.counted if finding.severity != "note"}
    assert not said & {*case.codes}, listed(report, case)
    assert report.worst != "error", listed(report, case)


@pytest.mark.parametrize("case", ALIKES, ids=by_name)
def test_a_look_alike_is_no_error(case: Case, models: Path, tmp_path: Path, known: Knowledge) -> None:
    with stage(case, models, tmp_path, known):
        report = watched(case, case.arguments)
    loud = SEVERITIES[: SEVERITIES.index(case.worst)]
    assert [finding for finding in report.counted if finding.severity in loud] == [], listed(report, case)


def test_every_script_stands_in_a_table() -> None:
    rows = {case.script for folder in TABLES for case in table(folder)}
    assert rows == {path.relative_to(HERE).as_posix() for path in HERE.glob("*/*.py")}


def test_there_are_as_many_public_cases_and_look_alikes_as_were_asked_for() -> None:
    assert len({case.id for case in CASES} - {""}) >= 60
    assert len(ALIKES) >= 20
    assert all(case.url.startswith("https://") for case in CASES if case.id)
