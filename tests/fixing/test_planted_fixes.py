"""Faults planted in tiny real models are fixed by the command line, the models then run for real, and undo brings all back."""

from __future__ import annotations

from pathlib import Path

import pytest

from dtypecheck.knowledge import Knowledge

from .planted.faults import FAULTS, Fault
from .planted.play import play, wrong


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the models are made once."""
    return tmp_path_factory.mktemp("models")


def test_there_are_thirty_faults_of_different_names() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 30


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.quick], ids=lambda fault: fault.name)
def test_a_planted_fault_is_fixed_runs_and_is_undone(fault: Fault, store: Path, tmp_path: Path, known: Knowledge) -> None:
    assert wrong(fault, play(fault, store, tmp_path / "model", known)) == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if not fault.quick], ids=lambda fault: fault.name)
def test_every_planted_fault_is_fixed_runs_and_is_undone(fault: Fault, store: Path, tmp_path: Path, known: Knowledge) -> None:
    assert wrong(fault, play(fault, store, tmp_path / "model", known)) == []
