"""What the tests of the gate share: a small model, a script that loads it, and the verdict on them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from dtypecheck.subjects.gated import Gate
from dtypecheck.verbs.gate import Asking, gate

SCRIPT = """\
import torch
from diffusers import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained("model", torch_dtype=torch.float16)
# more
pipe("a cat")
"""
APART = SCRIPT.replace("# more", "pipe.vae.to(torch.bfloat16)")
ROOT = Path(__file__).parents[2]


def verdict(*paths: str | Path, fail_on: str = "error", **asked: Any) -> Gate:
    gated = gate([Path(path) for path in paths], Asking(**asked))
    made = gated.verdict(gated.report, fail_on).gate
    assert made is not None
    return made


def run(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dtypecheck", "gate", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
