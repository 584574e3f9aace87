"""Full-size pipelines rehearsed without weights: what runs, what crashes where and by whom, within the memory of a laptop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from importlib import resources
from pathlib import Path

import pytest

from dtypecheck.dtypes import F16, F32
from dtypecheck.engine import planned
from dtypecheck.files import place
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import WrongUse, make
from dtypecheck.subjects.shown import Crash, Run

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")
jsonschema = pytest.importorskip("jsonschema")

from dtypecheck import api  # noqa: E402
from dtypecheck.runs.blame import blamed  # noqa: E402
from dtypecheck.runs.rehearse import rehearse  # noqa: E402

KNOWN = Knowledge()
SCHEMA = json.loads((resources.files("dtypecheck") / "render" / "schema.json").read_text())
GIGABYTE = 1 << 30


@cache
def played(folder: Path, dtype: str | None, device: str = "cuda", blame: bool = False) -> Run:
    """One rehearsal, without the search for remedies."""
    (pipeline,) = planned(place(folder), make(dtype, None, None, (), KNOWN, Path.cwd()), KNOWN)
    run = rehearse(pipeline, folder, KNOWN, device)
    return blamed(pipeline, run, folder, KNOWN) if blame else run


def crash_of(run: Run) -> Crash:
    assert run.verdict == "crashes", run.reason
    assert run.crash is not None
    return run.crash


# What runs


@pytest.mark.parametrize(
    "case",
    [
        "llama-small",
        "bert-f32",
        pytest.param("sd15", marks=pytest.mark.slow),
        pytest.param("cogvideox-2b", marks=pytest.mark.slow),
        pytest.param("sd3-medium", marks=pytest.mark.slow),
        pytest.param("flux-dev", marks=pytest.mark.slow),
        pytest.param("wan-t2v-1.3b", marks=pytest.mark.slow),
        pytest.param("sana", marks=pytest.mark.slow),
    ],
)
def test_a_full_size_model_runs_in_float16_on_cuda(cases: Path, case: str) -> None:
    run = played(cases / case, "float16")
    assert (run.verdict, run.reason, run.crash) == ("runs", "", None)
    assert (run.how, run.device) == ("rehearsed", "cuda")
    assert len(run.modules) > 50
    assert sum(run.weight_bytes.values()) > 100e6


def test_sdxl_runs_in_float16_as_the_command_line_says_it_in_little_memory(cases: Path) -> None:
    words = ["rehearse", str(cases / "sdxl"), "--dtype", "float16", "--output-format", "json"]
    process = subprocess.Popen([sys.executable, "-m", "dtypecheck", *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as stream:
        report = json.loads(stream.read())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert (report["rehearsal"]["verdict"], report["findings"]) == ("runs", [])
    kilobytes = usage.ru_maxrss / 1024 if sys.platform == "darwin" else usage.ru_maxrss
    assert 100e6 < kilobytes * 1024 < 1.5 * GIGABYTE


def test_the_weights_of_sdxl_are_counted_as_they_will_lie_in_memory(cases: Path) -> None:
    run = played(cases / "sdxl", "float16,vae=float32")
    assert set(run.weight_bytes) == {"text_encoder", "text_encoder_2", "unet", "vae"}
    assert run.weight_bytes["unet"] == 2_567_463_684 * 2
    assert run.weight_bytes["vae"] == 83_653_863 * 4
    assert run.called == "2 steps at 64x64"
    assert [text.partition(":")[0] for text in run.substituted] == ["tokenizer", "tokenizer_2"]


def test_every_component_of_a_pipeline_is_called_in_its_own_dtype_with_the_arguments_given(cases: Path) -> None:
    (run,) = api.rehearse(cases / "sd15", dtype="float16", call={"height": 64, "num_inference_steps": 1}).runs
    assert (run.verdict, run.called) == ("runs", "1 step at 128x64")
    assert {row.module.partition(".")[0] for row in run.modules} == {"text_encoder", "unet", "vae"}
    assert {row.dtype_out for row in run.modules if row.module in ("unet.conv_in", "vae.decoder.conv_in")} == {F16}
    assert {row.calls for row in run.modules if row.module == "unet.conv_in"} == {1}


def test_a_language_model_gives_one_forward_and_two_tokens_and_an_encoder_one_forward(cases: Path) -> None:
    assert played(cases / "llama-small", "float16").called == "one forward and two tokens"
    assert played(cases / "bert-f32", "float16").called == "one forward"


def test_modules_of_a_lone_model_begin_at_its_own_root(cases: Path) -> None:
    run = played(cases / "bert-f32", "float16")
    assert not [row.module for row in run.modules if row.module.startswith(("model.", "."))]
    assert "bert.embeddings" in {row.module for row in run.modules}


# What crashes, where and by whom


def test_sdxl_with_its_vae_in_float32_crashes_where_the_latents_come_in(cases: Path) -> None:
    crash = crash_of(played(cases / "sdxl", "float16,vae=float32"))
    assert (crash.module, crash.operator, crash.stage) == ("vae.post_quant_conv", "conv2d", "decode")
    assert crash.message == "Input type (c10::Half) and bias type (float) should be the same"
    giver, weight, _ = crash.operands
    assert (giver.role, giver.component, giver.dtype) == ("input", "unet", F16)
    assert (weight.role, weight.made, weight.dtype) == ("weight", "vae.post_quant_conv.weight", F32)
    assert "pipeline_stable_diffusion_xl.py:" in crash.glue
    assert crash.confirmed


@pytest.mark.slow
def test_sdxl_with_one_text_encoder_in_float32_names_that_one(cases: Path) -> None:
    crash = crash_of(played(cases / "sdxl", "float16,text_encoder_2=float32", blame=True))
    assert (crash.module, crash.stage) == ("unet.time_embedding.linear_1", "denoise")
    assert (crash.operands[0].component, crash.operands[0].dtype) == ("text_encoder_2", F32)


def test_sd3_as_it_is_stored_crashes_by_its_text_encoders(cases: Path) -> None:
    crash = crash_of(played(cases / "sd3-medium", None, blame=True))
    assert (crash.component, crash.stage) == ("transformer", "denoise")
    assert crash.operands[0].dtype is F16
    assert crash.operands[0].component.startswith("text_encoder")
    assert crash.operands[0].made.startswith("text_encoder")


# Arguments


@pytest.mark.parametrize(("case", "name", "near"), [("sd15", "heigth", "height"), ("cogvideox-2b", "num_frame", "num_frames")])
def test_an_unknown_argument_is_wrong_use_and_names_the_nearest(cases: Path, case: str, name: str, near: str) -> None:
    with pytest.raises(WrongUse, match=f"takes no '{name}'; the nearest is {near}"):
        api.rehearse(cases / case, dtype="float16", call={name: 64})


@pytest.mark.parametrize("call", [{"height": 33}, {"height": "tall"}, {"height": -8}, {"prompt": 3}])
def test_a_value_that_the_pipeline_refuses_is_undecided_and_no_crash(cases: Path, call: dict[str, object]) -> None:
    (run,) = api.rehearse(cases / "sd15", dtype="float16", call=call).runs
    assert (run.verdict, run.crash) == ("unknown", None)
    assert "stable_diffusion" in run.reason or "diffusers/" in run.reason


@pytest.mark.parametrize(
    ("options", "words"),
    [({"dtype": "float61"}, "float61"), ({"dtype": "vea=float16"}, "vae"), ({"device": "t44"}, "t4")],
)
def test_an_unknown_dtype_component_or_device_is_wrong_use(cases: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(WrongUse, match=words):
        api.rehearse(cases / "sd15", **options)  # type: ignore[arg-type]


def test_a_component_alone_has_nobody_who_calls_it(cases: Path) -> None:
    (run,) = api.rehearse(cases / "sharded-transformer", dtype="float16").runs
    assert run.verdict == "unknown"
    assert "nobody who calls it" in run.reason


def test_a_controlnet_alone_is_called_by_itself(cases: Path) -> None:
    for dtype, times in (("float16", 2), ("float32", 4)):
        run = played(cases / "controlnet-sd15", dtype)
        assert (run.verdict, run.called) == ("runs", "one forward"), run.reason
        assert sum(run.weight_bytes.values()) == times * 361_279_120


@pytest.mark.parametrize("extra", [0, 64])
def test_a_controlnet_of_sdxl_is_called_with_what_sdxl_adds(tmp_path: Path, extra: int) -> None:
    from diffusers import ControlNetModel

    added = {"addition_embed_type": "text_time", "projection_class_embeddings_input_dim": 1536 + 16 + extra}
    small = {"block_out_channels": (16, 32), "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "norm_num_groups": 8}
    sizes = {"addition_time_embed_dim": 256, "cross_attention_dim": 32, "layers_per_block": 1}
    ControlNetModel(**small, **sizes, **added).save_pretrained(tmp_path)  # type: ignore[arg-type]
    run = played(tmp_path, "float16")
    assert (run.verdict, run.crash) == ("runs", None), run.reason


# The command line


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "dtypecheck", "rehearse", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_help_says_first_what_it_is() -> None:
    done = command("--help")
    usage, _, text = done.stdout.partition("\n\n")
    first = " ".join(text.split("\n\n")[0].split())
    assert done.returncode == 0
    assert usage.startswith("Usage:")
    assert first == "A dry run that finds dtype crashes without weights or GPU; it cannot see NaN or black images."


@pytest.mark.parametrize(
    ("words", "says"),
    [(["/no/such/folder"], "no such file or folder"), (["--dtype", "float61"], "float61"), (["--call", "height"], "NAME=VALUE")],
)
def test_wrong_use_is_exit_2_and_one_line(cases: Path, words: list[str], says: str) -> None:
    target = [] if words[0].startswith("/") else [cases / "bert-f32"]
    done = command(*target, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_what_runs_is_exit_0_and_the_same_bytes_twice(cases: Path) -> None:
    first, second = (command(cases / "bert-f32", "--dtype", "float16", "--output-format", "json") for _ in "ab")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == second.stdout
    report = json.loads(first.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    assert (report["rehearsal"]["verdict"], report["rehearsal"]["crash"]) == ("runs", None)


def test_what_cannot_be_decided_is_exit_3(cases: Path) -> None:
    done = command(cases / "sharded-transformer", "--output-format", "json")
    assert done.returncode == 3
    report = json.loads(done.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    assert report["rehearsal"]["verdict"] == "unknown"
    assert report["rehearsal"]["reason"]
