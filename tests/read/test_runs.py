"""A watched run out of its report: the same record and the same findings; anything else is refused with the place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtypecheck.api import scan, scan_paths
from dtypecheck.dtypes import ALL, BF16, F16, F32, DType
from dtypecheck.engine import report_runs
from dtypecheck.files import Memory
from dtypecheck.findings import Where
from dtypecheck.knowledge import Knowledge
from dtypecheck.policy import exit_code
from dtypecheck.read.runs import read_runs
from dtypecheck.render.json import document
from dtypecheck.subjects import Claim, Component, Config, Load, Pipeline, Quantised, Request
from dtypecheck.subjects.numbers import Departure, Fault, Frame, Healing, Look, Picture, Producer, Replay, Replayed
from dtypecheck.subjects.shown import Crash, Event, ModuleRow, Operand, Outcome, Run, Tried

LIBRARIES = (("diffusers", "0.42.1", "installed"), ("transformers", "5.23.0", "installed"))
REQUEST = Request({"": F16, "vae": F32}, "fp16", "cuda", LIBRARIES)


def part(name: str, klass: str, family: str, role: str, dtype: DType, config: dict[str, Any] | None = None) -> Component:
    load = Load(dtype, Claim(dtype, Where(name), "shows"), {dtype: 12, F32: 1})
    return Component(name, name, klass, family, role, Config(name, config) if config else None, load=load)


PIPELINE = Pipeline(
    ".",
    "StableDiffusionXLPipeline",
    "pipeline",
    (
        part("text_encoder", "CLIPTextModel", "transformers", "text_encoder", F32),
        part("unet", "UNet2DConditionModel", "diffusers", "denoiser", F16, {"act_fn": "silu", "sample_size": 128}),
        part(
            "vae",
            "AutoencoderKL",
            "diffusers",
            "vae",
            F16,
            {"latent_channels": 4, "scaling_factor": 0.13025, "force_upcast": False},
        ),
    ),
    request=REQUEST,
)
CRASH = Crash(
    "unet.a",
    "linear",
    "mat1 and mat2",
    (Operand("input", F32, "text_encoder (x)", "text_encoder", "serve.py:3"), Operand("weight", F16)),
    glue="diffusers/x.py:7",
    script="serve.py:9",
    stage="denoise",
    confirmed=False,
    why="loaded so",
    remedy="load it in fp16",
)
FULL = Run(
    how="watched",
    verdict="crashes",
    device="cuda",
    crash=CRASH,
    reason="why",
    component="unet",
    module="unet.a",
    events=(
        Event("promoted", "unet.b", "add", (F16, F32), F32, "text_encoder (x)", 99, 3, 12),
        Event("mixed", "vae.c", "conv2d", (F16, F32)),
        Event("optimizer", "unet.x", "AdamW", (F16, F16), by="serve.py:40 eps 1e-08", times=9),
        Event("lowered", "unet.d", by_design=True),
    ),
    modules=(ModuleRow("unet.a", 50, F16, F32, 12.5, "Linear", F16), ModuleRow("vae", 1, absmax=None)),
    weight_bytes={"unet": 5},
    substituted=("x",),
    remedies=(Tried({"unet": BF16}, "crashes", CRASH, 7, "n", False, True, "r", True),),
    pipeline=PIPELINE,
    script="serve.py",
    written=("a.png",),
    called="2 steps",
    producers=(
        Producer(
            "vae.decoder.conv",
            2,
            F16,
            "inf",
            "Conv2d",
            61440.0,
            (Frame("vae.a", F16, F32, 1.0, 2.0, True, False), Frame("vae.b")),
            41,
            "vae.out",
            "vae.clamp",
            "",
            ("weight",),
            3,
            "vae",
            "aten.conv",
            "vae.next",
            True,
            Replay("precision", 213000.0, 3.25, "x"),
        ),
        Producer("", 1, BF16, "nan", glue="serve.py:12", reaches="unet"),
        Producer("unet.s", 1, F16, "saturated"),
        Producer("unet.u", 1, F16, "underflow", absmax_in=0.0),
    ),
    pictures=(
        Picture("nan", 2, 4, "save", "black", "vae.decoder.conv", "out.png", 3),
        Picture("ok"),
        Picture("uniform", colour="grey 1"),
    ),
    departures=(Departure("unet", F16, 0.31, "unet.mid", 0.12), Departure("vae", BF16, 0.01)),
    healed=(Healing("unet.x", "cast", F32, F16, 12, "3 MB", "load it so"),),
    limits=("unet is compiled",),
    steps={"unet": 50, "vae": 1},
    variable="pipe",
    code=1,
    ranks=(1,),
)


def written(run: Run, known: Knowledge) -> dict[str, Any]:
    report = report_runs([run], known, REQUEST, run.script)
    made: dict[str, Any] = json.loads(json.dumps(document(report), allow_nan=False))
    return made


def again(content: dict[str, Any]) -> Run:
    found = read_runs(*memory(json.dumps(content)))
    assert found is not None
    (run,), problems = found
    assert problems == ()
    return run


def memory(text: str | bytes) -> tuple[Memory, Any]:
    files = Memory({"run.json": text.encode() if isinstance(text, str) else text})
    return files, next(files.entries())


# the road there and back


def test_every_field_of_a_run_goes_out_and_comes_back(known: Knowledge) -> None:
    untouched = [
        f.name for f in fields(Run) if f.name != "how" and getattr(FULL, f.name) == getattr(Run("watched", "runs", ""), f.name)
    ]
    assert untouched == [], "the run of this test leaves a field at its default"
    run = again(written(FULL, known))
    assert run.pipeline
    assert replace(run, pipeline=None) == replace(FULL, pipeline=None)


def test_the_records_of_that_run_leave_no_field_at_its_default_either() -> None:
    assert FULL.crash
    assert FULL.producers[0].replay
    first = (FULL.producers[0], FULL.producers[0].replay, FULL.producers[0].before[0], FULL.pictures[0], FULL.departures[0])
    more = (
        FULL.events[0],
        FULL.events[-1],
        FULL.modules[0],
        FULL.healed[0],
        FULL.remedies[0],
        FULL.crash,
        FULL.crash.operands[0],
    )
    for record in (*first, *more):
        kept = {f.name for f in fields(record) if f.init and f.default is not MISSING and getattr(record, f.name) == f.default}
        known = {"Event": {"by_design", "operator", "dtypes", "to", "by", "nbytes", "times", "downstream"}}.get(
            type(record).__name__
        )
        kept -= {"finite_in", "glue"} | (known or set())
        assert kept == set(), f"{type(record).__name__} leaves {kept} at the default"


def test_a_pipeline_comes_back_with_all_that_rules_on_runs_ask_for(known: Knowledge) -> None:
    packed = replace(PIPELINE.components[1], quantised=Quantised("bitsandbytes_4bit", Where("unet")))
    pipeline = again(
        written(replace(FULL, pipeline=replace(PIPELINE, components=(packed, replace(PIPELINE.components[2])))), known)
    ).pipeline
    assert pipeline
    assert (pipeline.path, pipeline.klass, pipeline.kind, pipeline.request) == (".", PIPELINE.klass, "pipeline", REQUEST)
    unet, vae = pipeline.components
    assert (unet.quantised and unet.quantised.method) == "bitsandbytes_4bit"
    assert vae.config
    assert vae.config.data == {"latent_channels": 4, "scaling_factor": 0.13025, "force_upcast": False}
    assert (vae.klass, vae.family, vae.role, vae.loads()) == ("AutoencoderKL", "diffusers", "vae", PIPELINE.components[2].loads())
    assert vae.where == PIPELINE.components[2].where


def test_a_run_that_is_read_again_gives_the_same_findings(known: Knowledge, tmp_path: Path) -> None:
    first = report_runs([FULL], known, REQUEST, "serve.py")
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document(first)))
    second = scan(path)
    assert len(first.findings) > 6
    assert second.findings == first.findings
    assert exit_code(second) == 1
    assert document(second)["run"] == document(first)["run"]


def test_runs_of_several_processes_come_back_each(known: Knowledge, tmp_path: Path) -> None:
    runs = [replace(FULL, ranks=(0,)), replace(FULL, ranks=(1,), producers=())]
    first = report_runs(runs, known, REQUEST, "serve.py")
    assert any("(on rank 0 of 2)" in finding.message for finding in first.findings)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document(first)))
    second = scan(path)
    assert second.findings == first.findings
    assert [run.ranks for run in second.runs] == [(0,), (1,)]


def test_a_healthy_run_is_clean_and_not_nothing(known: Knowledge, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    healthy = Run("watched", "runs", "cpu", modules=(ModuleRow("net", 1, F32, F32, 3.0),), script="serve.py")
    path.write_text(json.dumps(document(report_runs([healthy], known, Request()))))
    report = scan(path)
    assert (report.findings, report.runs, exit_code(report)) == ((), (healthy,), 0)


def test_runs_and_models_are_scanned_side_by_side(known: Knowledge, tmp_path: Path, cases: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(written(FULL, known)))
    report = scan_paths([path, cases / "sdxl"])
    assert len(report.runs) == 1
    assert {finding.code for finding in report.findings} >= {"DT307"}
    assert len(report.pipelines) == 2


# Any run at all

NAME = st.text("abc._é\x1b", max_size=6)
SOME = NAME.filter(bool)
DTYPES = st.sampled_from(ALL)
WHOLE = st.integers(0, 1 << 53)
NUMBER = st.none() | st.floats(0, allow_nan=False, allow_infinity=False)


def one_of(kind: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(get_args(kind))


FRAMES = st.builds(Frame, NAME, st.none() | DTYPES, st.none() | DTYPES, NUMBER, NUMBER, st.booleans(), st.booleans())
REPLAYS = st.builds(Replay, one_of(Replayed), NUMBER, NUMBER, NAME)
PRODUCERS = st.builds(
    Producer,
    NAME,
    WHOLE,
    DTYPES,
    one_of(Fault),
    NAME,
    NUMBER,
    st.lists(FRAMES, max_size=2).map(tuple),
    WHOLE,
    NAME,
    NAME,
    NAME,
    st.lists(NAME, max_size=2).map(tuple),
    WHOLE,
    NAME,
    NAME,
    NAME,
    st.booleans(),
    st.none() | REPLAYS,
)
PICTURES = st.builds(Picture, one_of(Look), WHOLE, WHOLE, SOME, NAME, NAME, NAME, WHOLE)
ROWS = st.builds(ModuleRow, NAME, WHOLE, st.none() | DTYPES, st.none() | DTYPES, NUMBER, NAME, st.none() | DTYPES)
KINDS = ("promoted", "island", "rotary", "autocast", "mixed", "lowered", "scaler", "optimizer", "optimizer-nan")
EVENTS = st.builds(
    Event,
    st.sampled_from(KINDS),
    NAME,
    NAME,
    st.lists(DTYPES, max_size=3).map(tuple),
    st.none() | DTYPES,
    NAME,
    WHOLE,
    WHOLE,
    WHOLE,
    st.booleans(),
)
DEPARTURES = st.builds(Departure, NAME, DTYPES, st.floats(0, allow_nan=False), NAME, st.floats(0, allow_nan=False))
HEALINGS = st.builds(Healing, NAME, st.sampled_from(("cast", "float32")), DTYPES, DTYPES, WHOLE, NAME, NAME)
RUNS = st.builds(
    Run,
    st.just("watched"),
    one_of(Outcome),
    NAME,
    producers=st.lists(PRODUCERS, max_size=3).map(tuple),
    pictures=st.lists(PICTURES, max_size=3).map(tuple),
    modules=st.lists(ROWS, max_size=3).map(tuple),
    events=st.lists(EVENTS, max_size=3).map(tuple),
    departures=st.lists(DEPARTURES, max_size=2).map(tuple),
    healed=st.lists(HEALINGS, max_size=2).map(tuple),
    limits=st.lists(NAME, max_size=2).map(tuple),
    steps=st.dictionaries(NAME, WHOLE, max_size=2),
    variable=NAME,
    script=NAME,
    reason=NAME,
    code=st.integers(-64, 255),
)


@settings(max_examples=150, deadline=None)
@given(RUNS)
def test_any_run_comes_back_as_it_was_and_gives_the_same_findings(run: Run) -> None:
    known = Knowledge()
    first = report_runs([run], known, Request())
    back = again(json.loads(json.dumps(document(first), allow_nan=False)))
    assert back == run
    assert report_runs([back], known, Request()).findings == first.findings


# What others may have written


def test_other_json_is_no_run(tmp_path: Path) -> None:
    for content in ({}, {"run": {}}, {"version": 1}, {"version": 1, "run": None, "runs": []}, {"_class_name": "X"}, {"run": 3}):
        assert read_runs(*memory(json.dumps(content))) is None
    path = tmp_path / "tokenizer.json"
    path.write_text('{"version": "1.0", "run": {"a": 1}}')
    report = scan(path)
    assert (report.findings, report.runs, exit_code(report)) == ((), (), 3)


def test_a_run_in_a_folder_of_models_is_left_alone(known: Knowledge, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(written(FULL, known)))
    assert scan(tmp_path).runs == ()


def places(value: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every value inside, with its pointer and the container that holds it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield f"{at}/{key}", value, key
        yield from places(inner, f"{at}/{key}")


WRONG = [[], {}, "text", 7, -1, True, None, 1e999, float("nan"), 10**30, "\x1b[2J", [[]], [None], {"a": {}}]


def test_no_value_of_another_kind_anywhere_in_a_run_brings_a_traceback(known: Knowledge) -> None:
    content = written(FULL, known)
    pointers = [pointer for pointer, _, _ in places(content["run"])]
    assert len(pointers) > 200
    refused = 0
    for pointer in pointers:
        for wrong in WRONG:
            spoilt = json.loads(json.dumps(content))
            holder, key = next((holder, key) for at, holder, key in places(spoilt["run"]) if at == pointer)
            holder[key] = wrong
            found = read_runs(*memory(json.dumps(spoilt)))
            assert found is not None
            runs, problems = found
            assert len(runs) + len(problems) == 1
            refused += len(problems)
            for problem in problems:
                assert problem.where.at.startswith("/run/")
                assert "\x1b" not in problem.detail
    assert refused > len(pointers) * 5


def test_a_run_that_still_reads_after_a_value_was_changed_can_be_judged_and_written(known: Knowledge) -> None:
    content = written(FULL, known)
    judged = 0
    for pointer in [pointer for pointer, _, _ in places(content["run"])]:
        for wrong in (0, 1 << 53, 5e-324, 1.7e308, "", "x.y", [], {}, None):
            spoilt = json.loads(json.dumps(content))
            holder, key = next((holder, key) for at, holder, key in places(spoilt["run"]) if at == pointer)
            holder[key] = wrong
            found = read_runs(*memory(json.dumps(spoilt)))
            if found and found[0]:
                json.dumps(document(report_runs(found[0], known, Request())), allow_nan=False)
                judged += 1
    assert judged > 300


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("verdict", "maybe", "/run/verdict: one of runs, crashes, unknown is wanted, it holds a text"),
        ("modules", {}, "/run/modules: a list is wanted, it holds an object"),
        ("modules", [3], "/run/modules/0: an object is wanted"),
        ("modules", [{"module": "a", "calls": -1}], "/run/modules/0/calls: a whole number from 0 is wanted, it holds a number"),
        ("modules", [{"absmax": float("nan")}], "/run/modules/0/absmax: a finite number that is not negative is wanted"),
        ("modules", [{"dtype_in": "F99"}], "/run/modules/0/dtype_in: the name of a dtype is wanted"),
        ("producers", [{"dtype": None}], "/run/producers/0/dtype: the name of a dtype is wanted, it holds nothing"),
        ("steps", {"unet": "many"}, "/run/steps/unet: a whole number from 0 is wanted, it holds a text"),
        ("how", "rehearsed", "/run/how: one of watched is wanted"),
    ],
)
def test_a_run_that_cannot_be_read_is_an_error_that_says_where(
    key: str, value: Any, words: str, known: Knowledge, tmp_path: Path
) -> None:
    content = written(FULL, known)
    content["run"][key] = value
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content))
    report = scan(path)
    (finding,) = report.findings
    assert (finding.name, finding.severity, exit_code(report)) == ("broken-json", "error", 1)
    assert words in finding.message
    assert finding.where == Where("run.json", words.partition(":")[0])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{" * 100_000,
        b'{"version": 1, "run": {"a": ' * 5000,
        b"\0" * 100,
        b"{}{}",
        b'"run"',
    ],
    ids=range(10),
)
def test_what_is_no_json_object_is_a_problem_and_no_traceback(text: bytes, tmp_path: Path) -> None:
    found = read_runs(*memory(text))
    assert found is not None
    assert found[0] == ()
    assert len(found[1]) == 1
    path = tmp_path / "run.json"
    path.write_bytes(text)
    assert [finding.name for finding in scan(path).findings] == ["broken-json"]


def test_a_report_of_a_later_version_is_refused_by_its_number(known: Knowledge) -> None:
    content = written(FULL, known) | {"version": 2}
    found = read_runs(*memory(json.dumps(content)))
    assert found
    assert "version 1 of a report is wanted" in found[1][0].detail
