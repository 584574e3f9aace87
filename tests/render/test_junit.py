"""JUnit XML: a reader library reads it, what is sound is a test that passed, a stranger's text cannot break it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Failure, JUnitXml, Skipped, TestCase

from dtypecheck.api import scan
from dtypecheck.findings import Finding, Where
from dtypecheck.render import renderer
from dtypecheck.render.options import Look
from dtypecheck.report import Report
from dtypecheck.subjects.shown import Run

from . import made


def xml(report: Report) -> str:
    out = StringIO()
    renderer("junit")(report, out, Look())
    return out.getvalue()


def cases(report: Report) -> dict[tuple[str, str], TestCase]:
    """As the library reads them: by suite and name."""
    read = JUnitXml.fromstring(xml(report).encode())
    return {(suite.name, case.name): case for suite in read for case in suite}


def failed(report: Report) -> dict[str, str]:
    """The messages of the tests that failed, by name."""
    return {
        name: case.result[0].message
        for (_, name), case in cases(report).items()
        if case.result and isinstance(case.result[0], Failure)
    }


@pytest.mark.parametrize("name", made.REPORTS)
def test_a_reader_counts_as_many_as_the_file_says(name: str) -> None:
    report = made.REPORTS[name]()
    read = JUnitXml.fromstring(xml(report).encode())
    found = [case for suite in read for case in suite]
    kinds = [type(case.result[0]) if case.result else None for case in found]
    assert (read.tests, read.failures, read.skipped, read.errors) == (
        len(found),
        kinds.count(Failure),
        kinds.count(Skipped),
        0,
    )
    assert found


def test_each_component_is_a_test_and_so_is_a_script_without_a_fault() -> None:
    found = cases(made.mixed())
    model = "models/sd xl"
    for name in ("StableDiffusionXLPipeline", "vae", "text_encoder", "text_encoder_2", "unet"):
        assert (model, name) in found
    assert found[model, "text_encoder"].result == []
    assert "CLIPTextModel: stored variant fp16, loads as fp16, 246 MB" in (found[model, "text_encoder"].system_out or "")
    assert found["scripts", "fine.py"].result == []


def test_errors_and_warnings_fail_their_test_and_notes_stand_beside_it() -> None:
    assert failed(made.mixed()) == {
        "vae": "error DT102 the config declares float16",
        "ci/serve.py": "warning DT201 torch_dtyp is no keyword of from_pretrained",
        "demo.ipynb": "warning DT202 cell 3, line 7: pipe is cast after it was moved",
    }
    unet = cases(made.mixed())["models/sd xl", "unet"]
    assert unet.result == []
    assert "note DT102 the config declares float16" in (unet.system_out or "")
    (failure,) = cases(made.mixed())["models/sd xl", "vae"].result
    assert failure.type == "DT102"
    lines = (failure.text or "").splitlines()
    assert lines[0] == "models/sd xl/vae/config.json:3: error DT102 the config declares float16"
    assert lines[1] == "  fix: declare bfloat16"


def test_several_faults_of_one_component_are_one_failure_that_names_the_worst_and_tells_all() -> None:
    both = (made.NARROWS, replace(made.NARROWS, code="DT103", severity="warning", message="and more"))
    report = replace(made.mixed(), findings=both)
    assert failed(report)["vae"] == "error DT102 the config declares float16 (and 1 more: 1 error, 1 warning)"
    (failure,) = cases(report)["models/sd xl", "vae"].result
    assert "DT103 and more" in (failure.text or "")


def test_what_is_muted_fails_nothing() -> None:
    report = made.mixed()
    report = replace(report, findings=tuple(finding.mute("so") for finding in report.findings))
    assert failed(report) == {}
    assert "so" not in {case.system_out for case in cases(report).values()}


def test_a_gate_is_a_test_too_and_what_is_not_proven_is_skipped_unless_it_was_required() -> None:
    assert failed(made.gated())["gate"].startswith("do not deploy: vae/config.json:3")
    (skipped,) = cases(made.gated("not proven"))["gate", "gate"].result
    assert isinstance(skipped, Skipped)
    gate = made.gated("not proven").gate
    assert gate
    required = replace(made.gated(), gate=replace(gate, lacking=gate.unchecked[:1]))
    assert "gate" in failed(required)
    good = cases(made.gated("deploy"))["gate", "gate"]
    assert good.result == []
    assert "not checked: no rehearsal: torch is not installed" in (good.system_out or "")


def test_a_run_that_crashed_fails_one_that_nobody_knows_is_skipped() -> None:
    assert failed(made.crashed())["rehearsed on cuda"].startswith("crashes on cuda in vae.post_quant_conv")
    muted = replace(made.crashed(), findings=tuple(finding.mute("known") for finding in made.crashed().findings))
    assert failed(muted) == {}
    unknown = Report(runs=(Run("rehearsed", "unknown", "t4", reason="no numbers", script="x.py"),))
    (skipped,) = cases(unknown)["x.py", "rehearsed on t4"].result
    assert isinstance(skipped, Skipped)
    assert skipped.message == "undecided: no numbers"


def test_a_finding_about_no_component_and_no_script_stands_at_its_file() -> None:
    report = Report((Finding("DT001", "unreadable", "error", Where("a/x.bin"), "cut short"),), roots={"": "m"})
    assert list(cases(report)) == [("files", "m/a/x.bin")]


@pytest.mark.parametrize("text", made.NASTY)
def test_a_stranger_s_texts_stay_texts(text: str) -> None:
    written = xml(made.by_stranger(text))
    assert written.isascii()
    root = ET.fromstring(written)  # noqa: S314 - our own
    assert {element.tag for element in root.iter()} <= {
        "testsuites", "testsuite", "testcase", "failure", "skipped", "system-out",
    }  # fmt: skip
    values = [value for element in root.iter() for value in (*element.attrib.values(), *(element.text or "").splitlines())]
    assert all(value.isprintable() for value in values)


@given(st.text(st.characters(), max_size=20))
def test_any_text_can_be_read_back(text: str) -> None:
    assert len(list(JUnitXml.fromstring(xml(made.by_stranger(text)).encode()))) >= 1


def test_a_scan_of_a_sound_model_has_only_tests_that_passed(cases_of: Path) -> None:
    report = scan(cases_of / "sdxl-fp16-fix", dtype="float16")
    assert report.worst in (None, "note")
    read = JUnitXml.fromstring(xml(report).encode())
    assert read.failures == 0
    assert read.tests >= 1


@pytest.fixture
def cases_of(request: pytest.FixtureRequest) -> Path:
    """The fixtures, under a name that is not taken here."""
    return request.getfixturevalue("cases")  # type: ignore[no-any-return]


def test_the_same_report_gives_the_same_bytes() -> None:
    report = made.mixed()
    assert xml(report) == xml(made.mixed()) == xml(replace(report, findings=report.findings[::-1]))
    assert "timestamp" not in xml(report)
