"""One script in several processes: one report, which says who showed what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from dtypecheck.knowledge import Knowledge, folder
from dtypecheck.report import Report
from dtypecheck.subjects import Request
from dtypecheck.subjects.shown import ModuleRow, Run
from dtypecheck.verbs.processes import Process, gather, hand_in, here

ROOT = Path(__file__).resolve().parents[3]
RUN = Run("watched", "runs", "cpu", modules=(ModuleRow("net", 1),), script="s.py", steps={"net": 1})


def test_a_script_alone_is_no_process_of_several() -> None:
    assert here({}) is None
    assert here({"RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}) is None
    assert here({"RANK": "zero", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}) is None


def test_two_launches_hand_in_at_two_places() -> None:
    said = {"RANK": "5", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "MASTER_PORT": "1"}
    one, two = here(said), here({**said, "MASTER_PORT": "2"})
    assert one is not None
    assert two is not None
    assert (one.rank, one.first, one.count) == (5, 4, 4)
    assert one.folder != two.folder


def test_what_the_others_hand_in_is_gathered_and_nothing_is_left_behind(tmp_path: Path) -> None:
    place = tmp_path / "runs"
    for rank in (1, 2):
        hand_in(Report(runs=(replace(RUN, steps={"net": rank}),)), Process(rank, 3, 0, place))
    report = gather(Report(runs=(RUN,)), Process(0, 3, 0, place), Knowledge((folder(),)), Request(), wait=1)
    assert [run.ranks for run in report.runs] == [(0,), (1,), (2,)]
    assert [run.steps["net"] for run in report.runs] == [1, 1, 2]
    assert not place.exists()


def test_a_process_that_never_comes_or_hands_in_garbage_is_told(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_bytes(b"\x00garbage")
    report = gather(Report(runs=(RUN,)), Process(0, 3, 0, tmp_path), Knowledge((folder(),)), Request(), wait=0.1)
    assert [limit.partition(" handed")[0] for limit in report.runs[0].limits] == ["rank 1", "rank 2"]


@pytest.mark.skipif(os.name == "nt", reason="torchrun starts no second process there")
def test_torchrun_gives_one_report_that_names_the_rank(tmp_path: Path) -> None:
    script = tmp_path / "both.py"
    script.write_text(
        textwrap.dedent("""\
            import os
            import torch

            net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4)).half().requires_grad_(False)
            if os.environ["RANK"] == "1":
                net[0].weight.fill_(60000.0)
            net(torch.ones(2, 4).half())
            """),
        "utf-8",
    )
    words = ["--nproc-per-node", "2", "-m", "dtypecheck", "watch", "--fail-on", "never", "-o", "run.json", "both.py"]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert [finding["code"] for finding in report["findings"]] == ["DT307"]
    assert "rank 1" in report["findings"][0]["message"]
    assert done.stderr.count("DT307") == 1
