"""A small model that may be deployed, and a copy of it that a test may spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dtypecheck.knowledge import Knowledge, folder
from tests.gate.deployed import SCRIPT
from tests.runs.watch import tiny


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Stable Diffusion with tokenizer and every weight, as its library saves it."""
    place = tmp_path_factory.mktemp("made")
    tiny.lay_out(place, "sd", Knowledge((folder(),)))
    return place / "sd"


@pytest.fixture
def model(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it beside a script that loads it, in the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, tmp_path / "model")
    (tmp_path / "serve.py").write_text(SCRIPT)
    return Path("model")
