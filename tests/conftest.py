"""What several tests lay out once: the fixtures of this repository, and the real model trees beside a developer's checkout."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["DTYPECHECK_CACHE"] = "off"  # what one test found is no other's, and the user's cache nobody's
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: tiny tensors, and a worker on every core already

from dtypecheck.knowledge import Knowledge

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
LONG = (
    "test_readme.py", "runs/watch/test_cases.py", "runs/watch/test_healthy.py", "runs/test_truth.py",
    "runs/test_script.py", "runs/test_rehearse.py", "runs/watch/test_watch_script.py", "harvest/test_rehearsals.py",
    "loading/test_real_loads.py", "test_cli.py",
    "test_explain.py", "runs/watch/test_pictures.py", "read/test_pickled_broken.py", "runs/test_contracts.py",
    "runs/watch/test_history.py", "runs/test_blame.py", "runs/watch/test_confirm.py", "runs/test_folder.py",
    "runs/watch/test_planted.py", "runs/watch/test_heal.py", "runs/test_matrix.py", "read/test_runs.py",
    "runs/watch/test_processes.py", "test_notebook.py", "test_wheel.py", "render/test_html.py", "checks/test_recorded_runs.py",
)  # fmt: skip
"""The files that take longest, the longest first."""

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: xdist hands out whole files in this order, so that at the end no worker waits for another's last one."""
    place = {ROOT / "tests" / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """The same random numbers in every run, before the first fixture of a test: a suite that fails by chance tells nothing."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


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
    subprocess.run([sys.executable, str(shared_data / "make_tree.py"), str(out)], check=True, capture_output=True, timeout=300)
    return out


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case of fixtures/, laid out at true size, the weights sparse."""
    out = tmp_path_factory.mktemp("cases")
    subprocess.run(
        [sys.executable, str(ROOT / "fixtures" / "lay_out.py"), str(out)], check=True, capture_output=True, timeout=300
    )
    return out
