"""How `fix --apply` ends where it did nothing, or could not say what it did."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dtypecheck.testing import lay_out

ROOT = Path(__file__).parents[2]
WIDE = 'config.json: {"_class_name": "UNet2DConditionModel"}\ndiffusion_pytorch_model.safetensors: conv_in.weight F32 2000x2000\n'
"""Loaded in fp16 it is stored twice as wide as needed: a note, and the step for it is lossy."""
TOO_MANY = """
config.json: {"_class_name": "UNet2DConditionModel"}
diffusion_pytorch_model.safetensors.index.json: {"weight_map": {"a": "diffusion_pytorch_model-00001-of-00001.safetensors"}}
diffusion_pytorch_model-00001-of-00001.safetensors: a F16 4x4
diffusion_pytorch_model-00001-of-00002.safetensors: b F16 4x4
"""
"""A shard that no index names: the step removes it, which is lossy."""
WORD = 'from diffusers import FluxPipeline\npipe = FluxPipeline.from_pretrained("x", torch_dtype="bfloat16")\npipe("a")\n'


def laid(place: Path, text: str) -> Path:
    files = lay_out(text).files
    place.mkdir()
    for entry in files.entries():
        content = files.read(entry.name)
        (place / entry.name).write_bytes(content + bytes(entry.size - len(content)))
    return place


def fix(*words: str, cwd: Path, out: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dtypecheck", "fix", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=cwd, stdout=out, stderr=subprocess.PIPE, text=True, timeout=300, env=environment, check=False
    )


@pytest.mark.parametrize("fail_on", ["error", "note"])
@pytest.mark.parametrize(("text", "code"), [(WIDE, "DT118"), (TOO_MANY, "DT007")])
def test_where_only_lossy_steps_are_left_it_ends_as_a_scan_does(tmp_path: Path, text: str, code: str, fail_on: str) -> None:
    laid(tmp_path / "m", text)
    before = sorted((path.name, path.stat().st_size) for path in (tmp_path / "m").iterdir())
    words = ("m", "--dtype", "float16", "--select", code, "--fail-on", fail_on)
    done = fix(*words, "--apply", cwd=tmp_path)
    scan = subprocess.run(
        [sys.executable, "-m", "dtypecheck", "scan", *words],
        cwd=tmp_path,
        capture_output=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert "--lossy" in done.stdout, done.stdout + done.stderr
    assert done.returncode == scan.returncode
    assert sorted((path.name, path.stat().st_size) for path in (tmp_path / "m").iterdir()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_what_was_done_and_cannot_be_told_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(WORD)
    with open("/dev/full", "w") as full:
        done = fix("s.py", "--apply", cwd=tmp_path, out=full.fileno())
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "torch_dtype=torch.bfloat16" in (tmp_path / "s.py").read_text()
