"""`dtypecheck fix script.py` as it is typed: a diff, a plan, the deed, and the way back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixing.scripts.mended import HEAD, UGLY, XL
from tests.test_cli import lay


def run(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    """dtypecheck in a process of its own; `fix`, unless the first word is another verb."""
    given = [str(word) for word in words]
    verb = [] if given[0] == "undo" else ["fix"]
    return subprocess.run([sys.executable, "-m", "dtypecheck", *verb, *given], capture_output=True, check=False, timeout=300)


def test_the_command_shows_a_diff_applies_it_and_takes_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = Path("serve.py")
    script.write_bytes(UGLY.encode())
    shown = run(script, "--diff")
    assert shown.returncode == 1
    assert shown.stdout.startswith(b"--- serve.py\n+++ serve.py\n@@ ")
    assert b"\n+\t\ttorch_dtype=torch.half,\r\n" in shown.stdout
    assert script.read_bytes() == UGLY.encode()
    done = run("--apply", script)
    assert done.returncode == 0, done.stderr
    assert b"verified: scan: serve.py parses, DT201 answered, nothing new" in done.stdout
    mended = script.read_bytes()
    assert mended != UGLY.encode()
    again = run(script, "--apply")
    assert again.returncode == 0
    assert b"nothing to fix" in again.stdout
    assert script.read_bytes() == mended
    assert run("undo", script).returncode == 0
    assert script.read_bytes() == UGLY.encode()


def test_a_plan_in_a_file_is_applied_to_its_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = Path("serve.py")
    script.write_bytes(UGLY.encode())
    assert run(script, "-o", "plan.json").returncode == 1
    assert run("--apply", "plan.json").returncode == 0
    assert b"torch_dtype=torch.half,\r\n" in script.read_bytes()
    script.write_bytes(UGLY.encode() + b"\n")
    refused = run("--apply", "plan.json")
    assert refused.returncode == 1
    assert script.read_bytes() == UGLY.encode() + b"\n"


def test_words_behind_a_script_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        HEAD + "import argparse\np = argparse.ArgumentParser()\np.add_argument('--word', default='float32')\na = p.parse_args()\n"
    )
    text += f"pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype=a.word)\n"
    script = Path("serve.py")
    script.write_text(text)
    assert b"nothing to fix" in run(script, "--fail-on", "warning").stdout
    shown = run(script, "--fail-on", "warning", "--", "--word", "float16")
    assert shown.returncode == 1
    assert b"dtypecheck fix serve.py --apply -- --word float16" in shown.stdout
    assert run(script, "--apply", "--word", "float16").returncode == 0
    assert "torch_dtype=getattr(torch, a.word)" in script.read_text()


def test_the_scripts_of_a_folder_are_mended_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "scripts"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "serve.py").write_bytes(UGLY.encode())
    (folder / "other.py").write_text("print(1)\n")
    done = run(folder, "--apply")
    assert done.returncode == 0, done.stderr
    assert b"torch_dtype=torch.half,\r\n" in (folder / "in" / "serve.py").read_bytes()
    assert run("undo", folder).returncode == 0
    assert (folder / "in" / "serve.py").read_bytes() == UGLY.encode()


def test_a_script_is_no_model_to_convert(tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text(HEAD)
    done = run("--to", "fp16", script)
    assert done.returncode == 2
    assert b"--to converts weights" in done.stderr


SERVE = """\
import torch
from diffusers import AutoencoderKL, DiffusionPipeline

vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")
pipe = DiffusionPipeline.from_pretrained("our/sdxl", vae=vae, torch_dtype=torch.float16)
pipe("a cat")
"""
MODEL = """
model_index.json: {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
unet/config.json: {"_class_name": "UNet2DConditionModel"}
unet/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
"""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script whose hub id is known by the folder beside it alone; the working directory is there."""
    monkeypatch.chdir(tmp_path)
    lay(tmp_path / "models" / "sdxl", MODEL)
    Path("serve.py").write_text(SERVE)
    return Path("serve.py")


def test_a_model_option_says_what_an_id_stands_for(served: Path) -> None:
    assert b"nothing to fix" in run(served).stdout
    shown = run(served, "--model", "our/sdxl=models/sdxl")
    assert b"dtypecheck fix serve.py --model our/sdxl=models/sdxl --apply" in shown.stdout
    done = run("--model", "our/sdxl=models/sdxl", "--apply", served)
    assert done.returncode == 0, done.stderr
    assert b"DT201 answered" in done.stdout
    assert served.read_text() == SERVE.replace('fix")', 'fix", torch_dtype=torch.float16)')


def test_a_plan_knows_what_its_ids_stand_for_and_is_refused_without(served: Path) -> None:
    assert run(served, "--model", "our/sdxl=models/sdxl", "-o", "plan.json").returncode == 1
    Path("models").rename("away")
    refused = run("plan.json", "--apply")
    assert refused.returncode == 1
    assert b"--model our/sdxl=models/sdxl, and that folder is not there" in refused.stderr
    assert served.read_text() == SERVE
    Path("away").rename("models")
    assert run("plan.json", "--apply").returncode == 0
    assert "torch_dtype=torch.float16)\npipe" in served.read_text()
    assert run("plan.json", "--apply", "--model", "our/sdxl=models/sdxl").returncode == 2


def test_a_model_option_without_a_folder_is_wrong_use(served: Path) -> None:
    done = run(served, "--model", "our/sdxl=nowhere")
    assert (done.returncode, done.stdout) == (2, b"")
