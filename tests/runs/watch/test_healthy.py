"""Pipelines, models and networks without a fault, wrapped as users wrap them: a watch has one line to say, and no finding."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytest.importorskip("peft")

import torch

from dtypecheck import watch
from dtypecheck.render import renderer
from dtypecheck.render.options import Look
from dtypecheck.report import Report
from tests.runs import truth
from tests.runs.watch.families import DTYPES, FAMILIES, KNOWN, OPAQUE, WRAPPED, Subject, any_class, of_class
from tests.runs.watch.planted import asked

HEALTHY = {**FAMILIES, **WRAPPED, **OPAQUE}
MASKED = (
    "PixArtSigmaPipeline", "HunyuanVideoPipeline", "Lumina2Pipeline", "MochiPipeline", "HunyuanDiTPipeline", "AudioLDM2Pipeline",
    "llama eager", "t5", "clip", "lora",
)  # fmt: skip
"""Those that make -inf or the lowest number of a dtype somewhere in the middle, and one that does not."""


def lines(report: Report) -> list[str]:
    """What a terminal shows by default."""
    out = StringIO()
    renderer("terminal")(report, out, Look())
    return out.getvalue().splitlines()


def check(subject: Subject, unseen: bool = False, level: str = "module") -> None:
    """unseen: something of it cannot be seen, and the report may say so under -v."""
    with watch(subject.target, level=level) as watched:
        result = subject.call()
    assert result is not None
    report = watched.report
    assert not [finding for finding in report.findings if finding.severity in ("error", "warning")], lines(report)
    assert len(lines(report)) == 1, lines(report)
    assert watched.run.modules
    assert watched.run.verdict == "runs"
    assert unseen or not watched.run.limits


def test_there_are_more_than_forty_families_with_lora_offload_and_packed_weights_among_them() -> None:
    assert len(FAMILIES) + len(WRAPPED) + len(OPAQUE) == len(HEALTHY) > 40
    assert {"lora", "model offload", "group offload", "layerwise casting", "packed weights", "compiled transformer"} <= set(
        HEALTHY
    )


@pytest.mark.parametrize("name", HEALTHY)
def test_what_has_no_fault_is_one_line(name: str) -> None:
    """Each family in one of its dtypes, so that all dtypes are met."""
    family = HEALTHY[name]
    check(family.wrapped(family.dtypes[list(HEALTHY).index(name) % len(family.dtypes)]), name in OPAQUE)


@pytest.mark.parametrize("level", ["component", "op"])
@pytest.mark.parametrize("name", MASKED)
def test_the_other_levels_find_nothing_either(name: str, level: str) -> None:
    """Single operators do make -inf: masks, and the logarithm of a distance of zero."""
    check(HEALTHY[name].wrapped(torch.float16), name in OPAQUE, level)


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_what_has_no_fault_is_one_line_in_every_dtype(name: str) -> None:
    for dtype in HEALTHY[name].dtypes:
        check(HEALTHY[name].wrapped(dtype), name in OPAQUE)


@pytest.mark.parametrize("name", [*FAMILIES, *WRAPPED])
def test_every_module_is_seen_as_often_as_plain_hooks_see_it_and_with_the_same_largest_number(name: str) -> None:
    family = HEALTHY[name]
    subject = family.wrapped(family.dtypes[0])
    subject.call()  # what a pipeline computes only once is done now
    truth = asked(subject)
    with watch(subject.target) as watched:
        subject.call()
    seen = {row.module: (row.calls, row.absmax) for row in watched.run.modules}
    true = {path: (row.calls, row.absmax if row.dtype else None) for path, row in truth.seen.items()}
    assert truth.truth is None
    assert seen.keys() == true.keys()
    assert not {path: (seen[path], true[path]) for path in true if seen[path] != true[path]}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_class_that_is_finite_by_plain_hooks_is_one_line(dtype: torch.dtype) -> None:
    """All that can be built. Some are not finite: weights that nobody initialised, timesteps that are too large for fp16."""
    found, tried = {}, 0
    for name in any_class():
        try:
            subject = of_class(name).wrapped(dtype)
            truth = asked(subject)
        except RuntimeError:  # its small parts do not load again
            continue
        if truth.truth is not None or truth.fault is not None:
            continue
        tried += 1
        try:
            check(subject)
        except AssertionError as fault:
            found[name] = str(fault)
    assert not found
    assert tried > 200


SDXL = """
import sys
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from peft import LoraConfig

parts = {"tokenizer": None, "tokenizer_2": None, "scheduler": EulerDiscreteScheduler(), "add_watermarker": False}
pipe = StableDiffusionXLPipeline.from_pretrained(sys.argv[1], torch_dtype=torch.float16, **parts)
pipe.unet.add_adapter(LoraConfig(r=2, init_lora_weights=False, target_modules=["to_q", "to_v"]))
pipe.enable_model_cpu_offload(device="cpu")
text = torch.randn(1, 7, pipe.unet.config.cross_attention_dim, dtype=torch.float16)
pooled = torch.randn(1, pipe.text_encoder_2.config.projection_dim, dtype=torch.float16)
given = {"prompt_embeds": text, "negative_prompt_embeds": text, "pooled_prompt_embeds": pooled}
images = pipe(**given, negative_pooled_prompt_embeds=pooled, height=64, width=64, num_inference_steps=3).images
print("made", len(images), images[0].size)
"""

LLAMA = """
import torch
from transformers import LlamaConfig, LlamaForCausalLM

sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
torch.manual_seed(0)
model = LlamaForCausalLM(LlamaConfig(vocab_size=50, **sizes)).to(torch.bfloat16).eval()
out = model.generate(torch.arange(3, 9)[None], min_new_tokens=4, max_new_tokens=4, do_sample=False)
print("made", out.shape[1])
"""


def watched_script(script: str, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    place = tmp_path / "serve.py"
    place.write_text(script)
    words = [sys.executable, "-W", "ignore", "-m", "dtypecheck", "watch", "serve.py", *arguments]
    quiet = {"TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error"}
    return subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, **quiet}, timeout=300
    )


def said(process: subprocess.CompletedProcess[str]) -> list[str]:
    """What stands on stderr and is no progress bar of a library."""
    return [
        line for line in re.split(r"[\r\n]+", process.stderr) if line.strip() and not re.search(r"\d+%\|.*it\]?|it/s\]", line)
    ]


def test_a_healthy_pipeline_script_with_lora_and_offload_is_one_line_on_stderr(tmp_path: Path) -> None:
    with truth.saved("StableDiffusionXLPipeline", KNOWN) as (place, _):
        process = watched_script(SDXL, tmp_path, str(place))
    assert process.returncode == 0, process.stderr
    assert process.stdout == "made 1 (64, 64)\n"
    (line,) = said(process)
    assert "serve.py" in line
    assert "unet" in line


def test_a_healthy_script_of_transformers_alone_is_one_line_on_stderr(tmp_path: Path) -> None:
    process = watched_script(LLAMA, tmp_path)
    assert process.returncode == 0, process.stderr
    assert process.stdout == "made 10\n"
    (line,) = said(process)
    assert "serve.py" in line
