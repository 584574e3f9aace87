"""What a runner of GitHub does with a composite action, as far as its `run` steps go: inputs into `env`, and bash."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
INPUT = re.compile(r"\$\{\{ *inputs\.([\w-]+) *\}\}")


@dataclass(frozen=True)
class Step:
    """What came of one: its exit code, what it printed, and the files that a runner reads afterwards."""

    code: int
    log: str
    outputs: Mapping[str, str]
    summary: str


def action() -> dict[str, Any]:
    """action.yml, parsed."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    return found


def step(name: str) -> dict[str, Any]:
    """The step of this name."""
    return next(it for it in action()["runs"]["steps"] if it["name"] == name)


def play(name: str, inputs: Mapping[str, str], workspace: Path, path: Path | None = None) -> Step:
    """Run a step of the action in a workspace. path: a folder of commands that come first."""
    spec, given = step(name), {key: value["default"] for key, value in action()["inputs"].items()} | dict(inputs)
    assert set(inputs) <= set(action()["inputs"])

    def filled(text: str) -> str:
        return INPUT.sub(lambda match: given[match[1]], text)

    runner = workspace.parent / f"{workspace.name}.runner"
    runner.mkdir(exist_ok=True)
    files = {key: runner / key for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.write_text("")
    bash = runner / "step.sh"
    bash.write_text(spec["run"], "utf-8")
    first = [str(path)] if path else []
    environment = {
        "PATH": os.pathsep.join((*first, str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "PYTHONPATH": str(ROOT),
        "HOME": str(runner),
        "GITHUB_ACTIONS": "true",
        "CI": "true",
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_WORKSPACE": str(workspace),
        "RUNNER_TEMP": str(runner),
        "OMP_NUM_THREADS": "1",
        **{key: str(file) for key, file in files.items()},
        **{key: filled(text) for key, text in spec.get("env", {}).items()},
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(bash)],  # as `shell: bash` is started there
        cwd=workspace / filled(spec.get("working-directory", ".")),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    lines = files["GITHUB_OUTPUT"].read_text("utf-8").splitlines()
    outputs = dict(line.split("=", 1) for line in lines)
    return Step(done.returncode, done.stdout, outputs, files["GITHUB_STEP_SUMMARY"].read_text("utf-8"))
