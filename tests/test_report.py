"""Reports add: a fleet's report is the sum of its targets', in any grouping."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from dtypecheck.dtypes import F16, F32
from dtypecheck.findings import Finding, Severity, Where
from dtypecheck.report import File, Report
from dtypecheck.subjects import Component, Pipeline, Request, Stock, WeightFile, WeightSet
from dtypecheck.subjects.shown import Run, Tried


def finding(severity: Severity = "error", code: str = "DT101", **more: str) -> Finding:
    return Finding(code, "x", severity, Where("vae/config.json", "/dtype", 2), "words", Where("vae/model.safetensors"), **more)  # type: ignore[arg-type]


def report(path: str, *findings: Finding) -> Report:
    weights = WeightFile("vae/model.safetensors", "safetensors", 9, {F16: Stock(1, 2, 4)})
    vae = Component("vae", "vae", None, "diffusers", "vae", sets=(WeightSet("safetensors", "model", None, (weights,)),))
    return Report(
        findings=findings,
        pipelines=(Pipeline(path, "X", "pipeline", (vae,)),),
        seen=Counter(pipelines=1, tensors=2),
        request=Request({"": F16}),
        asked={path: {F16: {"vae": {F16: 3}}}},
        label=path,
    )


def test_an_empty_report_adds_nothing() -> None:
    one = report(".", finding())
    assert one + Report() == one
    assert (Report() + one).findings == one.findings
    assert (Report() + one).request == one.request
    assert (Report() + one).label == one.label


def test_adding_keeps_everything_in_order_and_sums_what_was_seen() -> None:
    a, b, c = report("a", finding()), report("b"), report("c", finding("note"))
    total = a + b + c
    assert total == a + (b + c)
    assert [p.path for p in total.pipelines] == ["a", "b", "c"]
    assert (total.seen, sorted(total.asked)) == (Counter(pipelines=3, tensors=6), ["a", "b", "c"])
    assert a == report("a", finding())


def test_below_a_folder_every_path_begins_with_it() -> None:
    one = report(".", finding(pipeline="."), finding(pipeline="sub"), finding())
    moved = one.below("models/sd")
    assert [(str(f.where), str(f.against), f.pipeline) for f in moved.findings] == [
        ("models/sd/vae/config.json:2", "models/sd/vae/model.safetensors", pipeline)
        for pipeline in ("models/sd", "models/sd/sub", "")
    ]
    assert [p.path for p in moved.pipelines] == ["models/sd"]
    assert moved.files == (File("models/sd/vae/model.safetensors", "safetensors", 9, {F16: 1}),)
    assert list(moved.asked) == ["models/sd"]
    assert [str(f.where) for f in one.below("").findings] == [str(f.where) for f in one.findings]


def test_muted_findings_are_there_and_do_not_count() -> None:
    mixed = report(".", finding("note"), finding("error").mute("why"), finding("warning", "DT200"), finding("warning", "DT100"))
    assert len(mixed.findings) == 4
    assert [f.code for f in mixed.counted] == ["DT100", "DT200", "DT101"]
    assert (mixed.count("error"), mixed.count("warning"), mixed.count("note")) == (0, 2, 1)
    assert mixed.worst == "warning"
    assert (Report().worst, report(".", finding().mute("why")).worst) == (None, None)


@pytest.mark.parametrize("worst", ["error", "warning", "note"])
def test_the_verdict_is_the_worst_about_a_pipeline_or_a_component(worst: Severity) -> None:
    about = finding(worst, pipeline=".", component="vae")
    one = report(".", about, finding("note", pipeline=".", component="unet"), finding("error", pipeline="other", component="vae"))
    (pipeline,) = one.pipelines
    (vae,) = pipeline.components
    assert one.verdict(pipeline) == one.verdict(pipeline, vae) == worst
    unet = Component("unet", "unet", None, "diffusers", "denoiser")
    assert one.verdict(pipeline, unet) == "note"
    assert report(".", about.mute("why")).verdict(pipeline) == "ok"


def test_what_each_request_would_give_is_kept_by_pipeline() -> None:
    both = report("a") + Report(asked={"b": {F32: {}}})
    assert both.asked == {"a": {F16: {"vae": {F16: 3}}}, "b": {F32: {}}}


def test_runs_and_matrices_add_and_move_with_their_pipelines() -> None:
    one = report(".", finding(pipeline="."))
    plans = (Tried({"vae": F16}, "runs"),)
    one = replace(one, runs=(Run("rehearsed", "runs", "cuda", pipeline=one.pipelines[0]),), matrix={".": plans})
    both = one.below("a") + one.below("b")
    assert [run.pipeline and run.pipeline.path for run in both.runs] == ["a", "b"]
    assert both.matrix == {"a": plans, "b": plans}
    assert all(both.run_of(pipeline) is run for pipeline, run in zip(both.pipelines, both.runs, strict=True))
    assert all(run.pipeline is pipeline for pipeline, run in zip(both.pipelines, both.runs, strict=True))
    assert Report().run_of(both.pipelines[0]) is None
    lone = replace(one, runs=(Run("watched", "runs", "cuda", script="serve.py"),)).below("a")
    assert lone.runs[0].pipeline is None
