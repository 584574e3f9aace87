"""What people read of runs: the table, the verdict in one line, the dtype plans; the same bytes for the same run."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from dtypecheck.checks.words import size
from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.engine import report_runs
from dtypecheck.knowledge import Knowledge
from dtypecheck.render import renderer
from dtypecheck.render.options import Look
from dtypecheck.report import Report
from dtypecheck.subjects import Component, Load, Pipeline, Request
from dtypecheck.subjects.shown import Crash, Event, Operand, Run, Tried

NAMES = {"text_encoder": "text_encoder", "text_encoder_2": "text_encoder", "unet": "denoiser", "vae": "vae"}
PARTS = tuple(Component(name, name, name.title(), "diffusers", role, load=Load(F16)) for name, role in NAMES.items())
REQUEST = Request({"": F16}, device="t4", libraries=(("diffusers", "0.42.1", "installed"),))
PIPELINE = Pipeline(".", "StableDiffusionXLPipeline", "pipeline", PARTS, request=REQUEST)
WEIGHTS = {"text_encoder": 246_000_000, "text_encoder_2": 1_400_000_000, "unet": 5_100_000_000, "vae": 167_000_000}
CRASH = Crash("unet.conv_in", "conv2d", "says", (Operand("input", F32, "vae (sample)"), Operand("bias", F16)), stage="denoise")
RUNS = Run("rehearsed", "runs", "t4", weight_bytes=WEIGHTS, pipeline=PIPELINE, called="2 steps at 64x64")


def tried(te: object, unet: object, vae: object, verdict: str, **more: object) -> Tried:
    return Tried(dict(zip(NAMES, (te, te, unet, vae), strict=True)), verdict, weight_bytes=7_100_000_000, **more)  # type: ignore[arg-type]


PLANS = (
    tried(F16, F16, F16, "runs", recommended=True, note="vae upcast by the pipeline while it decodes"),
    tried(BF16, BF16, BF16, "runs", slow=True, note="t4 emulates bf16"),
    tried(F16, F16, F32, "crashes", crash=CRASH),
    tried(F32, F16, F16, "crashes", crash=replace(CRASH, confirmed=False)),
    tried(F32, F32, F32, "unknown", reason="unet.router needs numbers"),
)


@pytest.fixture
def of(known: Knowledge):  # type: ignore[no-untyped-def]
    def made(*runs: Run, **more: object) -> Report:
        return report_runs(runs, known, REQUEST, "sdxl", **more)  # type: ignore[arg-type]

    return made


def text(report: Report, form: str = "terminal", verbosity: int = 0, width: int = 120) -> list[str]:
    out = io.StringIO()
    renderer(form)(report, out, Look(verbosity, False, width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_run_that_runs_is_a_table_and_one_line(of) -> None:  # type: ignore[no-untyped-def]
    assert text(of(RUNS)) == [
        "sdxl   StableDiffusionXLPipeline, rehearsed on t4 by diffusers 0.42.1 (installed) with fp16",
        "   component       class           loads as  weights",
        "   text_encoder    Text_Encoder    fp16       246 MB",
        "   text_encoder_2  Text_Encoder_2  fp16       1.4 GB",
        "   unet            Unet            fp16       5.1 GB",
        "   vae             Vae             fp16       167 MB",
        "",
        "runs on t4: 4 components, 6.9 GB of weights (unet 5.1 GB, text_encoder_2 1.4 GB, text_encoder 246 MB, ...), "
        "2 steps at 64x64",
    ]


def test_a_crash_marks_its_component_and_ends_with_the_verdict(of) -> None:  # type: ignore[no-untyped-def]
    lines = text(of(replace(RUNS, verdict="crashes", crash=CRASH)))
    assert "x  unet            Unet            fp16       5.1 GB" in lines
    assert any(line.startswith("error DT301 unet.conv_in has an fp16 bias and is given fp32 from vae (sample)") for line in lines)
    assert lines[-1] == "crashes on t4 in unet.conv_in   dtypecheck explain DT301"


def test_what_nobody_confirmed_and_what_nobody_knows_is_said_in_the_verdict(of) -> None:  # type: ignore[no-untyped-def]
    crash = replace(CRASH, confirmed=False)
    expected = "crashes on t4 in unet.conv_in (expected, not confirmed)"
    assert text(of(replace(RUNS, verdict="crashes", crash=crash)))[-1] == f"{expected}   dtypecheck explain DT301"
    unknown = replace(RUNS, verdict="unknown", reason="nonzero needs numbers", module="unet.router")
    assert text(of(unknown))[-1] == "undecided in unet.router: nonzero needs numbers"
    at_start = replace(unknown, reason="unet.router: it has no config")
    assert text(of(at_start))[-1] == "undecided: unet.router: it has no config"


def test_other_findings_than_the_crash_are_counted_in_the_verdict(of) -> None:  # type: ignore[no-untyped-def]
    events = (Event("promoted", "unet.a", to=F32, by="vae (x)"), Event("rotary", "unet.rope", to=F16))
    assert text(of(replace(RUNS, called="", weight_bytes={}, events=events)))[-1].startswith("runs on t4; 1 warning, 1 note   ")


@pytest.mark.parametrize("form", ["terminal", "concise"])
def test_quiet_is_one_line_where_nothing_is_wrong(form: str, of) -> None:  # type: ignore[no-untyped-def]
    (line,) = text(of(RUNS), form, -1)
    assert line.removeprefix("sdxl: ").startswith("runs on t4: 4 components")


def test_concise_is_a_line_a_finding_and_the_verdict(of) -> None:  # type: ignore[no-untyped-def]
    first, last = text(of(replace(RUNS, verdict="crashes", crash=CRASH)), "concise")
    assert first.startswith("unet unet.conv_in: error DT301 unet.conv_in has an fp16 bias")
    assert last == "crashes on t4 in unet.conv_in"


def test_stand_ins_are_named_and_explained_with_v(of) -> None:  # type: ignore[no-untyped-def]
    run = replace(RUNS, substituted=("tokenizer: its files are not there", "tokenizer_2: its files are not there"))
    assert "   substituted: tokenizer, tokenizer_2" in text(of(run))
    assert "   substituted: tokenizer_2: its files are not there" in text(of(run), verbosity=1)


def test_what_is_by_design_is_counted_with_v_alone(of) -> None:  # type: ignore[no-untyped-def]
    events = (Event("promoted", "unet.a", times=9, by_design=True), Event("promoted", "unet.b", times=3, by_design=True))
    run = replace(RUNS, events=events)
    assert text(of(run)) == text(of(RUNS))
    assert "   by design: 12 casts in 2 modules" in text(of(run), verbosity=1)


def test_files_that_a_script_wanted_to_write_are_listed(of) -> None:  # type: ignore[no-untyped-def]
    run = Run("rehearsed", "runs", "cuda", script="serve.py", written=tuple(f"{i}.png" for i in range(7)))
    lines = text(of(run))
    assert lines[0] == "serve.py   rehearsed on cuda"
    assert "   not written: 0.png, 1.png, 2.png, 3.png, 4.png and 2 more" in lines
    assert lines[-1] == "runs on cuda"
    assert text(of(run), verbosity=-1) == ["serve.py: runs on cuda"]


@pytest.mark.parametrize("width", [60, 120])
def test_the_matrix_shows_each_plan_in_full_the_recommended_one_marked(width: int, of) -> None:  # type: ignore[no-untyped-def]
    report = of(matrix={".": PLANS}, pipelines=(PIPELINE,))
    assert text(report, width=width) == [
        "sdxl   StableDiffusionXLPipeline, rehearsed on t4 by diffusers 0.42.1 (installed)",
        "   text encoders  unet  vae   runs on t4  weights",
        ">  fp16           fp16  fp16  yes         7.1 GB   recommended; vae upcast by the pipeline while it decodes",
        "   bf16           bf16  bf16  yes, slow   7.1 GB   t4 emulates bf16",
        "   fp16           fp16  fp32  no          7.1 GB   unet.conv_in: fp32 input, fp16 bias",
        "   fp32           fp16  fp16  no          7.1 GB   unet.conv_in: fp32 input, fp16 bias (expected, not confirmed)",
        "   fp32           fp32  fp32  unknown     7.1 GB   unet.router needs numbers",
        "",
        "2 of 5 dtype plans run on t4; recommended: fp16, 7.1 GB",
    ]
    assert text(report, verbosity=-1) == ["sdxl: 2 of 5 dtype plans run on t4; recommended: fp16, 7.1 GB"]
    assert text(report, "concise") == ["2 of 5 dtype plans run on t4; recommended: fp16, 7.1 GB"]


def test_text_encoders_that_differ_in_one_plan_have_a_column_each(of) -> None:  # type: ignore[no-untyped-def]
    apart = Tried({**PLANS[0].dtypes, "text_encoder_2": F32}, "crashes", CRASH)
    lines = text(of(matrix={".": (PLANS[1], apart)}, pipelines=(PIPELINE,)))
    assert lines[1].split() == ["text_encoder", "text_encoder_2", "unet", "vae", "runs", "on", "t4", "weights"]
    assert lines[-1] == "1 of 2 dtype plans runs on t4; none is recommended"


def test_several_runs_end_with_a_line_each(of) -> None:  # type: ignore[no-untyped-def]
    lines = text(of(RUNS).below("a") + of(replace(RUNS, verdict="crashes", crash=CRASH)).below("b"))
    assert lines[-2].startswith("a: runs on t4: ")
    assert lines[-1] == "b: crashes on t4 in unet.conv_in   dtypecheck explain DT301"


def test_what_a_model_s_files_say_cannot_steer_the_terminal(of) -> None:  # type: ignore[no-untyped-def]
    evil = "\x1b[2Jgone"
    run = replace(RUNS, substituted=(f"{evil}: why",), verdict="unknown", reason=evil, written=(evil,), module=evil)
    matrix = {".": (replace(PLANS[0], note=evil),)}
    for form in ("terminal", "concise"):
        for verbosity in (-1, 0, 1):
            for report in (of(run), of(replace(run, pipeline=None, script=evil)), of(matrix=matrix, pipelines=(PIPELINE,))):
                assert "\x1b" not in "\n".join(text(report, form, verbosity))


def test_sizes_are_decimal_as_on_the_hub() -> None:
    assert [size(n) for n in (0, 999, 1000, 246_000_000, 5_135_000_000, 2_000_000_000_000)] == [
        "0 bytes",
        "999 bytes",
        "1 kB",
        "246 MB",
        "5.1 GB",
        "2.0 TB",
    ]
