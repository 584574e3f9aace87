"""The folders that fixes are tried on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .apply_cases import in_memory, lay


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small pipeline folder, nothing of it fixed yet."""
    return lay(tmp_path)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A disk in memory."""
    folder = in_memory(tmp_path)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
