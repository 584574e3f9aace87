"""The Python API says and does what the commands of the same names do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dtypecheck
from dtypecheck.request import WrongUse
from tests.test_cli import lay

SERVE = """\
import torch
from diffusers import AutoencoderKL, DiffusionPipeline

vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")
pipe = DiffusionPipeline.from_pretrained("our/sdxl", vae=vae, torch_dtype=torch.float16)
pipe("a cat")
"""
MODEL = """
model_index.json: {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
vae/config.json: {"_class_name": "AutoencoderKL"}
vae/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
unet/config.json: {"_class_name": "UNet2DConditionModel"}
unet/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
"""  # noqa: E501
IDS = {"our/sdxl": "models/sdxl"}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script whose hub id stands for the folder beside it; the working directory is there."""
    monkeypatch.chdir(tmp_path)
    lay(tmp_path / "models" / "sdxl", MODEL)
    Path("serve.py").write_text(SERVE)
    return Path("serve.py")


def test_a_fix_knows_what_the_ids_of_a_script_stand_for(served: Path) -> None:
    plain = dtypecheck.fix(served)
    assert plain.fix is not None
    assert not plain.fix.plan.steps
    done = dtypecheck.fix(served, models=IDS, apply=True)
    assert done.fix is not None
    assert done.fix.state == "applied"
    assert served.read_text() == SERVE.replace('fix")', 'fix", torch_dtype=torch.float16)')


def test_an_id_that_stands_for_no_folder_is_wrong_use(served: Path) -> None:
    for verb in (dtypecheck.fix, dtypecheck.gate):
        with pytest.raises(WrongUse, match="our/sdxl stands for nowhere"):
            verb(served, models={"our/sdxl": "nowhere"})


def test_a_gate_says_whether_a_model_and_its_script_may_be_deployed(served: Path) -> None:
    report = dtypecheck.gate("models/sdxl", served, models=IDS, rehearse=False)
    assert report.gate is not None
    assert (report.gate.verdict, report.gate.lacking) == ("do not deploy", ())
    assert "DT201" in {finding.code for finding in report.findings if finding.severity == "error"}
    served.write_text("print('nothing about models')\n")
    report = dtypecheck.gate("models/sdxl", served, dtype="bfloat16", rehearse=False, values_up_to=0, require=["rehearsal"])
    assert report.gate is not None
    assert report.gate.verdict == "not proven"
    assert len(report.gate.lacking) == 1


def test_a_gate_takes_the_demands_of_a_policy(served: Path) -> None:
    Path("policy.toml").write_text('require = {unet = "bfloat16"}\n')
    report = dtypecheck.gate("models/sdxl", dtype="float32", rehearse=False, values_up_to=0, policy="policy.toml")
    assert report.gate is not None
    assert report.gate.verdict == "do not deploy"
    assert "bf16" in report.gate.because


@pytest.mark.parametrize(
    ("targets", "asked", "words"),
    [
        ((), {}, "a gate needs a model or a script"),
        (("nowhere",), {}, "nowhere: there is no such file or folder"),
        (("serve.py",), {"fail_on": "fatal"}, "fail_on is 'fatal'"),
        (("serve.py",), {"require": ["luck"]}, "'luck' cannot be required"),
        (("serve.py",), {"policy": "none.toml"}, "none.toml: there is no such policy file"),
    ],
)
def test_what_means_nothing_is_wrong_use(targets: tuple[str, ...], asked: dict[str, str], words: str, served: Path) -> None:
    with pytest.raises(WrongUse, match=words):
        dtypecheck.gate(*targets, **asked)  # type: ignore[arg-type]


def test_the_function_is_there_whatever_was_imported_before() -> None:
    code = "import dtypecheck.gate.verdict, dtypecheck.verbs.gate, dtypecheck; from dtypecheck import gate"
    code += "; print(gate is dtypecheck.gate, gate.__module__, dtypecheck.scan.__module__, 'torch' in __import__('sys').modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["True", "dtypecheck.api", "dtypecheck.api", "False"], done.stderr
