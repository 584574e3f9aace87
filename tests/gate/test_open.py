"""What a gate must not call deployable: what it was given and did not look at, or looked at otherwise than it is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dtypecheck.dtypes import F32
from dtypecheck.knowledge import Knowledge, folder
from dtypecheck.settings import Demands, read_demands
from dtypecheck.verbs.gate import Asking, gate
from tests.gate.deployed import APART, SCRIPT, run, verdict
from tests.loading import saved
from tests.runs.watch import tiny


def with_inf(path: Path) -> None:
    tensors = load_file(path)
    tensors["conv_in.weight"][0, 0, 0, 0] = float("inf")
    save_file(tensors, path, {"format": "pt"})


# what was given and holds nothing


def test_an_empty_folder_is_no_deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    made = verdict("empty")
    assert (made.verdict, made.because) == ("not proven", "empty holds no model, no weights and no script about models")


def test_an_empty_folder_beside_a_sound_model_leaves_it_open(model: Path) -> None:
    Path("empty").mkdir()
    made = verdict(model, "empty", dtype="float16")
    assert made.verdict == "not proven"
    assert made.because.startswith("nothing speaks against it, but empty holds no model")
    assert not made.because.endswith("more)"), "it is the only thing"


@pytest.mark.parametrize("text", ['{"of": "another tool"}', '{"version": 1, "findings": [], "run": []}'])
def test_a_json_file_without_a_watched_run_is_told(model: Path, text: str) -> None:
    Path("run.json").write_text(text)
    made = verdict(model, "run.json", dtype="float16", required=["run"], rehearse=False)
    assert made.verdict == "not proven"
    assert "run.json holds no watched run" in made.because
    assert made.lacking


# what scripts load


def test_a_model_that_a_script_loads_and_that_is_no_target_was_not_looked_at(model: Path) -> None:
    made = verdict("serve.py")
    assert made.verdict == "not proven"
    assert "model, which serve.py:4 loads, was not looked at: it is none of the targets" in made.because


def test_an_adapter_that_a_script_adds_and_that_is_none_of_the_targets_was_not_looked_at(model: Path) -> None:
    Path("style").mkdir()
    save_file({"unet.conv_in.lora_A.weight": torch.zeros(4, 4)}, "style/pytorch_lora_weights.safetensors")
    added = 'pipe.load_lora_weights("style")\npipe.load_ip_adapter("owner/ip", subfolder="models", weight_name="ip.bin")'
    Path("serve.py").write_text(SCRIPT.replace("# more", added))
    left = verdict(model, "serve.py", dtype="float16", rehearse=False).unchecked
    assert "style, which serve.py:5 adds, was not looked at: --adapter style does" in left
    assert "owner/ip, which serve.py:6 adds, was not looked at: --adapter DIR does" in left
    for given in ({"adapters": ["style"]}, {"adapters": [Path("style/pytorch_lora_weights.safetensors")]}):
        left = verdict(model, "serve.py", dtype="float16", rehearse=False, **given).unchecked
        assert not any(text.startswith("style") for text in left)
    assert not any(text.startswith("style") for text in verdict(model, "style", "serve.py", rehearse=False).unchecked)


@pytest.mark.parametrize(("word", "left"), [("torch.float16", False), ("torch.bfloat16", True)])
def test_a_part_of_a_target_that_a_script_loads_was_looked_at(model: Path, word: str, left: bool) -> None:
    part = f'vae = AutoencoderKL.from_pretrained("model/vae", torch_dtype={word})\n'
    Path("serve.py").write_text(SCRIPT.replace("pipe =", f"from diffusers import AutoencoderKL\n{part}pipe =", 1))
    found = [text for text in verdict(model, "serve.py", dtype="float16", rehearse=False).unchecked if "model/vae" in text]
    assert bool(found) == left
    assert not any("none of the targets" in text for text in found)


def test_what_is_added_from_no_files_is_no_adapter_that_was_not_looked_at(model: Path) -> None:
    added = 'pipe.load_lora_weights(state, "style")\npipe.fuse_lora(0.7)\npipe.set_adapters("style")'
    Path("serve.py").write_text(SCRIPT.replace("# more", added))
    assert not any("adds" in text for text in verdict(model, "serve.py", dtype="float16", rehearse=False).unchecked)


def test_a_folder_that_a_hub_id_stands_for_is_no_target_by_that_alone(model: Path) -> None:
    Path("serve.py").write_text(SCRIPT.replace('"model"', '"owner/name"'))
    made = verdict("serve.py", models={"owner/name": model})
    assert "owner/name, which serve.py:4 loads, was not looked at: it is none of the targets" in made.because
    both = verdict("serve.py", model, models={"owner/name": model}, rehearse=False)
    assert not any("owner/name" in text for text in both.unchecked)


def test_a_script_about_tensors_alone_proves_nothing_about_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("serve.py").write_text("import torch\nprint(torch.ones(2).to(torch.float16))\n")
    made = verdict("serve.py")
    assert (made.verdict, made.because) == (
        "not proven", "nothing speaks against it, but no model was looked at: its folder stands beside the scripts"
    )  # fmt: skip


def test_what_a_script_loads_lies_beside_the_script_too(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "deep"
    inner.mkdir()
    monkeypatch.chdir(inner)
    report = gate([Path("../serve.py"), Path("../model")], Asking(rehearse=False)).report
    assert {c.loads().dtype.short for p in report.pipelines for c in p.components if c.loads().dtype} == {"fp16"}  # type: ignore[union-attr]


def test_what_was_judged_otherwise_than_a_script_loads_it_is_told(model: Path) -> None:
    made = verdict(model, "serve.py", dtype="bfloat16", rehearse=False)
    assert made.verdict == "not proven"
    assert "serve.py:4 loads model in fp16, and it was judged in bf16" in made.because
    Path("app").mkdir()
    shutil.move("model", "app/model")
    shutil.move("serve.py", "app/serve.py")
    made = verdict("app", rehearse=False)
    assert "app/serve.py:4 loads model in fp16, and it was judged without torch_dtype" in made.unchecked
    assert not any("loads model" in text for text in verdict("app", rehearse=False, dtype="float16").unchecked)


def test_the_examples_of_a_models_author_are_not_how_it_is_loaded(model: Path) -> None:
    Path("model/example.py").write_text(SCRIPT.replace('"model"', '"."').replace("float16", "bfloat16"))
    made = verdict(model, dtype="float16", rehearse=False)
    assert not any("example.py" in text for text in made.unchecked)


def test_the_variant_that_a_script_loads_is_the_one_that_is_read_where_the_caller_gives_a_dtype_alone(model: Path) -> None:
    for path in list(model.rglob("*.safetensors")):
        shutil.copy(path, path.with_suffix(".fp16.safetensors"))
    with_inf(model / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    Path("serve.py").write_text(SCRIPT.replace("torch.float16)", 'torch.float16, variant="fp16")'))
    assert verdict(model, dtype="float16", rehearse=False).verdict == "not proven"
    made = verdict(model, "serve.py", dtype="float16", rehearse=False)
    assert made.verdict == "do not deploy"
    assert "diffusion_pytorch_model.fp16.safetensors" in made.because


def test_every_way_to_load_a_model_is_held_to_its_numbers_and_to_the_policy(model: Path) -> None:
    Path("first.py").write_text(SCRIPT.replace("float16", "float32"))
    tensors = load_file(model / "unet" / "diffusion_pytorch_model.safetensors")
    tensors["conv_in.weight"][0, 0, 0, 0] = 1e6
    save_file(tensors, model / "unet" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    assert verdict("first.py", model, rehearse=False).verdict == "not proven"
    made = verdict("first.py", "serve.py", model, rehearse=False)
    assert made.verdict == "do not deploy"
    assert "become inf on load: conv_in.weight" in made.because
    assert made.because.endswith("(loaded in fp16)")
    demands = Demands(require={"vae": (F32,)})
    gated = gate([Path("first.py"), Path("serve.py"), model], Asking(rehearse=False, demands=demands))
    assert [f.message for f in gated.report.findings if f.code == "DT124"] == [
        "vae loads in fp16, and the policy requires fp32 (loaded in fp16)"
    ]


def test_a_language_model_is_judged_as_its_script_loads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny.lay_out(tmp_path, "t5", Knowledge((folder(),)))
    Path("serve.py").write_text(
        "import torch\n"
        "from transformers import T5EncoderModel\n\n"
        'model = T5EncoderModel.from_pretrained("t5", torch_dtype=torch.bfloat16)\n'
    )
    report = gate([Path("t5"), Path("serve.py")], Asking(rehearse=False)).report
    (pipeline,) = report.pipelines
    assert {dtype.short for dtype in pipeline.request.dtypes.values()} == {"bf16"}


def test_scripts_of_which_none_tells_how_it_loads_the_model_leave_it_open(model: Path) -> None:
    Path("serve.py").write_text("import sys\n" + SCRIPT.replace('"model"', "sys.argv[1]"))
    made = verdict(model, "serve.py", rehearse=False)
    said = "no script tells in its text how it loads model: it was judged without torch_dtype (--dtype says how)"
    assert said in made.unchecked
    assert said not in verdict(model, "serve.py", dtype="float16", rehearse=False).unchecked


def test_of_a_folder_of_models_those_that_were_not_rehearsed_are_named(model: Path) -> None:
    Path("both").mkdir()
    shutil.move("model", "both/sd")
    tiny.lay_out(Path("both").absolute(), "t5", Knowledge((folder(),)))
    made = verdict("both", dtype="float16")
    assert made.verdict == "not proven"
    assert any(text.startswith("both/t5 was not rehearsed") for text in made.unchecked)


def test_a_model_that_could_not_be_rehearsed_is_named_beside_one_that_was(model: Path) -> None:
    shutil.copytree("model", "other")
    Path("other.py").write_text(SCRIPT.replace('"model"', '"other"').replace("torch.float16", "chosen()"))
    made = verdict("model", "other", "serve.py", "other.py")
    assert "other was not rehearsed: other.py:4 loads it in a dtype that its text does not tell (--dtype does)" in made.unchecked


# the words of the verdict


def test_the_line_of_a_script_stands_first_even_where_the_files_are_judged_as_it_loads_them(model: Path) -> None:
    Path("serve.py").write_text(APART)
    gated = gate([model, Path("serve.py")], Asking(rehearse=False))
    report = gated.verdict(gated.report)
    assert {finding.code for finding in report.counted} >= {"DT110", "DT203"}
    assert report.gate is not None
    assert report.gate.because.startswith("serve.py:5: vae is cast to bf16")


def test_a_broken_file_stands_before_the_line_of_a_script(model: Path) -> None:
    Path("serve.py").write_text(APART)
    path = model / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert verdict(model, "serve.py", rehearse=False).because.startswith(path.as_posix())


def test_what_was_judged_without_a_dtype_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved.make("sd15-fp32", tmp_path / "model")
    without = verdict("model", variant="nobody", rehearse=False)
    assert without.verdict == "do not deploy"
    assert without.because.endswith("it was judged without torch_dtype, and --dtype says how else it is loaded")
    assert "torch_dtype" not in verdict("model", variant="nobody", dtype="float16", rehearse=False).because


def test_a_crash_that_a_comment_in_the_script_mutes_does_not_stop_it(model: Path) -> None:
    text = APART.replace("bfloat16)", "bfloat16)  # dtypecheck: ignore[DT203] known")
    for comment, kept in (("# dtypecheck: ignore[DT301] known", []), ("# dtypecheck: ignore[DT302] known", ["run-crashes"])):
        Path("serve.py").write_text(text.replace('pipe("a cat")', f'pipe("a cat")  {comment}'))
        gated = gate([model, Path("serve.py")], Asking(dtype="float16", rehearse=False, run_scripts=True))
        assert [finding.name for finding in gated.report.counted if finding.severity == "error"] == kept
        assert any(finding.name == "run-crashes" for finding in gated.report.findings)


def test_what_is_muted_is_told_in_the_verdict(model: Path, tmp_path: Path) -> None:
    Path("dtypecheck.toml").write_text('[[ignore]]\nrules = ["DT401"]\nreason = "known since spring"\n')
    with_inf(model / "unet" / "diffusion_pytorch_model.safetensors")
    done = run("model", "--dtype", "float16", "--no-rehearse", cwd=tmp_path)
    assert done.returncode == 0
    assert "not proven: nothing but 1 finding that is muted speaks against it, but" in done.stdout


def test_a_demand_on_a_part_that_nothing_has_is_told(model: Path) -> None:
    made = verdict(model, dtype="float16", demands=Demands(require={"vea": (F32,)}), rehearse=False)
    assert "vea" not in made.because, "a policy may speak of parts that other models have"
    assert "the policy requires dtypes of vea: no model here has such a part" in made.unchecked


# where the report goes


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "a.sarif", "--sarif", "a.sarif"), "-o and --sarif both name a.sarif"),
        (("-o", "serve.py"), "that is looked at"),
        (("--sarif", "model/model_index.json"), "that is looked at"),
        (("-o", "model/unet/diffusion_pytorch_model.safetensors"), "that is looked at"),
        (("--variant", ""), "--variant is empty"),
        (("--policy", "pyproject.toml"), "without that header"),
    ],
)
def test_a_report_takes_the_place_of_nothing_that_is_looked_at(
    model: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dtypecheck.gate]\nforbid-pickles = true\n")
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    done = run("model", "serve.py", "--no-rehearse", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


@pytest.mark.parametrize("page", ["nowhere/summary.md", "."])
def test_a_summary_that_cannot_be_written_changes_no_verdict(model: Path, tmp_path: Path, page: str) -> None:
    done = run("model", "--dtype", "float16", "--no-rehearse", cwd=tmp_path, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=page)
    assert done.returncode == 0, done.stderr
    assert f"the summary is not written, {page} ($GITHUB_STEP_SUMMARY)" in done.stderr


def test_a_baseline_of_very_many_entries_is_compared_at_once(model: Path, tmp_path: Path) -> None:
    entry = {"path": "model/unet/config.json", "code": "DT110", "asked": "fp16", "message": "known"}
    known = {"version": 1, "findings": [{**entry, "fingerprint": f"{number:064x}"} for number in range(20_000)]}
    (tmp_path / "known.json").write_text(json.dumps(known))
    words = ("model", "--dtype", "float16", "--no-rehearse", "--values-up-to", "0", "-q", "--baseline", "known.json")
    done = subprocess.run(
        [sys.executable, "-m", "dtypecheck", "gate", *words], cwd=tmp_path, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr


def test_a_vae_that_nobody_knows_in_fp16_leaves_it_open_until_a_picture_was_seen_or_that_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny.lay_out(tmp_path, "sdxl", Knowledge((folder(),)))
    config = Path("sdxl/vae/config.json")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"force_upcast": False, "scaling_factor": 0.13025}))
    gated = gate([Path("sdxl")], Asking(dtype="float16", rehearse=False))
    made = gated.verdict(gated.report).gate
    said = "sdxl/vae/config.json: the vae says force_upcast is false"
    assert made is not None
    assert any(text.startswith(said) and text.endswith("and no picture was looked at") for text in made.unchecked)
    settled = replace(gated.report, findings=tuple(f for f in gated.report.findings if f.name != "vae-not-known"))
    assert not any(text.startswith(said) for text in gated.verdict(settled).gate.unchecked)  # type: ignore[union-attr]


def test_settings_with_the_mark_that_editors_on_windows_write_are_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(b"\xef\xbb\xbfforbid-pickles = true\r\n")
    assert read_demands(path) == Demands(pickles=False)


def test_a_model_in_a_cache_folder_is_judged_as_its_script_loads_it(model: Path) -> None:
    Path("cache/models--owner--name/snapshots").mkdir(parents=True)
    shutil.move("model", "cache/models--owner--name/snapshots/abc")
    Path("serve.py").write_text(SCRIPT.replace('"model"', '"owner/name"'))
    named = {"owner/name": Path("cache/models--owner--name/snapshots/abc")}
    report = gate([Path("cache/models--owner--name"), Path("serve.py")], Asking(rehearse=False, models=named)).report
    assert {c.loads().dtype.short for p in report.pipelines for c in p.components if c.loads().dtype} == {"fp16"}  # type: ignore[union-attr]
