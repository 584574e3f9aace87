"""The JSON report is what its schema says, for every fixture and for reports with findings of every kind."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.api import scan
from dtypecheck.dtypes import F16, F32, F64
from dtypecheck.engine import report_runs
from dtypecheck.files import Source
from dtypecheck.knowledge import Knowledge
from dtypecheck.render.json import document, render
from dtypecheck.render.json_watch import settings
from dtypecheck.render.options import Look
from dtypecheck.report import Report
from dtypecheck.subjects import Component, Pipeline, Request
from dtypecheck.subjects.numbers import Departure, Frame, Producer, Replay
from dtypecheck.subjects.shown import Crash, Event, ModuleRow, Operand, Run, Tried
from tests.read.test_runs import FULL
from tests.render import made
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
    keys = ["version", "request", "findings", "pipelines", "files", "seen", "rehearsal", "run", "runs", "matrix", "fix", "values"]
    keys += ["gate"]
    assert list(report) == keys
    assert (report["rehearsal"], report["run"], report["runs"], report["matrix"]) == (None, None, [], None)


def test_a_gate_s_verdict_and_who_muted_a_finding_are_told() -> None:
    findings = tuple(
        replace(finding, muted="so", muted_by=by)
        for finding, by in zip(made.mixed().counted, ("source", "settings", "baseline"), strict=False)
    )
    report = valid(replace(made.gated(), findings=findings))
    assert [finding["muted_by"] for finding in report["findings"]] == ["source", "settings", "baseline"]
    gate = made.gated().gate
    assert gate
    assert report["gate"] == {"verdict": gate.verdict, "because": gate.because, "unchecked": list(gate.unchecked)}
    assert valid(made.mixed())["gate"] is None
    assert valid(made.mixed())["findings"][0]["muted_by"] is None


def test_the_schema_refuses_a_verdict_and_a_muter_that_do_not_exist() -> None:
    made_of = document(made.gated())
    made_of["gate"]["verdict"] = "maybe"
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(made_of)
    made_of = document(made.mixed())
    made_of["findings"][0]["muted_by"] = "somebody"
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(made_of)


def test_where_a_pipeline_came_from_is_told_and_nothing_for_a_plain_folder(cases: Path) -> None:
    report = scan(cases / "bert-f32", libraries=PINNED)
    assert valid(report)["pipelines"][0]["source"] is None
    source = Source("our/bert", "hub", "0" * 40)
    made = valid(replace(report, pipelines=tuple(replace(pipeline, source=source) for pipeline in report.pipelines)))
    assert made["pipelines"][0]["source"] == {"target": "our/bert", "kind": "hub", "revision": "0" * 40, "skeleton": False}
    assert {file["sha256"] for file in made["files"]} == {None}
    for place, key in (("pipelines", "source"), ("files", "sha256")):
        less = document(report)
        del less[place][0][key]
        assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(less)


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


CRASH = Crash(
    "unet.conv_in",
    "conv2d",
    "Input type (float) and bias type (c10::Half) should be the same",
    (Operand("input", F32, "vae (sample)", "vae", "diffusers/x.py:7"), Operand("bias", F16)),
    glue="diffusers/x.py:12",
    stage="denoise",
)
PIPELINE = Pipeline(".", "X", "pipeline", (Component("unet", "unet", "UNet2DConditionModel", "diffusers", "denoiser"),))
RUN = Run("rehearsed", "crashes", "cuda", CRASH, weight_bytes={"unet": 7, "vae": 2}, pipeline=PIPELINE)
PLANS = (Tried({"unet": F16}, "runs", recommended=True, weight_bytes=4, slow=True), Tried({"unet": F32}, "crashes", CRASH))


def valid(report: Report) -> dict[str, Any]:
    made = document(report)
    jsonschema.Draft202012Validator(SCHEMA).validate(made)
    assert made == json.loads(json.dumps(made, allow_nan=False))
    return made


def test_a_rehearsal_has_every_key_of_the_contract(known: Knowledge) -> None:
    event = Event("promoted", "unet.mid", "add", (F16, F32), F32, "vae (sample)", 9, 2, 3)
    made = valid(report_runs([replace(RUN, events=(event,), remedies=PLANS)], known, Request(device="cuda")))["rehearsal"]
    promised = {"verdict", "confirmed", "reason", "component", "module", "crash", "device", "peak_weight_bytes"}
    assert promised <= set(made)
    assert (made["verdict"], made["confirmed"], made["reason"], made["device"]) == ("crashes", True, None, "cuda")
    assert (made["component"], made["module"], made["peak_weight_bytes"]) == ("unet", "unet.conv_in", 9)
    crash = made["crash"]
    assert {"module", "operator", "operands", "message", "glue", "script"} <= set(crash)
    assert crash["operands"][0] == {
        "role": "input",
        "dtype": "F32",
        "from": "vae (sample)",
        "component": "vae",
        "made_at": "diffusers/x.py:7",
    }
    assert crash["operands"][1]["from"] is None
    assert (crash["glue"], crash["script"]) == ("diffusers/x.py:12", None)
    assert made["events"][0] | {"by_design": True} == {
        "kind": "promoted",
        "module": "unet.mid",
        "operator": "add",
        "dtypes": ["F16", "F32"],
        "to": "F32",
        "from": "vae (sample)",
        "bytes": 9,
        "times": 2,
        "downstream": 3,
        "by_design": True,
    }
    assert [row["verdict"] for row in made["remedies"]] == ["runs", "crashes"]


def test_an_undecided_rehearsal_says_where_and_why(known: Knowledge) -> None:
    run = Run("rehearsed", "unknown", "cuda", reason="no numbers", component="unet", module="unet.router")
    made = valid(report_runs([run], known, Request()))["rehearsal"]
    wanted = ("unknown", "no numbers", "unet", "unet.router")
    assert (made["verdict"], made["reason"], made["component"], made["module"]) == wanted
    assert made["crash"] is None


def test_a_matrix_has_every_key_of_the_contract(known: Knowledge) -> None:
    report = valid(report_runs([], known, Request(device="t4"), matrix={".": PLANS}, pipelines=[PIPELINE]))
    first, second = report["matrix"]
    assert {"dtypes", "verdict", "crash", "weight_bytes", "recommended"} <= set(first)
    wanted = ({"unet": "F16"}, "runs", None, 4, True)
    assert tuple(first[key] for key in ("dtypes", "verdict", "crash", "weight_bytes", "recommended")) == wanted
    assert second["crash"]["module"] == "unet.conv_in"
    assert report["pipelines"][0]["matrix"] == report["matrix"]
    assert report["rehearsal"] is None


def test_with_several_targets_each_pipeline_has_its_own_and_the_top_has_none(known: Knowledge) -> None:
    one = report_runs([RUN], known, Request())
    made = valid(one.below("a") + one.below("b"))
    assert made["rehearsal"] is None
    assert [(p["path"], p["rehearsal"]["verdict"]) for p in made["pipelines"]] == [("a", "crashes"), ("b", "crashes")]


@pytest.mark.parametrize("key", ["peak_weight_bytes", "crash", "confirmed"])
def test_the_schema_refuses_a_rehearsal_without_a_key(key: str, known: Knowledge) -> None:
    made = document(report_runs([RUN], known, Request()))
    del made["rehearsal"][key]
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(made)


def test_the_schema_refuses_a_role_that_operands_do_not_have(known: Knowledge) -> None:
    made = document(report_runs([RUN], known, Request()))
    made["rehearsal"]["crash"]["operands"][0]["role"] = "somebody"
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(made)


# watched runs


def test_a_watched_run_has_every_key_of_the_contract_and_no_rehearsal(known: Knowledge) -> None:
    report = valid(report_runs([FULL], known, Request(device="cuda")))
    made = report["run"]
    assert {"crash", "producers", "modules", "images"} <= set(made)
    assert {"module", "step", "dtype", "kind"} <= set(made["producers"][0])
    assert {"module", "calls", "dtype_in", "dtype_out", "absmax", "headroom_bits"} <= set(made["modules"][0])
    assert [image["verdict"] for image in made["images"]] == ["nan", "ok", "uniform"]
    assert made["crash"]["why"] == "loaded so"
    assert (report["rehearsal"], report["runs"]) == (None, [])
    assert report["pipelines"][0]["rehearsal"] is None
    glue = made["producers"][1]
    assert (glue["module"], glue["glue"], glue["dtype"], glue["kind"]) == (None, "serve.py:12", "BF16", "nan")


def test_a_rehearsal_is_no_watched_run(known: Knowledge) -> None:
    report = valid(report_runs([RUN], known, Request()))
    assert (report["run"], report["runs"]) == (None, [])
    assert report["rehearsal"]


def test_what_is_not_finite_is_null(known: Knowledge) -> None:
    nan, inf = float("nan"), float("inf")
    run = Run(
        "watched",
        "runs",
        "cpu",
        modules=(ModuleRow("a", 1, F16, F16, None), ModuleRow("b", 1, F64, F64, 5e-324)),
        producers=(
            Producer(
                "a", 1, F16, "inf", absmax_in=inf, before=(Frame("z", absmax_in=nan),), replay=Replay("precision", inf, nan)
            ),
        ),
        departures=(Departure("a", F16, inf, "a.b", nan),),
    )
    made = valid(report_runs([run], known, Request()))["run"]
    assert [row["absmax"] for row in made["modules"]] == [None, 5e-324]
    assert [row["headroom_bits"] for row in made["modules"]] == [None, None]
    assert made["producers"][0]["absmax_in"] is None
    assert made["producers"][0]["before"][0]["absmax_in"] is None
    assert (made["producers"][0]["replay"]["absmax"], made["producers"][0]["replay"]["times"]) == (None, None)
    assert (made["departures"][0]["error"], made["departures"][0]["module_error"]) == (None, None)


@pytest.mark.parametrize("key", ["producers", "modules", "images", "crash", "steps", "ranks", "pipeline"])
def test_the_schema_refuses_a_watched_run_without_a_key(key: str, known: Knowledge) -> None:
    made = document(report_runs([FULL], known, Request()))
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(made)
    del made["run"][key]
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(made)


def test_the_schema_knows_the_kinds_of_producers_images_and_events(known: Knowledge) -> None:
    for place, key in (("producers", "kind"), ("images", "verdict"), ("events", "kind")):
        made = document(report_runs([FULL], known, Request()))
        made["run"][place][0][key] = "other"
        assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(made)


def test_settings_are_plain_values_of_sensible_size() -> None:
    given = {"a": 1, "b": 0.5, "c": "x", "d": None, "e": True, "f": [1], "g": {}, "h": "x" * 999, "i": float("nan"), "j": 1 << 70}
    assert settings(given) == {"a": 1, "b": 0.5, "c": "x", "d": None, "e": True}


def test_several_processes_fit_the_schema(known: Knowledge) -> None:
    made = valid(report_runs([replace(FULL, ranks=(rank,)) for rank in range(2)], known, Request()))
    assert (made["run"]["ranks"], len(made["runs"])) == ([0, 1], 2)
