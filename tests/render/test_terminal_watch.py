"""What people read of a watched run: one line where nothing is wrong, else findings with the script's names, and a verdict."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.engine import report_runs
from dtypecheck.findings import Where
from dtypecheck.knowledge import Knowledge
from dtypecheck.render import renderer
from dtypecheck.render.options import Look
from dtypecheck.report import Report
from dtypecheck.subjects import Claim, Component, Load, Pipeline, Request
from dtypecheck.subjects.numbers import Departure, Picture
from dtypecheck.subjects.shown import ModuleRow, Run
from dtypecheck.testing import lay_out
from tests.read.test_runs import FULL

PARTS = (
    ("unet", "UNet2DConditionModel", "denoiser", F16),
    ("vae", "AutoencoderKL", "vae", F16),
    ("text_encoder", "CLIPTextModel", "text_encoder", BF16),
)
HEALTHY = """
run: watched runs on cuda
script: serve.py as pipe
module: unet.mid_block.attentions.0 Attention F16->F16 | largest 1204 | 50 calls
module: vae.decoder.conv_in Conv2d F16->F16 | largest 12
module: text_encoder.mask Mask F16->F16 | largest 65504
steps: unet 50
steps: vae 1
"""
CONV = "vae.decoder.up_blocks.2.resnets.0.conv2"
BLACK = f"""
producer: inf {CONV} F16 Conv2d | largest 61440 | before vae.decoder.up_blocks.1.conv F16 58112 | carried by 41 to vae.decoder.conv_out | reaches vae
picture: nan 1 of 1 at postprocess black | by {CONV}
"""  # noqa: E501
SEEN = "3 components (unet, vae fp16; text_encoder bf16), 3 modules, 51 steps"


def pipeline() -> Pipeline:
    parts = [
        Component(name, name, klass, "diffusers", role, load=Load(dtype, Claim(dtype, Where(name), "shows")))
        for name, klass, role, dtype in PARTS
    ]
    return Pipeline(".", "StableDiffusionPipeline", "pipeline", tuple(parts), request=Request(device="cuda"))


def run_of(lines: str, whole: bool = True) -> Run:
    shown = lay_out(lines).shown
    assert shown
    return shown.run(pipeline() if whole else None)


def text(report: Report, form: str = "terminal", verbosity: int = 0) -> list[str]:
    out = io.StringIO()
    renderer(form)(report, out, Look(verbosity, False, 120))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.fixture
def told(known: Knowledge):  # type: ignore[no-untyped-def]
    def lines(run: Run | str, form: str = "terminal", verbosity: int = 0) -> list[str]:
        given = run_of(run) if isinstance(run, str) else run
        return text(report_runs([given], known, Request(device="cuda"), given.script), form, verbosity)

    return lines


# nothing wrong


def test_a_healthy_script_is_one_line_on_a_terminal_and_in_a_log(told) -> None:  # type: ignore[no-untyped-def]
    head = f"dtypecheck: no dtype fault in serve.py: {SEEN}; largest 1,204 of 65,504 in "
    assert told(HEALTHY) == [f"{head}pipe.unet.mid_block.attentions.0"]
    assert told(HEALTHY, verbosity=-1) == [f"{head}pipe.unet.mid_block.attentions.0"]
    assert told(HEALTHY, "concise") == [f"{head}unet.mid_block.attentions.0"]


def test_notes_and_limits_stay_in_that_line(told) -> None:  # type: ignore[no-untyped-def]
    lines = (
        HEALTHY
        + "limit: unet is compiled\nlimit: vae is compiled\npicture: uniform 1 of 1 black\nevent: lowered unet.x - F32->F16"
    )
    (line,) = told(lines)
    assert line.startswith("dtypecheck: no dtype fault in serve.py: ")
    assert line.endswith("; -v shows 2 notes and 2 limits")


def test_what_is_by_design_is_silent_but_for_v(told) -> None:  # type: ignore[no-untyped-def]
    lines = f"{HEALTHY}event: promoted unet.a mul F16+F32->F32 | 9 times | by design\nevent: lowered vae.b - F32->F16 | by design"
    assert len(told(lines)) == 1
    assert "   by design: 10 events (promoted, lowered) in 2 modules" in told(lines, verbosity=1)


def test_a_pipeline_of_many_parts_is_counted_by_dtype(told) -> None:  # type: ignore[no-untyped-def]
    rows = "\n".join(f"module: part_{n}.x Linear F16->F16 | weights {'F16' if n else 'F32'}" for n in range(9))
    (line,) = told(run_of(f"run: watched runs on cpu\nscript: a.py\n{rows}", whole=False))
    assert line == "dtypecheck: no dtype fault in a.py: 9 components (1 fp32, 8 fp16), 9 modules"


def test_magnitudes_of_bf16_and_fp32_are_told_without_a_limit(told) -> None:  # type: ignore[no-untyped-def]
    lines = "run: watched runs on cpu\nscript: a.py\nmodule: net.x Linear BF16->BF16 | largest 1204"
    (line,) = told(run_of(lines, whole=False))
    assert line.endswith("; largest 1,204 (bf16) in net.x")


def test_a_script_without_modules_says_that_nothing_was_watched(told) -> None:  # type: ignore[no-untyped-def]
    assert told(run_of("run: watched unknown on cpu\nscript: a.py", whole=False)) == [
        "dtypecheck: nothing was watched: a.py called no torch module"
    ]


def test_a_script_that_stopped_for_another_reason_says_so_in_its_line(told) -> None:  # type: ignore[no-untyped-def]
    (line,) = told(HEALTHY.replace("runs on", "unknown on") + "stopped: : KeyError: 'x' (serve.py:3)")
    assert line.startswith("dtypecheck: no dtype fault in serve.py before it stopped (KeyError: 'x' (serve.py:3)): 3 components")
    (line,) = told(HEALTHY + "code: 2")
    assert line.startswith("dtypecheck: no dtype fault in serve.py (it ended with code 2): 3 components")


# something wrong


def test_a_black_picture_is_told_with_the_script_s_own_names(told) -> None:  # type: ignore[no-untyped-def]
    assert told(HEALTHY + BLACK + "limit: unet is compiled: it is seen as one module") == [
        "error DT307 image 1 of 1 is black: all of it was NaN before it became a picture; "
        f"pipe.{CONV} (fp16) overflowed: inputs finite, largest 61,440",
        "      because  pipe.vae.decoder.up_blocks.1.conv reached 58,112 of 65,504 before it; "
        "carried by 41 modules to pipe.vae.decoder.conv_out",
        "      fix      load all of it in bf16: StableDiffusionPipeline.from_pretrained(MODEL, torch_dtype=torch.bfloat16)",
        "      or       in ComfyUI --fp32-vae, in AUTOMATIC1111 --no-half-vae, in Forge --vae-in-fp32",
        "not seen: unet is compiled: it is seen as one module",
        f"dtypecheck: serve.py: 1 error in {SEEN}, 1 image   dtypecheck explain DT307",
    ]


def test_a_crash_is_told_and_its_module_stands_in_the_verdict(told) -> None:  # type: ignore[no-untyped-def]
    crash = (
        "crash: unet.conv_in conv2d in denoise | input F32 text_encoder (x) | weight F16 unet.conv_in.weight | script serve.py:12"
    )
    lines = told(HEALTHY.replace("runs on", "crashes on") + f"code: 1\n{crash}\nevent: mixed unet.x - F16+F32")
    assert lines[0].startswith("error DT301 pipe.unet.conv_in has fp16 weights and is given fp32 from text_encoder (x)")
    assert "      against  serve.py:12" in lines
    assert lines[-1] == "dtypecheck: serve.py crashes on cuda in pipe.unet.conv_in; 1 warning   dtypecheck explain DT301"


def test_a_log_has_paths_as_json_has_them_and_the_counts(told) -> None:  # type: ignore[no-untyped-def]
    first, last = told(HEALTHY + BLACK, "concise")
    assert first.startswith(f"serve.py {CONV}: error DT307 image 1 of 1 is black")
    assert last == f"dtypecheck: serve.py: 1 error in {SEEN}, 1 image"


def test_the_fix_in_a_log_is_a_line_of_the_script(told) -> None:  # type: ignore[no-untyped-def]
    crash = "crash: vae.conv_in conv2d | input F16 unet (z) | weight F32 vae.conv_in.weight"
    run = run_of(HEALTHY.replace("runs on", "crashes on") + crash)
    assert run.crash
    first, *_ = told(replace(run, crash=replace(run.crash, remedy="vae.to(torch.float16)")), "concise")
    assert first.startswith("serve.py vae.conv_in: error DT301 vae.conv_in has fp32 weights")
    assert first.endswith("; fix: pipe.vae.to(torch.float16)")


def test_with_v_components_departures_pictures_and_the_least_room_are_shown(told) -> None:  # type: ignore[no-untyped-def]
    rows = "\n".join(f"module: unet.block.{n} Linear F16->F16 | largest {n + 1}" for n in range(40))
    lines = told(f"{HEALTHY}{rows}\ndeparture: unet F16 0.0016\npicture: ok 1 of 1 at save | file out.png", verbosity=1)
    assert lines[0] == "serve.py   watched on cuda"
    assert "   unet UNet2DConditionModel in fp16, 50 steps" in lines
    assert "dtypecheck: unet in fp16 departs from fp32 by 0.16 %" in lines
    assert "   image 1 of 1 (out.png): ok" in lines
    at = next(i for i, line in enumerate(lines) if line.startswith("   least headroom"))
    assert lines[at + 1].split() == ["pipe.text_encoder.mask", "Mask", "65,504", "of", "65,504", "0.0", "1"]
    assert lines[at + 2].split() == ["pipe.unet.mid_block.attentions.0", "Attention", "1,204", "of", "65,504", "5.8", "50"]
    assert lines[at + 16] == ""
    assert lines[-1].startswith("dtypecheck: no dtype fault in serve.py: ")


# names


def test_only_paths_of_modules_that_ran_get_the_variable_in_front(told) -> None:  # type: ignore[no-untyped-def]
    crash = (
        "crash: unet.up.0.conv conv2d | input F32 vae (z) at diffusers/unet.up.0.conv.py:3 | weight F16 unet.up.0.conv.weight"
        " | glue diffusers/pipelines/vae.decoder.py:7 | script my/unet.up.py:3"
    )
    joined = "\n".join(told(HEALTHY.replace("runs on", "crashes on") + crash))
    assert "diffusers/pipelines/vae.decoder.py:7" in joined
    assert "my/unet.up.py:3" in joined
    assert joined.count("pipe.unet.up.0.conv has fp16 weights and is given fp32 from vae (z)") == 1


def test_a_lone_module_s_paths_get_its_name_in_front_and_plain_words_do_not(told) -> None:  # type: ignore[no-untyped-def]
    part = Component("net", "net", "Net", "diffusers", "other", load=Load(F16, Claim(F16, Where("net"), "shows")))
    alone = Pipeline(".", None, "model", (part,))
    shown = lay_out(
        "run: watched runs on cpu\nscript: a.py as net\nmodule: image Linear F16->F16\nmodule: down.fc Linear F16->F16\n"
        "module: norm LayerNorm F16->F16\n"
        "producer: inf image F16 | carried by 2 to norm | before down.fc F16 3000 | reaches net\npicture: nan 1 of 1 black"
    ).shown
    assert shown
    first, because, *_ = told(shown.run(alone))
    assert "image 1 of 1 is black: all of it was NaN before it became a picture; net.image (fp16) overflowed" in first
    assert because == "      because  net.down.fc reached 3,000 of 65,504 before it; carried by 2 modules to net.norm"


def test_without_a_variable_paths_are_as_they_are(told) -> None:  # type: ignore[no-untyped-def]
    lines = told((HEALTHY + BLACK).replace("serve.py as pipe", "serve.py"))
    assert f"; {CONV} (fp16) overflowed" in lines[0]


# several


def test_processes_of_one_script_are_one_line_and_other_runs_one_each(known: Knowledge) -> None:
    run = run_of(HEALTHY)
    ranks = [replace(run, ranks=(number,), pipeline=pipeline()) for number in range(4)]
    (line,) = text(report_runs(ranks, known, Request()))
    assert line.startswith("dtypecheck: no dtype fault in serve.py: 3 components")
    assert ", 4 processes; largest" in line
    lines = text(report_runs([run, replace(run, script="other.py", pipeline=pipeline())], known, Request()))
    assert [line.partition(": 3")[0] for line in lines] == [
        "dtypecheck: no dtype fault in serve.py",
        "dtypecheck: no dtype fault in other.py",
    ]


def test_what_a_script_or_file_says_cannot_steer_the_terminal(known: Knowledge) -> None:
    evil = "\x1b[2Jgone"
    run = replace(
        FULL,
        script=evil,
        variable=evil,
        limits=(evil,),
        reason=evil,
        called=evil,
        modules=(ModuleRow(evil, 1, F16, F16, 60000.0, evil), ModuleRow(f"unet.{evil}", 1, F32, F32, 1.0)),
        pictures=(Picture("nan", producer=evil, path=evil, colour=evil), Picture("uniform", colour=evil)),
        departures=(Departure(evil, F16, 0.5, evil, 0.1),),
        steps={evil: 3},
    )
    for verdict in ("runs", "crashes", "unknown"):
        report = report_runs([replace(run, verdict=verdict, pipeline=None)], known, Request())
        for form in ("terminal", "concise"):
            for verbosity in (-1, 0, 1):
                assert "\x1b" not in "\n".join(text(report, form, verbosity))
