"""Scripts and notebooks as targets of a scan: alone, among models, with their own words and with folders for hub ids."""

from __future__ import annotations

import ast
import gc
import json
import os
from pathlib import Path

import pytest

from dtypecheck.api import scan_paths
from tests.test_cli import lay, run

SERVE = """\
import argparse
import torch
from diffusers import AutoencoderKL, DiffusionPipeline

parser = argparse.ArgumentParser()
parser.add_argument("--precision", default="float32")
dtype = getattr(torch, parser.parse_args().precision)
vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")
pipe = DiffusionPipeline.from_pretrained("our/sdxl", vae=vae, torch_dtype=dtype)
pipe("a cat")
"""
MODEL = """
model_index.json: {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
unet/config.json: {"_class_name": "UNet2DConditionModel"}
unet/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script, and a model beside it; the working directory is there."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/serve.py").write_text(SERVE)
    lay(tmp_path / "sdxl", MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_stands_behind_a_script_is_its_own_and_a_model_option_says_what_an_id_stands_for(place: Path) -> None:
    quiet = run("scan", "--model", "our/sdxl=sdxl", "app/serve.py", cwd=place)
    assert (quiet.returncode, quiet.stdout) == (0, "ok in 1 script, 3 calls\n")
    for words in (["--precision", "half"], ["--", "--precision=float16"]):
        done = run("scan", "--model", "our/sdxl=sdxl", "app/serve.py", *words, cwd=place)
        assert done.returncode == 1
        assert done.stdout.startswith("app/serve.py:8: error DT201 vae is loaded in fp32")
    unknown = run("scan", "app/serve.py", "--precision", "half", cwd=place)
    assert (unknown.returncode, unknown.stdout) == (0, "ok in 1 script, 3 calls\n")


def test_a_model_and_a_script_make_one_report(place: Path) -> None:
    report = scan_paths(
        [Path("sdxl"), Path("app/serve.py")], models={"our/sdxl": Path("sdxl")}, arguments=["--precision", "half"]
    )
    assert [(f.code, f.where.path) for f in report.counted if f.severity == "error"] == [("DT201", "app/serve.py")]
    assert (report.seen["pipelines"], report.seen["scripts"]) == (1, 1)
    assert report.lines[report.counted[0].where] == 'vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")'


def test_a_terminal_shows_the_line_a_finding_is_about(place: Path) -> None:
    done = run(
        "scan", "--output-format", "terminal", "--model", "our/sdxl=sdxl", "app/serve.py", "--precision", "half", cwd=place
    )
    assert '      where    app/serve.py:8   vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")\n' in done.stdout
    assert "      against  app/serve.py:9   pipe = DiffusionPipeline" in done.stdout


def test_json_holds_the_path_as_given_the_line_and_a_fingerprint(place: Path) -> None:
    done = run("scan", "--output-format", "json", "--model", "our/sdxl=sdxl", "app/serve.py", "--precision", "half", cwd=place)
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["code"], finding["path"], finding["at"], finding["line"]) == ("DT201", "app/serve.py", None, 8)
    assert len(finding["fingerprint"]) == 64


def test_a_folder_of_scripts_is_read_with_paths_below_it(place: Path) -> None:
    (place / "app/sub").mkdir()
    cell = {"cell_type": "code", "source": "import torch\nx = torch.randn(2).bfloat16()\nx.numpy()"}
    (place / "app/sub/look.ipynb").write_text(json.dumps({"cells": [cell]}))
    (place / "app/broken.py").write_text("from torch import float16\nprint 1\n")
    report = scan_paths([Path("app")])
    assert [(f.code, str(f.where)) for f in report.counted] == [("DT207", "sub/look.ipynb cell 1:3"), ("DT014", "broken.py:2")]


def test_several_scripts_can_be_given_at_once(place: Path) -> None:
    (place / "other.py").write_text("import torch\ntorch.randn(2).bfloat16().numpy()\n")
    done = run("scan", "app/serve.py", "other.py", cwd=place)
    assert done.returncode == 1
    assert "other.py:2: error DT207" in done.stdout
    assert done.stdout.endswith("1 error in 2 scripts, 6 calls\n")


def test_a_script_that_has_nothing_to_do_with_models_is_nothing_looked_at(place: Path) -> None:
    (place / "plain.py").write_text("print('hello')\n")
    done = run("scan", "plain.py", cwd=place)
    assert done.returncode == 3
    assert "no script about models" in done.stdout


def test_a_script_that_is_not_there_is_wrong_use(place: Path) -> None:
    done = run("scan", "nowhere.py", cwd=place)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_script_is_never_run(place: Path) -> None:
    (place / "bad.py").write_text("import torch\nopen('made', 'w')\nraise SystemExit(torch.float16)\n")
    scan_paths([Path("bad.py")])
    assert not (place / "made").exists()


def test_a_script_that_was_read_is_let_go_of_without_a_collection(place: Path) -> None:
    """Trees that wait for one make it several times as slow to read a folder of scripts."""
    scan_paths([Path("app")])
    gc.collect()
    gc.disable()
    try:
        before = sum(type(held) is ast.Module for held in gc.get_objects())
        for _ in range(3):
            scan_paths([Path("app")])
        assert sum(type(held) is ast.Module for held in gc.get_objects()) == before
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("comment", "muted"),
    [
        ("# dtypecheck: ignore[DT207] shown to nobody", "shown to nobody"),
        ("# dtypecheck: ignore[bf16-to-numpy, DT201] why not", "why not"),
        ("# dtypecheck: ignore[DT2] all of them", "all of them"),
        ("# dtypecheck: ignore[DT207]", None),
        ("# dtypecheck: ignore[DT201] another rule", None),
        ("# dtypecheck: ignore", None),
    ],
)
def test_a_comment_mutes_a_finding_of_its_line_if_it_gives_a_reason(place: Path, comment: str, muted: str | None) -> None:
    (place / "s.py").write_text(f"import torch\ntorch.randn(2).bfloat16().numpy()  {comment}\n")
    (finding,) = [found for found in scan_paths([Path("s.py")]).findings if found.code == "DT207"]
    assert finding.muted == muted


def test_a_folder_is_walked_once_for_its_models_and_its_scripts(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = place / "app/a/b/c"  # two levels are listed for undo data too
    deep.mkdir(parents=True)
    (deep / "serve.py").write_text(SERVE)
    walked: list[str] = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: walked.append(str(folder)) or real(folder))
    report = scan_paths([Path()])
    assert report.seen["scripts"] == 2
    assert report.pipelines
    assert [folder for folder in walked if folder.endswith("c")] == ["app/a/b/c"]
