"""A watched run of a pipeline in words, and what the rules say of it."""

from __future__ import annotations

from dtypecheck.findings import Finding
from dtypecheck.testing import findings

RUN = "run: watched runs on cuda\nscript: serve.py as pipe\n"

CONV = "vae.decoder.up_blocks.2.resnets.0.conv2"


def of_run(text: str) -> list[Finding]:
    return [finding for finding in findings(RUN + text) if finding.code.startswith("DT3")]


def one(text: str) -> Finding:
    (finding,) = of_run(text)
    return finding


def fix(text: str) -> str:
    found = one(text).fix
    assert found
    return found.title
