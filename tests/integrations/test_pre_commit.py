"""The hooks in a scratch repository, run by pre-commit itself, with the Python of this test for an environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dtypecheck.testing import lay_out

ROOT = Path(__file__).resolve().parents[2]
HOOKS = ROOT / ".pre-commit-hooks.yaml"
CRASHES = """
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline

vae = AutoencoderKL.from_pretrained("sdxl-vae", torch_dtype=torch.float32)
pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", vae=vae, torch_dtype=torch.float16)
pipe("a cat")
"""
MODEL = """
config.json: {"_class_name": "UNet2DConditionModel"}
diffusion_pytorch_model.safetensors: lfs 100
"""


class Repository:
    """A scratch repository whose hooks come out of another one, which holds nothing but .pre-commit-hooks.yaml."""

    def __init__(self, root: Path) -> None:
        self.root = root
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PRE_COMMIT"))}
        who = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        python = str(Path(sys.executable).parent)
        self.environment = kept | who | {
            "PRE_COMMIT_HOME": str(root / "cache"),
            "HOME": str(root),
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": os.pathsep.join((python, kept.get("PATH", os.defpath))),
            "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        hooks, self.work = root / "hooks", root / "work"
        for folder in (hooks, self.work):
            folder.mkdir(parents=True)
            self.git("init", "-q", cwd=folder)
        (hooks / HOOKS.name).write_bytes(HOOKS.read_bytes())
        self.git("add", "-A", cwd=hooks)
        self.git("commit", "-q", "-m", "hooks", cwd=hooks)
        used = [{"id": hook["id"], "language": "system"} for hook in yaml.safe_load(HOOKS.read_text("utf-8"))]
        rev = self.git("rev-parse", "HEAD", cwd=hooks).strip()
        config = {"repos": [{"repo": str(hooks), "rev": rev, "hooks": used}]}
        (self.work / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))

    def git(self, *words: str, cwd: Path) -> str:
        done = subprocess.run(
            ["git", *words], cwd=cwd, env=self.environment, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    def hooks(self) -> tuple[int, dict[str, str], str]:
        """The exit code, each hook with Passed, Failed or Skipped, and all that was printed."""
        self.git("add", "-A", cwd=self.work)
        command = [sys.executable, "-m", "pre_commit", "run", "--color", "never"]
        done = subprocess.run(command, cwd=self.work, env=self.environment, capture_output=True, text=True, timeout=120)
        lines = [line.rsplit(".", 1) for line in done.stdout.splitlines() if line.startswith("dtypecheck (")]
        said = {name.partition(")")[0].removeprefix("dtypecheck ("): word.rpartition(")")[2] for name, word in lines}
        return done.returncode, said, done.stdout + done.stderr


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One for all tests: a commit more in each."""
    return Repository(tmp_path_factory.mktemp("pre-commit"))


def test_the_manifest_is_one() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(HOOKS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_script_that_crashes_stops_the_commit_and_one_about_other_things_does_not(repository: Repository) -> None:
    (repository.work / "other things.py").write_text("print('no model here')\n")
    code, said, text = repository.hooks()
    assert (code, said) == (0, {"scripts and notebooks": "Passed", "models in this repository": "Skipped"}), text
    (repository.work / "serve.py").write_text(CRASHES)
    code, said, text = repository.hooks()
    assert (code, said["scripts and notebooks"]) == (1, "Failed"), text
    assert re.search(r"serve\.py:\d+: error DT2", text), text
    assert "Traceback" not in text
    (repository.work / "serve.py").unlink()


def test_a_model_that_is_not_whole_stops_the_commit(repository: Repository) -> None:
    for name, content in lay_out(MODEL).files.contents.items():
        (repository.work / "unet" / name).parent.mkdir(exist_ok=True)
        (repository.work / "unet" / name).write_bytes(content)
    code, said, text = repository.hooks()
    assert (code, said["models in this repository"]) == (1, "Failed"), text
    assert "unet/diffusion_pytorch_model.safetensors: error DT005" in text
