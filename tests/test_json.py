"""The JSON report is what its schema says, for every fixture and for reports with findings of every kind."""

from __future__ import annotations

import io
import json
from importlib import resources
from pathlib import Path

import pytest

from dtypecheck.api import scan
from dtypecheck.render.json import document, render
from dtypecheck.render.options import Look
from dtypecheck.report import Report
from tests.test_expected import CASES

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = json.loads((resources.files("dtypecheck") / "render" / "schema.json").read_text())
PINNED = ("diffusers==0.42.1", "transformers==5.23.0")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [None, "float16,vae=float32"])
def test_a_fixture_s_report_fits_the_schema(name: str, dtype: str | None, cases: Path) -> None:
    if dtype and not (cases / name / "vae").is_dir():
        dtype = "float16"
    report = document(scan(cases / name, dtype=dtype, libraries=PINNED))
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    assert report == json.loads(json.dumps(report, allow_nan=False))


def test_an_empty_report_has_every_key() -> None:
    report = document(Report())
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    assert list(report) == ["version", "request", "findings", "pipelines", "files", "seen"]


def test_the_schema_refuses_a_report_without_a_key() -> None:
    report = document(Report())
    del report["findings"]
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(report)


def test_parameters_and_bytes_of_sdxl_are_those_of_the_published_model(cases: Path) -> None:
    report = document(scan(cases / "sdxl", dtype="float16,vae=float32", libraries=PINNED))
    components = {component["name"]: component for component in report["pipelines"][0]["components"]}
    assert components["unet"]["loads_as"] == {"F16": 2_567_463_684}
    assert components["vae"]["loads_as"] == {"F32": 83_653_863}
    assert components["unet"]["stored"] == {"F32": 2_567_463_684}
    assert report["request"]["dtype"] == {"default": "F16", "vae": "F32"}
    assert report["pipelines"][0]["requests"]["float16"]["vae"] == {"F16": 83_653_863}


def test_rendering_writes_one_document_without_nan(cases: Path) -> None:
    out = io.StringIO()
    render(scan(cases / "bert-f32", libraries=PINNED), out, Look())
    assert json.loads(out.getvalue())["version"] == 1
    assert "NaN" not in out.getvalue()
