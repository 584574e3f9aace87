"""Every command of the README runs, what it shows is what is printed, and its table of rules is the rules'."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dtypecheck.knowledge import Knowledge, folder
from dtypecheck.settings import parse
from dtypecheck.testing import lay_out

from .pictures import PICTURES as PICTURES_OF
from .pictures import printed, svg
from .pictures import words as read
from .runs.watch import tiny

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"`(dtypecheck [^`]+)`", README.split("## Which command")[1].split("## What it says")[0])


PICTURES = re.findall(r"```console\n\$ (dtypecheck (?!watch|fix)(?!.*--values).+)\n([\s\S]+?)```", README)
WATCHED = re.findall(r"```console\n\$ dtypecheck watch ((?:--confirm )?)(\w+)\.py\n([\s\S]+?)```", README)
VALUED = re.findall(r"```console\n\$ (dtypecheck scan .*--values.*)\n([\s\S]+?)```", README)
FIXED = re.findall(r"```console\n\$ (dtypecheck fix .+)\n([\s\S]+?)```", README)
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

NUMBERS = """
model_index.json: {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
unet/config.json: {"_class_name": "UNet2DConditionModel"}
unet/diffusion_pytorch_model.safetensors: conv_in.weight F32 40x36 = noise; mid_block.attentions.0.proj_in.weight F32 40x40 = noise 81250; conv_norm_out.weight F32 40 = 1 0.8
vae/config.json: {"_class_name": "AutoencoderKL"}
vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 64x36 = noise F16 nan; decoder.conv_out.weight F32 64x27 = noise F16
"""  # noqa: E501
"""The model whose numbers are shown."""
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
def test_every_command_of_the_table_runs(command: str, cases: Path, small: Path, tmp_path: Path) -> None:
    (tmp_path / "MODEL").symlink_to(small / "sdxl" if "rehearse" in command else cases / "sdxl")
    (tmp_path / "serve.py").write_text(SMALL if "watch" in command else SCRIPT)
    (tmp_path / "lora.safetensors").symlink_to(next((cases / "lora-sdxl").glob("*.safetensors")))
    if any(word in command for word in ("fix", "undo", "--values")):
        (tmp_path / "MODEL").unlink()
        shutil.copytree(small / "sdxl", tmp_path / "MODEL")
    if "undo" in command:
        assert dtypecheck(["fix", "MODEL", "--dtype", "float16", "--apply", "--no-verify"], tmp_path).returncode == 0
    if "run.json" in command:
        (tmp_path / "small.py").write_text(SMALL)
        dtypecheck(["watch", "-o", "run.json", "small.py"], tmp_path)
    done = dtypecheck(shlex.split(command)[1:], tmp_path)
    crashes = "vae=float32" in command
    assert done.returncode == crashes, done.stdout + done.stderr
    assert done.stderr if "serve.py" in command and "scan" not in command else done.stdout


FULL = [pytest.param(*it, marks=[pytest.mark.slow] * ("--matrix" in it[0])) for it in PICTURES]
"""Fifteen rehearsals at full size take minutes: by default the matrix is that of a small model, see below."""
SIZE = re.compile(r"[\d.]+ [kMG]B\s*")


@pytest.mark.parametrize(("command", "shown"), FULL)
def test_a_picture_is_what_is_printed(command: str, shown: str, cases: Path) -> None:
    done = dtypecheck([*shlex.split(command)[1:], "--output-format", "terminal"], cases)
    assert done.returncode == ("--matrix" not in command)
    assert [line.rstrip() for line in done.stdout.splitlines()] == shown.splitlines()


@pytest.mark.parametrize(("command", "shown"), VALUED)
def test_a_picture_of_numbers_is_what_is_printed(command: str, shown: str, tmp_path: Path) -> None:
    files = lay_out(NUMBERS).files
    for entry in files.entries():
        (tmp_path / "model" / entry.name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / entry.name).write_bytes(files.read(entry.name))
    done = dtypecheck([*shlex.split(command)[1:], "--output-format", "terminal"], tmp_path)
    assert done.returncode == 1
    assert [line.rstrip() for line in done.stdout.splitlines()] == shown.splitlines()


def test_the_picture_of_a_matrix_is_that_of_a_small_model_but_for_its_sizes(tmp_path: Path) -> None:
    ((command, shown),) = (it for it in PICTURES if "--matrix" in it[0])
    tiny.lay_out(tmp_path, "sdxl-hot-decoder", Knowledge((folder(),)))
    (tmp_path / "sdxl-hot-decoder").rename(tmp_path / "sdxl")
    done = dtypecheck([*shlex.split(command)[1:], "--output-format", "terminal"], tmp_path)
    assert done.returncode == 0, done.stderr
    printed, lines = ([SIZE.sub("SIZE ", line).rstrip() for line in text.splitlines()] for text in (done.stdout, shown))
    assert sum("SIZE" in line for line in lines) > 10
    assert printed == lines


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


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small SDXL that the pictures of `fix` are of: its VAE says that it needs no upcast."""
    path = tmp_path_factory.mktemp("small")
    tiny.lay_out(path, "sdxl-hot-decoder", Knowledge((folder(),)))
    (path / "sdxl-hot-decoder").rename(path / "sdxl")
    config = path / "sdxl" / "vae" / "config.json"
    text = config.read_text().replace('"scaling_factor": 0.18215', '"scaling_factor": 0.13025')
    config.write_text(text.replace('"force_upcast": true', '"force_upcast": false'))
    return path


@pytest.mark.parametrize(("command", "shown"), FIXED)
def test_a_picture_of_a_fix_is_what_is_printed_and_undo_takes_it_back(command: str, shown: str, small: Path) -> None:
    def held() -> dict[str, bytes]:
        return {path.relative_to(small).as_posix(): path.read_bytes() for path in small.rglob("*") if path.is_file()}

    before = held()
    done = dtypecheck([*shlex.split(command)[1:], "--output-format", "terminal"], small)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.rstrip() for line in done.stdout.splitlines()] == shown.splitlines()
    assert (held() != before) == ("--apply" in command)
    if "--apply" in command:
        assert dtypecheck(["undo", "sdxl"], small).returncode == 0
    assert held() == before


def test_the_set_up_command_is_one_line_that_installs_and_scans_a_fixture(tmp_path: Path) -> None:
    line = next(line for line in README.splitlines() if line.startswith("pip install . "))
    _, lay_out, scan = line.split(" && ")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = lay_out.replace("python fixtures", f"{shlex.quote(sys.executable)} {ROOT}/fixtures")
    subprocess.run(script, shell=True, check=True, cwd=tmp_path, env=environment, timeout=300)
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
        (3, "not proven nothing speaks against it, but it was not rehearsed"),
    ],
    ids=["scan", "rehearse", "watch", "gate"],
)
def test_a_python_example_runs(number: int, printed: str, cases: Path, tmp_path: Path) -> None:
    code = re.findall(r"```python\n([\s\S]+?)```", README)[number]
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "models").symlink_to(cases)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=400, check=True)
    assert printed in done.stdout


def test_the_settings_examples_are_understood() -> None:
    first, second = (tomllib.loads(text)["tool"]["dtypecheck"] for text in re.findall(r"```toml\n([\s\S]+?)```", README))
    settings = parse(first, "README")
    assert settings.fail_on == "warning"
    assert settings.suppressions[0].reason
    assert parse(second, "README").gate.max_bytes == 16_000_000_000


@pytest.mark.parametrize("name", sorted(PICTURES_OF))
def test_a_picture_reads_as_what_the_command_prints_now(name: str, cases: Path, tmp_path: Path) -> None:
    (tmp_path / "sdxl").symlink_to(cases / "sdxl")
    command = PICTURES_OF[name]
    assert f"![{command}" in README
    picture = (ROOT / ".github" / f"{name}.svg").read_text("utf-8")
    assert read(picture) == read(svg(command, printed(command, tmp_path)))
    assert f".github/{name}.svg" in README


def test_the_lines_that_publish_a_variant_run_one_after_the_other(small: Path, tmp_path: Path) -> None:
    (lines,) = re.findall(r"```sh\n(dtypecheck scan MODEL[\s\S]+?)```", README)
    shutil.copytree(small / "sdxl", tmp_path / "MODEL")
    vae = tmp_path / "MODEL" / "vae"
    config = vae / "config.json"
    config.write_text(config.read_text().replace('"force_upcast": false', '"force_upcast": true'))
    codes = [dtypecheck(shlex.split(line)[1:], tmp_path).returncode for line in lines.splitlines()]
    assert codes == [0, 0, 0, 0]
    assert (vae / "diffusion_pytorch_model.fp16.safetensors").is_file()


@pytest.mark.parametrize("name", ["gitlab-ci.yml", "Jenkinsfile"])
def test_the_examples_for_other_services_are_those_that_are_tested(name: str) -> None:
    assert (ROOT / ".ci" / "examples" / name).read_text("utf-8") in README


def test_the_options_are_those_of_help() -> None:
    table = README.split("`dtypecheck dev options` -->\n")[1].split("<!-- /options -->")[0]
    assert table == dtypecheck(["dev", "options"], ROOT).stdout
    for verb in ("scan", "gate", "fix"):
        help_of = dtypecheck([verb, "--help"], ROOT).stdout
        assert set(re.findall(r"(?m)^  (?:-\w, )?(--[\w-]+)", help_of)) - {"--help"} <= set(re.findall(r"--[\w-]+", table))


def test_the_table_of_rules_is_the_rules_own() -> None:
    table = README.split("`dtypecheck explain --output-format markdown` -->\n")[1].split("<!-- /rules -->")[0]
    assert table == dtypecheck(["explain", "--output-format", "markdown"], ROOT).stdout
