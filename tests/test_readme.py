"""Every command of the README runs, what it shows is what is printed, and its table of rules is the rules'."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dtypecheck.knowledge import Knowledge, folder

from .runs.watch import tiny

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"`(dtypecheck [^`]+)`", README.split("## Which command")[1].split("## What it says")[0])


PICTURES = re.findall(r"```console\n\$ (dtypecheck (?!watch).+)\n([\s\S]+?)```", README)
WATCHED = re.findall(r"```console\n\$ dtypecheck watch ((?:--confirm )?)(\w+)\.py\n([\s\S]+?)```", README)
SCRIPTS = {
    "generate": """
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
vae = AutoencoderKL.from_pretrained("sdxl/vae", torch_dtype=torch.float16, force_upcast=False)
pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", vae=vae, torch_dtype=torch.float16)
pipe("a cat", num_inference_steps=2, height=32, width=32).images[0].save("cat.png")
""",
    "serve": """
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
vae = AutoencoderKL.from_pretrained("sdxl/vae")
pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", vae=vae, torch_dtype=torch.float16)
pipe("a cat", num_inference_steps=2, height=32, width=32).images[0].save("cat.png")
""",
}
"""What the pictures of watched runs are of, with a small SDXL whose decoder overflows in fp16."""
NUMBER = re.compile(r"\d[\d,.]*")

SCRIPT = """
import argparse

import torch
from diffusers import StableDiffusionXLPipeline

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int)
steps = parser.parse_args().steps
pipe = StableDiffusionXLPipeline.from_pretrained("MODEL", torch_dtype=torch.float16).to("cuda")
pipe("a cat", num_inference_steps=steps, height=256, width=256).images[0].save("cat.png")
"""


SMALL = """
import sys

import torch

net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4)).half().requires_grad_(False)
for _ in range(int(sys.argv[-1]) if sys.argv[1:] else 1):
    net(torch.ones(1, 4).half())
"""


def dtypecheck(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dtypecheck", *words], cwd=cwd, capture_output=True, text=True, timeout=400)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_table_runs(command: str, cases: Path, tmp_path: Path) -> None:
    (tmp_path / "MODEL").symlink_to(cases / "sdxl")
    (tmp_path / "serve.py").write_text(SMALL if "watch" in command else SCRIPT)
    (tmp_path / "lora.safetensors").symlink_to(next((cases / "lora-sdxl").glob("*.safetensors")))
    if "run.json" in command:
        (tmp_path / "small.py").write_text(SMALL)
        dtypecheck(["watch", "-o", "run.json", "small.py"], tmp_path)
    done = dtypecheck(shlex.split(command)[1:], tmp_path)
    crashes = "vae=float32" in command
    assert done.returncode == crashes, done.stdout + done.stderr
    assert done.stderr if "serve.py" in command else done.stdout


@pytest.mark.parametrize(("command", "shown"), PICTURES)
def test_a_picture_is_what_is_printed(command: str, shown: str, cases: Path) -> None:
    done = dtypecheck([*shlex.split(command)[1:], "--output-format", "terminal"], cases)
    assert done.returncode == ("--matrix" not in command)
    assert [line.rstrip() for line in done.stdout.splitlines()] == shown.splitlines()


@pytest.mark.parametrize(("option", "script", "shown"), WATCHED)
def test_a_picture_of_a_watched_run_is_what_is_printed_but_for_its_numbers(
    option: str, script: str, shown: str, tmp_path: Path
) -> None:
    tiny.lay_out(tmp_path, "sdxl-hot-decoder", Knowledge((folder(),)))
    (tmp_path / "sdxl-hot-decoder").rename(tmp_path / "sdxl")
    config = tmp_path / "sdxl" / "vae" / "config.json"
    config.write_text(config.read_text().replace('"scaling_factor": 0.18215', '"scaling_factor": 0.13025'))
    (tmp_path / f"{script}.py").write_text(SCRIPTS[script])
    done = dtypecheck(["watch", *option.split(), "--output-format", "terminal", f"{script}.py"], tmp_path)
    assert done.returncode == 1
    printed = [NUMBER.sub("N", line.rstrip()) for line in done.stderr.splitlines()]
    lines = [NUMBER.sub("N", line) for line in shown.splitlines()]
    start = printed.index(lines[0])
    assert printed[start : start + len(lines)] == lines


def test_the_set_up_command_is_one_line_that_installs_and_scans_a_fixture(tmp_path: Path) -> None:
    line = next(line for line in README.splitlines() if line.startswith("pip install . "))
    _, lay_out, scan = line.split(" && ")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = lay_out.replace("python fixtures", f"{shlex.quote(sys.executable)} {ROOT}/fixtures")
    subprocess.run(script, shell=True, check=True, cwd=tmp_path, env=environment)
    done = dtypecheck(shlex.split(scan)[1:], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_exactly_one_test_command() -> None:
    assert README.count('\npip install -e ".[test]" && pytest\n') == 1


@pytest.mark.parametrize(
    ("number", "printed"),
    [
        (0, "error DT110 vae/diffusion_pytorch_model.safetensors"),
        (1, "runs None"),
        (2, "error DT307 the output of net is not finite: 0 (fp16) overflowed"),
    ],
    ids=["scan", "rehearse", "watch"],
)
def test_a_python_example_runs(number: int, printed: str, cases: Path, tmp_path: Path) -> None:
    code = re.findall(r"```python\n([\s\S]+?)```", README)[number]
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "models").symlink_to(cases)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=400, check=True)
    assert printed in done.stdout


def test_the_settings_example_is_understood() -> None:
    import tomllib

    from dtypecheck.config import parse

    text = re.search(r"```toml\n([\s\S]+?)```", README)
    assert text
    settings = parse(tomllib.loads(text[1])["tool"]["dtypecheck"], "README")
    assert settings.fail_on == "warning"
    assert settings.suppressions[0].reason


def test_the_table_of_rules_is_the_rules_own() -> None:
    table = README.split("`dtypecheck explain --output-format markdown` -->\n")[1].split("<!-- /rules -->")[0]
    assert table == dtypecheck(["explain", "--output-format", "markdown"], ROOT).stdout
