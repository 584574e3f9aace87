"""A second scan of a folder in which nothing changed is the first one's report; everything that may differ is looked at anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from dtypecheck.cache import state
from dtypecheck.cache.kept import Kept
from dtypecheck.report import Report
from dtypecheck.verbs.scan import scan_paths
from tests.remote.conftest import SMALL
from tests.test_cli import lay, run


@pytest.fixture(autouse=True)
def old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test has just written counts as written long ago."""
    monkeypatch.setattr(state, "YOUNG", -(1 << 60))


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """One that keeps everything."""
    return Kept(tmp_path / "cache" / "results.sqlite", worth=0.0)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with a finding."""
    (tmp_path / "model").mkdir()
    lay(tmp_path / "model", SMALL)
    (tmp_path / "model" / "vae" / "config.json").write_text('{"_class_name": ')
    return tmp_path / "model"


def scan(model: Path, kept: Kept, dtype: str | None = None) -> Report:
    return scan_paths([model], dtype=dtype, kept=kept)


def test_the_second_scan_is_the_first_ones_report(model: Path, kept: Kept) -> None:
    first = scan(model, kept)
    assert kept.used == 0
    assert first.findings
    assert scan(model, kept) == first == scan_paths([model])
    assert kept.used == 1


def test_what_changed_is_read_again(model: Path, kept: Kept) -> None:
    assert any(f.code == "DT008" for f in scan(model, kept).findings)
    (model / "vae" / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    assert not any(f.code == "DT008" for f in scan(model, kept).findings)
    assert kept.used == 0


def test_another_request_is_another_question(model: Path, kept: Kept) -> None:
    scan(model, kept)
    assert scan(model, kept, "bfloat16").request.dtypes != scan(model, kept).request.dtypes
    assert kept.used == 1


def test_scripts_are_read_each_time(model: Path, kept: Kept) -> None:
    (model / "run.py").write_text("import torch\nvae.to(torch.float16)\n")
    first = scan(model, kept)
    assert scan(model, kept) == first
    assert kept.used == 1
    assert first.seen["scripts"] == 1


def test_a_quick_scan_is_not_kept(model: Path, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "cache" / "results.sqlite", worth=3600.0)
    scan(model, kept)
    assert not (tmp_path / "cache").exists()


def test_an_adapter_or_values_ask_for_a_look(model: Path, kept: Kept) -> None:
    scan(model, kept)
    scan_paths([model], dtype="float16", values="quick", kept=kept)
    scan_paths([model], dtype="float16", adapters=[model], kept=kept)
    assert kept.used == 0


def test_on_the_command_line_two_scans_print_the_same(cases: Path, tmp_path: Path) -> None:
    done = [run("scan", cases, "-q", DTYPECHECK_CACHE=str(tmp_path / "c"), NO_COLOR="1") for _ in range(2)]
    assert done[0].stdout == done[1].stdout != ""
    assert [one.returncode for one in done] == [1, 1]
