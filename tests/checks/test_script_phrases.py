"""Every promise of the rules about scripts is kept, at its line and with its severity, and what looks like it is left alone."""

from __future__ import annotations

from textwrap import dedent

import pytest

from dtypecheck.engine.scripts import Folders, scan_scripts
from dtypecheck.files import Memory
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import make
from tests.checks.script_phrases import DOCUMENTED, HARMLESS, PROMISED

KNOWN = Knowledge()
REQUEST = make(None, None, None, ["diffusers==0.42.1", "transformers==5.23.0"], KNOWN)
HEAD = """\
import torch
from diffusers import *
from diffusers.utils import load_image
from transformers import AutoModel, CLIPTextModel
"""


def told(text: str, head: str = HEAD) -> set[tuple[str, int, str]]:
    """Code, line and severity of each finding of a script, whose marks are taken out first."""
    lines = [line.partition("  # ->")[0] for line in dedent(text).strip("\n").split("\n")]
    files = Memory({"s.py": (head + "\n".join(lines)).encode()})
    found = scan_scripts(files, REQUEST, KNOWN, Folders(KNOWN, within=files)).findings
    return {(finding.code, (finding.where.line or 0) - head.count("\n"), finding.severity) for finding in found}


def expected(text: str) -> tuple[str, int, str]:
    """The code, line and severity that a script is marked with."""
    lines = dedent(text).strip("\n").split("\n")
    ((number, line),) = [(number, line) for number, line in enumerate(lines, 1) if "# ->" in line]
    code, severity = line.rpartition("# -> ")[2].split()
    return code, number, severity


@pytest.mark.parametrize("name", DOCUMENTED)
def test_what_documentation_shows_and_crashes_is_found(name: str) -> None:
    assert expected(DOCUMENTED[name]) in told(DOCUMENTED[name], head="")


@pytest.mark.parametrize("name", PROMISED)
def test_what_is_promised_is_found(name: str) -> None:
    assert expected(PROMISED[name]) in told(PROMISED[name])


@pytest.mark.parametrize("name", [*DOCUMENTED, *PROMISED])
def test_no_error_is_told_at_another_line(name: str) -> None:
    text, head = (DOCUMENTED[name], "") if name in DOCUMENTED else (PROMISED[name], HEAD)
    line = expected(text)[1]
    assert [found for found in told(text, head) if found[2] == "error" and found[1] != line] == []


@pytest.mark.parametrize("name", HARMLESS)
def test_what_looks_like_it_is_left_alone(name: str) -> None:
    assert told(HARMLESS[name]) == set()
