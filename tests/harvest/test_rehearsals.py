"""Rehearsed rows: what they hold, that curated keys stay, and that the rows in the repository are what a rehearsal says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dtypecheck.harvest.rehearsals import differing, joined, of_class, refresh
from dtypecheck.knowledge import Knowledge, folder

pytest.importorskip("torch")
pytest.importorskip("diffusers")

KNOWN = Knowledge()
LONG = ("WanPipeline", "StableDiffusionControlNetPipeline")
SAMPLE = ("StableDiffusionXLPipeline", "FluxPipeline", *(pytest.param(name, marks=pytest.mark.slow) for name in LONG))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder(), tmp_path / "rules"))


@pytest.mark.parametrize("name", SAMPLE)
def test_the_rows_in_the_repository_are_what_a_rehearsal_says(name: str) -> None:
    row, undecided = of_class(name, KNOWN, "cpu")
    assert not undecided
    assert list(differing(name, KNOWN.row("pipelines", name), row)) == []


def test_rehearsed_rows_say_on_which_device_and_with_which_libraries() -> None:
    row, _ = of_class("DDPMPipeline", KNOWN, "cpu")
    assert row["rehearsed"] == KNOWN.row("pipelines", "DDPMPipeline")["rehearsed"]
    assert set(row["rehearsed"]) == {"device", "diffusers", "transformers"}


def test_a_row_that_says_the_same_leaves_the_file_as_it_is(rules: Path) -> None:
    found, missing = refresh(rules, "cpu", lambda name: name == "DDPMPipeline")
    assert not found.diff
    assert not missing
    assert found.files["pipelines.toml"] == (rules / "pipelines.toml").read_text()


def test_a_row_that_said_otherwise_is_written_anew_and_the_difference_is_told(rules: Path) -> None:
    path = rules / "pipelines.toml"
    text = path.read_text()
    start = text.index("[[FluxPipeline]]")
    end = text.index("\n[[", start)
    wrong = text[start:end].replace('at = "vae.', 'at = "elsewhere.')
    assert wrong != text[start:end]
    path.write_text(text[:start] + wrong + text[end:])
    found, _ = refresh(rules, "cpu", lambda name: name == "FluxPipeline")
    assert "crashes at elsewhere." in found.diff
    assert found.files["pipelines.toml"] == text


def test_what_was_curated_stays() -> None:
    old = {"decode": "same", "why": "By hand.", "runs": [1], "crashes": [2], "source": ["x"]}
    new = {"runs": [3], "crashes": [], "rehearsed": {"device": "cpu"}}
    assert joined(old, new) == {"decode": "same", "why": "By hand.", **new, "source": ["x"]}


def test_the_command_shows_the_difference_and_names_what_is_missing(rules: Path) -> None:
    words = ["dev", "harvest", "--rehearse", "--rules-dir", str(rules), "--only", "DDPMPipeline|OmniGenPipeline"]
    done = subprocess.run([sys.executable, "-m", "dtypecheck", *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nothing changed\nmissing OmniGenPipeline: ")


def test_coverage_is_what_the_notes_claim() -> None:
    living = [name for name in KNOWN.names("pipelines") if not name.startswith("modular:")]
    rows = [KNOWN.row("pipelines", name) for name in living]
    rehearsed = [row for row in rows if row.get("rehearsed") and not row.get("deprecated")]
    assert len(rehearsed) >= 200
