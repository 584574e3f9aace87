"""The gate: what it looks at, what it says it did not look at, and the one word that it makes of both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from dtypecheck.dtypes import BF16, F32
from dtypecheck.gate.missing import Missing
from dtypecheck.gate.verdict import gate_code, judged
from dtypecheck.report import Report
from dtypecheck.request import WrongUse
from dtypecheck.settings import Demands
from dtypecheck.verbs.gate import Asking, gate
from tests.gate.deployed import APART, ROOT, SCRIPT, run, verdict
from tests.loading import saved

# what is seen


def test_a_sound_model_that_was_rehearsed_and_read_may_be_deployed(model: Path) -> None:
    made = verdict(model, "serve.py", dtype="float16", device="t4")
    assert made.verdict == "deploy"
    assert "3 components in fp16" in made.because
    assert "it runs on t4 in a rehearsal" in made.because
    assert "numbers in the weights are sound, 1 script" in made.because
    (left,) = made.unchecked
    assert left.startswith("no picture was looked at")


def test_a_plan_that_crashes_stops_it_and_the_first_words_say_where(model: Path) -> None:
    made = verdict(model, dtype="float16,vae=float32", rehearse=False)
    assert made.verdict == "do not deploy"
    assert made.because.startswith("model/vae/")
    assert "the vae loads as fp32 and is given fp16 latents" in made.because


def test_a_rehearsal_that_crashes_stops_it(model: Path) -> None:
    gated = gate([model], Asking(dtype="float16,text_encoder=float32"))
    crash = next(finding for finding in gated.report.findings if finding.name == "run-crashes")
    assert crash.where.path.startswith("model/")
    assert gated.verdict(gated.report).gate.verdict == "do not deploy"  # type: ignore[union-attr]


def test_inf_in_the_weights_stops_it(model: Path) -> None:
    path = next((model / "unet").glob("*.safetensors"))
    tensors = load_file(path)
    tensors["conv_in.weight"][0, 0, 0, 0] = float("inf")
    save_file(tensors, path, {"format": "pt"})
    made = verdict(model, dtype="float16", rehearse=False)
    assert made.verdict == "do not deploy"
    assert f"{path.as_posix()}" in made.because


def test_a_script_that_mixes_dtypes_stops_it_and_is_named_with_its_line(model: Path) -> None:
    Path("serve.py").write_text(APART)
    made = verdict(model, "serve.py", dtype="float16", rehearse=False)
    assert made.verdict == "do not deploy"
    assert made.because.startswith("serve.py:5")


def test_paths_begin_with_the_target_as_it_was_given_and_never_at_the_root(model: Path, tmp_path: Path) -> None:
    inside = gate([tmp_path / "model"], Asking(rehearse=False)).report
    assert {pipeline.path for pipeline in inside.pipelines} == {"model"}
    elsewhere = saved.make("sdxl-fp16", tmp_path.parent / f"{tmp_path.name}-other" / "xl")
    outside = gate([elsewhere], Asking(rehearse=False)).report
    assert {pipeline.path for pipeline in outside.pipelines} == {"xl"}


# what is not seen


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        ({"rehearse": False}, "rehearsal", "it was not rehearsed: --no-rehearse leaves it out"),
        ({"up_to": 0, "rehearse": False}, "values", "the numbers were not looked at: --values-up-to 0 leaves it out"),
    ],
)
def test_what_is_left_out_leaves_it_open_and_fails_only_where_it_is_required(
    model: Path, asked: dict[str, Any], kind: str, said: str
) -> None:
    made = verdict(model, dtype="float16", **asked)
    assert made.verdict == "not proven"
    assert said in made.unchecked
    assert made.lacking == ()
    assert verdict(model, dtype="float16", required=[kind], **asked).lacking == (said,)
    by_policy = verdict(model, dtype="float16", demands=Demands(checks=(kind,)), **asked)
    assert by_policy.lacking == (said,)


def test_files_larger_than_the_limit_are_told_and_leave_nothing_open(model: Path) -> None:
    made = verdict(model, dtype="float16", up_to=20_000)
    assert made.verdict == "deploy"
    assert any("it is larger than" in text and "--values-up-to" in text for text in made.unchecked)


def test_a_skeleton_of_headers_proves_nothing_about_its_numbers(cases: Path) -> None:
    made = verdict(cases / "sdxl", dtype="float16", rehearse=False)
    assert made.verdict == "not proven"
    assert any("a skeleton, of a header alone" in text for text in made.unchecked)
    assert not any(
        finding.name == "numbers-missing" for finding in gate([cases / "sdxl"], Asking(rehearse=False)).report.findings
    )


def test_a_model_of_a_script_that_is_not_there_is_told_with_the_option_that_names_it(model: Path) -> None:
    Path("serve.py").write_text(SCRIPT.replace('"model"', '"owner/name"'))
    made = verdict(model, "serve.py", dtype="float16", rehearse=False)
    offers = "--model owner/name=DIR names its folder, --online asks the Hub"
    assert f"owner/name, which a script loads, was not seen: {offers}" in made.unchecked
    linked = verdict(model, "serve.py", dtype="float16", rehearse=False, models={"owner/name": model})
    assert not any("owner/name" in text for text in linked.unchecked)


@pytest.mark.parametrize(
    ("text", "said"),
    [("import torch, diffusers\nx = torch.float16 (:\n", "cannot be parsed"), ("print(1)\n", "nothing about models")],
)
def test_a_script_in_which_nothing_is_seen_leaves_it_open(model: Path, text: str, said: str) -> None:
    Path("serve.py").write_text(text)
    made = verdict(model, "serve.py", dtype="float16", rehearse=False)
    assert made.verdict == "not proven"
    assert any(said in reason for reason in made.unchecked)


def test_an_undecided_rehearsal_leaves_it_open(tmp_path: Path) -> None:
    saved.original(tmp_path / "v1.safetensors", dict.fromkeys(("unet", "vae", "text_encoder"), "fp16"))
    made = verdict(tmp_path / "v1.safetensors", dtype="float16")
    assert made.verdict == "not proven"
    assert any("a single file holds no configs" in text for text in made.unchecked)


def test_what_cannot_be_required_is_wrong_use_and_named() -> None:
    with pytest.raises(WrongUse, match="'rehersal' cannot be required; rehearsal, run, values"):
        gate([], Asking(required=["rehersal"]))


# demands


@pytest.mark.parametrize(
    ("demands", "said"),
    [
        (Demands(require={"vae": (BF16, F32)}), "vae loads in fp16, and the policy requires bf16 and fp32"),
        (Demands(max_bytes=1000), "after loading, and the policy allows 1 kB"),
        (Demands(require={"vae": (BF16,), "transformer": (F32,)}), "vae loads in fp16, and the policy requires bf16"),
    ],
)
def test_a_demand_that_is_not_met_stops_it(model: Path, demands: Demands, said: str) -> None:
    made = verdict(model, dtype="float16", demands=demands, rehearse=False)
    assert made.verdict == "do not deploy"
    assert said in made.because


def test_a_class_may_be_forbidden_a_dtype_and_other_classes_are_not(model: Path) -> None:
    forbidden = verdict(model, dtype="bfloat16", demands=Demands(forbid={"AutoencoderKL": (BF16,)}), rehearse=False)
    assert "vae (AutoencoderKL) loads in bf16, which the policy forbids for it" in forbidden.because
    assert verdict(model, dtype="float16", demands=Demands(forbid={"AutoencoderKL": (BF16,)})).verdict == "deploy"


def test_pickles_may_be_forbidden(tmp_path: Path) -> None:
    pickled = saved.make("sd15-pickled", tmp_path / "model")
    made = verdict(pickled, dtype="float16", demands=Demands(pickles=False), rehearse=False)
    assert made.verdict == "do not deploy"
    assert "this is a pickle, and the policy forbids pickles" in made.because
    assert verdict(pickled, dtype="float16", rehearse=False).verdict == "not proven"


# runs that were watched


def test_a_watched_run_is_evidence_and_what_crashed_in_it_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(
        "import torch\n"
        "net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4)).half()\n"
        "torch.nn.init.ones_(net[0].weight)\n"
        "net(torch.full((1, 4), VALUE).half())\n"
    )
    for name, value in (("sound", "1.0"), ("hot", "60000.0")):
        script = tmp_path / f"{name}.py"
        script.write_text((tmp_path / "net.py").read_text().replace("VALUE", value))
        command = [sys.executable, "-m", "dtypecheck", "watch", "-o", f"{name}.json", script.name]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300, env=environment, check=False)
    hot = verdict("hot.json", required=["run"])
    assert hot.verdict == "do not deploy"
    assert "overflowed" in hot.because or "inf" in hot.because
    sound = verdict("sound.json", required=["run"])
    assert sound.lacking == ()
    assert not any("picture" in text for text in sound.unchecked)


# the word


def test_required_evidence_that_is_missing_makes_not_proven_a_failure() -> None:
    seen = Report()
    seen.seen["pipelines"] = 1
    gap = Missing("run", "no picture was looked at", open=False)
    free, asked = judged(seen, [gap], []), judged(seen, [gap], ["run"])
    assert (free.gate and free.gate.verdict, gate_code(free)) == ("deploy", 0)
    assert (asked.gate and asked.gate.verdict, gate_code(asked)) == ("not proven", 1)
    assert gate_code(asked, "never") == 0
    assert gate_code(judged(Report(), [gap], [])) == 3


def test_the_command_line_ends_with_the_verdict_and_its_code(model: Path, tmp_path: Path) -> None:
    good = run("model", "serve.py", "--dtype", "float16", "--no-rehearse", "--require", "values", cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    assert good.stdout.splitlines()[-1].startswith("not proven: nothing speaks against it, but it was not rehearsed")
    bad = run("model", "--dtype", "float16", "--no-rehearse", "--require", "rehearsal,values", cwd=tmp_path)
    assert bad.returncode == 1
    assert bad.stdout.splitlines()[-1].startswith("not proven: it was not rehearsed")
    assert "(required)" in bad.stdout
    (tmp_path / "policy.toml").write_text('require = {vae = ["float32"]}\n')
    strict = run("model", "--dtype", "float16", "--no-rehearse", "--policy", "policy.toml", "-o", "r.json", cwd=tmp_path)
    assert strict.returncode == 1
    assert strict.stdout.splitlines()[-1].startswith("do not deploy: model/vae/")
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["gate"]["verdict"] == "do not deploy"
    assert {finding["code"] for finding in written["findings"]} >= {"DT124"}
    (tmp_path / "policy.toml").write_text('requires = {vae = ["float32"]}\n')
    wrong = run("model", "--policy", "policy.toml", cwd=tmp_path)
    assert (wrong.returncode, "require" in wrong.stderr) == (2, True)
    (tmp_path / "empty").mkdir()
    assert run("empty", cwd=tmp_path).returncode == 3


def test_on_github_it_annotates_the_lines_and_writes_the_summary(model: Path, tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(APART)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    done = run("model", "serve.py", "--no-rehearse", cwd=tmp_path, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 1
    assert "::error file=serve.py,line=5" in done.stdout
    assert summary.read_text().startswith("before\n")
    assert "do not deploy" in summary.read_text()


def test_without_torch_and_numpy_it_works_and_says_what_it_could_not_check(model: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'numpy', 'diffusers', 'transformers', 'safetensors'): sys.modules[name] = None\n"
        "from dtypecheck.cli import main\n"
        "main(['gate', 'model', 'serve.py', '--dtype', 'float16'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "not checked: it was not rehearsed: torch is not installed" in done.stdout
    assert "not checked: the numbers were not looked at: numpy is not installed" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("not proven")


def test_scripts_are_executed_only_where_that_was_asked_for(model: Path, tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(SCRIPT + "import pathlib, os; os.environ['RAN'] = '1'; os.mkdir('ran')\n")
    gate([model, Path("serve.py")], Asking(dtype="float16", rehearse=False))
    assert not (tmp_path / "ran").exists()
    gated = gate([model, Path("serve.py")], Asking(dtype="float16", rehearse=False, run_scripts=True))
    assert any(run.script == "serve.py" for run in gated.report.runs)


# how it is loaded


def test_a_model_is_judged_as_the_script_loads_it_unless_the_caller_says_how(model: Path) -> None:
    apart = verdict(model, rehearse=True, dtype="float16,vae=float32")
    assert apart.verdict == "do not deploy"
    gated = gate([Path("serve.py"), model], Asking())
    assert {run.weight_bytes["unet"] for run in gated.report.runs} == {
        component.loads().nbytes
        for pipeline in gated.report.pipelines
        for component in pipeline.components
        if component.name == "unet"
    }
    assert gated.verdict(gated.report).gate.because.startswith("3 components in fp16")  # type: ignore[union-attr]
    assert verdict("serve.py", model, dtype="float16,vae=float32").verdict == "do not deploy"


def test_a_part_that_the_script_loads_by_itself_is_judged_in_its_own_dtype(model: Path) -> None:
    Path("serve.py").write_text(
        "import torch\n"
        "from diffusers import AutoencoderKL, StableDiffusionPipeline\n"
        'vae = AutoencoderKL.from_pretrained("model", subfolder="vae", torch_dtype=torch.float32)\n'
        'pipe = StableDiffusionPipeline.from_pretrained("model", vae=vae, torch_dtype=torch.float16)\n'
        'pipe("a cat")\n'
    )
    report = gate([model, Path("serve.py")], Asking(rehearse=False)).report
    (pipeline,) = report.pipelines
    assert {component.name: component.loads().dtype.short for component in pipeline.components if component.loads().dtype} == {  # type: ignore[union-attr]
        "text_encoder": "fp16", "unet": "fp16", "vae": "fp32"
    }  # fmt: skip


def test_a_dtype_that_hangs_on_cuda_is_that_of_the_device(model: Path) -> None:
    text = "dtype = torch.float16 if torch.cuda.is_available() else torch.float32\n"
    Path("serve.py").write_text(
        SCRIPT.replace("\npipe =", f"\n{text}pipe =").replace("torch_dtype=torch.float16", "torch_dtype=dtype")
    )
    for device, short in (("t4", "fp16"), (None, "fp16"), ("cpu", "fp32")):
        report = gate([model, Path("serve.py")], Asking(rehearse=False, device=device)).report
        assert {c.loads().dtype.short for p in report.pipelines for c in p.components if c.loads().dtype} == {short}  # type: ignore[union-attr]


def test_where_the_script_does_not_tell_the_dtype_nothing_is_rehearsed_and_that_is_said(model: Path) -> None:
    Path("serve.py").write_text(SCRIPT.replace("torch.float16", "chosen()"))
    made = verdict(model, "serve.py")
    assert made.verdict == "not proven"
    assert "it was not rehearsed: serve.py:4 loads it in a dtype that its text does not tell (--dtype does)" in made.unchecked


def test_settings_say_how_a_target_is_loaded(model: Path) -> None:
    report = gate(
        [model], Asking(rehearse=False, each=lambda path: {"dtype": "bfloat16", "variant": None, "device": "a100"})
    ).report
    assert {c.loads().dtype.short for p in report.pipelines for c in p.components if c.loads().dtype} == {"bf16"}  # type: ignore[union-attr]


def test_a_part_that_is_cast_after_the_last_call_is_no_second_way_to_load_the_model(model: Path) -> None:
    Path("serve.py").write_text(SCRIPT + "pipe.vae.to(torch.bfloat16)\n")
    report = gate([model, Path("serve.py")], Asking(rehearse=False)).report
    assert [load.asked for load in report.loaded] == ["float16"]
    assert len(report.pipelines) == 1


def test_a_part_that_the_folder_has_not_is_no_wrong_use(model: Path) -> None:
    Path("serve.py").write_text(
        "import torch\n"
        "from diffusers import ControlNetModel, StableDiffusionControlNetPipeline\n"
        'net = ControlNetModel.from_pretrained("owner/net", torch_dtype=torch.float16)\n'
        'pipe = StableDiffusionControlNetPipeline.from_pretrained("model", controlnet=net, torch_dtype=torch.float16)\n'
        'pipe("a cat", image=None)\n'
    )
    (load,) = [load for load in gate([model, Path("serve.py")], Asking(rehearse=False)).report.loaded if load.repo == "model"]
    assert load.asked == "float16"
