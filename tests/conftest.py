"""What several tests lay out once: the fixtures of this repository, and the real model trees beside a developer's checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dtypecheck.knowledge import Knowledge

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def known() -> Knowledge:
    """The rows of this repository."""
    return Knowledge()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, or a skip that says which folder was not there."""
    if not (SHARED / "make_tree.py").is_file():
        pytest.skip(f"{SHARED} is not there")
    return SHARED


@pytest.fixture(scope="session")
def shared_tree(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 51 real model directories at true size, their weights sparse."""
    out = tmp_path_factory.mktemp("shared")
    subprocess.run([sys.executable, str(shared_data / "make_tree.py"), str(out)], check=True, capture_output=True)
    return out


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case of fixtures/, laid out at true size, the weights sparse."""
    out = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, str(ROOT / "fixtures" / "lay_out.py"), str(out)], check=True, capture_output=True)
    return out
