"""action.yml: its `run` steps executed with bash as a runner would, on a model and a script, and with inputs that mean harm.

`uses: actions/setup-python` is not executed, and of the install step everything but pip itself, which is a stub that writes down
what it was asked for.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from .action import INPUT, ROOT, action, play, step

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
GATE, INSTALL = "dtypecheck gate", "Install dtypecheck"
SCRIPT = """
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline

vae = AutoencoderKL.from_pretrained("sdxl-vae", torch_dtype=torch.float32)
pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", vae=vae, torch_dtype=torch.float16)
pipe("a cat")
"""
HOSTILE = (
    "; touch harm",
    "$(touch harm)",
    "`touch harm`",
    "a\nb; touch harm",
    "' ; touch harm ; '",
    '" ; touch harm ; "',
    "--output=harm",
    "-o harm",
    "%0A::error::harm",
    "x\n::error::harm",
    "* ? [a-z]",
    "a  b\tc",
    "${PATH}",
    "\\",
)


@pytest.fixture
def workspace(tmp_path: Path, cases: Path) -> Path:
    """A checkout of someone's: a model and a script that breaks it."""
    work = tmp_path / "a workspace"
    work.mkdir()
    (work / "sdxl").symlink_to(cases / "sdxl")
    (work / "serve.py").write_text(SCRIPT)
    return work


@pytest.fixture
def spy(tmp_path: Path) -> Path:
    """A `python` that writes its words down, NUL between them, and does nothing."""
    folder = tmp_path / "spy"
    folder.mkdir()
    python = folder / "python"
    python.write_text('#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done >> "$RUNNER_TEMP/words"\n')
    python.chmod(0o755)
    return folder


def spied(workspace: Path) -> list[str]:
    """The words of all calls of the spy."""
    file = workspace.parent / f"{workspace.name}.runner" / "words"
    words = file.read_bytes().decode().split("\0")[:-1] if file.exists() else []
    file.unlink(missing_ok=True)
    return words


def test_no_expression_stands_in_a_command() -> None:
    for it in action()["runs"]["steps"]:
        assert "${{" not in it.get("run", "")
        assert it.get("shell") == "bash" or "uses" in it
        for text in it.get("env", {}).values():
            assert INPUT.fullmatch(text)


def test_every_input_has_a_default_and_a_use_and_every_output_a_source() -> None:
    text = (ROOT / "action.yml").read_text("utf-8")
    for name, spec in action()["inputs"].items():
        assert spec["description"]
        assert isinstance(spec["default"], str)
        assert f"inputs.{name}" in text
    for name, spec in action()["outputs"].items():
        assert spec["value"] == f"${{{{ steps.{step(GATE)['id']}.outputs.{name} }}}}"


def test_a_model_that_crashes_is_not_deployed(workspace: Path) -> None:
    done = play(GATE, {"model": "sdxl", "dtype": "float16,vae=float32", "args": "--no-rehearse"}, workspace)
    assert done.code == 1, done.log
    assert done.outputs["verdict"] == "do not deploy"
    report = json.loads(Path(done.outputs["report"]).read_text("utf-8"))
    assert report["gate"]["verdict"] == "do not deploy"
    assert json.loads(Path(done.outputs["sarif"]).read_text("utf-8"))["version"] == "2.1.0"
    assert re.search(r"^::error .*DT110", done.log, re.MULTILINE), done.log
    assert "do not deploy" in done.summary
    assert "DT110" in done.summary


def test_scripts_stand_on_lines_of_their_own_and_the_verdict_names_the_one(workspace: Path) -> None:
    (workspace / "other script.py").write_text("print('nothing of ours')\n")
    inputs = {"model": "sdxl\n", "scripts": "other script.py\r\nserve.py\r\n", "dtype": "fp16", "variant": "fp16"}
    done = play(GATE, {**inputs, "args": "--no-rehearse\n--values-up-to\n0\n"}, workspace)
    assert done.code == 1, done.log
    assert re.search(r"^::error file=serve\.py,line=\d+.*DT2", done.log, re.MULTILINE), done.log


def test_what_is_not_proven_passes_until_it_is_required(workspace: Path) -> None:
    inputs = {"model": "sdxl", "dtype": "float16", "variant": "fp16", "device": "t4", "args": "--no-rehearse"}
    done = play(GATE, inputs, workspace)
    assert (done.code, done.outputs["verdict"]) == (0, "not proven"), done.log
    done = play(GATE, {**inputs, "require": "rehearsal"}, workspace)
    assert (done.code, done.outputs["verdict"]) == (1, "not proven"), done.log


def test_wrong_use_is_an_exit_code_and_no_verdict(workspace: Path) -> None:
    done = play(GATE, {"model": "nowhere"}, workspace)
    assert (done.code, done.outputs) == (2, {"verdict": ""}), done.log
    assert "Traceback" not in done.log


def test_a_hostile_input_stays_one_word(workspace: Path, spy: Path) -> None:
    options = ("device", "dtype", "variant", "baseline", "policy", "require")
    for text in HOSTILE:
        done = play(GATE, {"model": "m", **dict.fromkeys(options, text)}, workspace, spy)
        assert done.code == 0, done.log
        words = spied(workspace)
        assert words[:3] == ["-m", "dtypecheck", "gate"]
        assert words[3:9] == [f"--{name}={text}" for name in options]
        assert len(words) == 13
        lines = [f"./{line}" if line.startswith("-") else line for line in text.split("\n")]
        done = play(GATE, {"model": text, "scripts": text, "runs": text}, workspace, spy)
        assert spied(workspace)[6:] == lines * 3
        assert not list(workspace.rglob("harm"))


def test_a_hostile_input_prints_no_command_for_the_runner(workspace: Path) -> None:
    inputs = {"model": "sdxl", "device": "x\n::error::harm", "dtype": "float16", "policy": "no\n::error::harm"}
    for name, told in (("device", "no device is called"), ("policy", "does not exist")):
        done = play(GATE, {"model": "sdxl", name: inputs[name]}, workspace)
        assert done.code == 2, done.log
        assert told in done.log
        assert not re.search("^::", done.log, re.MULTILINE), done.log


@pytest.mark.parametrize(
    ("inputs", "asked"),
    [
        ({}, str(ROOT)),
        ({"extra": "torch"}, f"{ROOT}[torch]"),
        ({"version": "0.1.0"}, "dtypecheck==0.1.0"),
        ({"version": "0.1.0", "extra": "torch"}, "dtypecheck[torch]==0.1.0"),
    ],
)
def test_pip_is_asked_for_one_thing(inputs: dict[str, str], asked: str, workspace: Path, spy: Path) -> None:
    done = play(INSTALL, inputs, workspace, spy)
    assert done.code == 0, done.log
    words = spied(workspace)
    assert words[:3] == ["-m", "pip", "install"]
    assert words[words.index("--") + 1 :] == [asked]


def test_a_hostile_version_never_reaches_pip(workspace: Path, spy: Path) -> None:
    for name in ("version", "extra"):
        for text in ("; touch harm", "$(touch harm)", "a\ntouch harm", "0.1.0 --index-url=http://harm", "torch] @ http://harm"):
            assert play(INSTALL, {name: text}, workspace, spy).code == 2
            assert spied(workspace) == []
    assert not list(workspace.rglob("harm"))
