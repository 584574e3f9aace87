"""Many targets through the command line: every one has its row, in order, and what happens to one stops no other."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.cache.store import Store
from dtypecheck.fleet.drive import Plan, drive
from dtypecheck.fleet.rows import Batch, Fault, Job, Row, read_line, unjudged
from dtypecheck.render.json import document
from dtypecheck.verbs.scan import scan_paths
from tests.remote.conftest import SMALL
from tests.remote.hub import COMMIT, served
from tests.remote.hub import Fault as OfHub
from tests.test_cli import lay, run


def fleet(*arguments: str | Path, cwd: Path, cache: str = "off") -> subprocess.CompletedProcess[str]:
    return run("fleet", *arguments, cwd=cwd, DTYPECHECK_CACHE=cache, NO_COLOR="1")


def lines(path: Path) -> list[dict[str, Any]]:
    return [read_line(line) for line in path.read_bytes().splitlines(keepends=True)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five models below models/, one of them with an error, all older than a cache wants."""
    for number in range(5):
        model = tmp_path / "models" / f"m{number}"
        model.mkdir(parents=True)
        lay(model, SMALL)
    (tmp_path / "models/m3/vae/config.json").write_text('{"_class_name": ')
    return tmp_path


# rows


def test_every_target_has_its_row_with_the_report_of_a_scan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = fleet("models", "-o", "rows.jsonl", "--dtype", "fp16", cwd=folder)
    assert (done.returncode, done.stderr) == (1, "")
    rows = lines(folder / "rows.jsonl")
    assert [row["target"] for row in rows] == [f"models/m{number}" for number in range(5)]
    assert [row["verdict"] for row in rows] == ["ok", "ok", "ok", "error", "ok"]
    monkeypatch.chdir(folder)
    for row in rows:
        assert row["report"] == json.loads(json.dumps(document(scan_paths([row["target"]], dtype="fp16"))))
    assert "1 of 5" in done.stdout or "4 of 5" in done.stdout


@pytest.mark.parametrize("more", [("--jobs", "1"), ("--jobs", "3")])
def test_however_many_work_the_bytes_are_the_same(more: Sequence[str], folder: Path) -> None:
    fleet("models", "-o", "one.jsonl", cwd=folder)
    fleet("models", "-o", "other.jsonl", *more, cwd=folder)
    assert (folder / "one.jsonl").read_bytes() == (folder / "other.jsonl").read_bytes()


def test_a_bad_target_has_a_row_and_stops_nobody(folder: Path) -> None:
    (folder / "list").write_text("models/m0\nmodels/gone\n# no\nmodels/m1/unet/config.json\nempty\n")
    (folder / "empty").mkdir()
    done = fleet("--from-file", "list", "-o", "rows.jsonl", cwd=folder)
    assert done.returncode == 3
    assert [(row["target"], row["outcome"]) for row in lines(folder / "rows.jsonl")] == [
        ("models/m0", "judged"), ("models/gone", "nothing"), ("models/m1/unet/config.json", "judged"), ("empty", "nothing"),
    ]  # fmt: skip
    assert lines(folder / "rows.jsonl")[1]["why"] == "there is no such file or folder (hf://models/gone asks the Hub)"
    assert "models/gone" in done.stdout


def test_rules_are_chosen_as_in_a_scan(folder: Path) -> None:
    assert fleet("models", "--ignore", "DT008,DT105", cwd=folder).returncode == 0
    (folder / "dtypecheck.toml").write_text('[[ignore]]\nrules = ["DT008", "DT105"]\nreason = "known"\npath = "*"\n')
    done = fleet("models", "-o", "rows.jsonl", cwd=folder)
    assert done.returncode == 0
    muted = [f for row in lines(folder / "rows.jsonl") for f in row["report"]["findings"] if f["muted"]]
    assert {f["muted"] for f in muted} == {"known"}
    for wrong in (("--ignore", "DT999"), ("--dtype", "fp17"), ("--device", "t5"), ("--engine", "local", "--address", "x")):
        done = fleet("models", *wrong, cwd=folder)
        assert (done.returncode, done.stdout) == (2, "")


def test_the_sum_as_json(folder: Path) -> None:
    done = fleet("models", "--output-format", "json", cwd=folder)
    told = json.loads(done.stdout)
    assert told["targets"] == 5


# the cache


def older(folder: Path) -> None:
    """Two seconds: what is younger may change without a later time of change, and is not kept."""
    newest = max(path.stat().st_ctime for path in folder.rglob("*"))
    time.sleep(max(0.0, newest + 2.1 - time.time()))


def test_what_has_not_changed_is_not_read_again(folder: Path) -> None:
    older(folder)
    first = fleet("models", "-o", "one.jsonl", cwd=folder, cache="c")
    again = fleet("models", "-o", "two.jsonl", cwd=folder, cache="c")
    assert first.stdout == again.stdout
    assert (folder / "one.jsonl").read_bytes() == (folder / "two.jsonl").read_bytes()
    marked = unjudged("models/m0", "this is what was kept").text or b""
    with sqlite3.connect(folder / "c" / "results.sqlite") as connection:
        connection.execute("UPDATE kept SET data = ?", (zlib.compress(marked),))
    connection.close()
    fleet("models", "-o", "three.jsonl", cwd=folder, cache="c")
    assert (folder / "three.jsonl").read_bytes() == marked * 5


def test_what_has_changed_is(folder: Path) -> None:
    older(folder)
    fleet("models", "-o", "one.jsonl", cwd=folder, cache="c")
    (folder / "models/m3/vae/config.json").write_text('{"_class_name": "AutoencoderKL"}')
    (folder / "models/m4/vae/config.json").unlink()
    fleet("models", "-o", "two.jsonl", cwd=folder, cache="c")
    fleet("models", "-o", "anew.jsonl", "--no-cache", cwd=folder, cache="c")
    assert (folder / "two.jsonl").read_bytes() == (folder / "anew.jsonl").read_bytes() != (folder / "one.jsonl").read_bytes()


class Inline:
    """Work done here, one batch after the other."""

    def run(self, work: Any, batches: Any) -> Any:
        return (work(batch) for batch in batches)

    def alone(self, work: Any, batch: Batch) -> Any:
        return work(batch)

    def close(self) -> None:
        pass


class Looks:
    """Work that counts what it had to look at. states: of the targets."""

    def __init__(self, states: dict[str, str]) -> None:
        self.states, self.looked = states, list[str]()

    def __call__(self, batch: Batch) -> list[Row]:
        return [self.one(job) for job in batch]

    def one(self, job: Job) -> Row:
        state = self.states[job.target]
        if state and state == job.known:
            return Row(job.target, state, None)
        self.looked.append(job.target)
        return Row(job.target, state, f"{job.target} {state}\n".encode())


PLAN = Plan(2, str.encode)


def test_only_what_changed_is_looked_at(tmp_path: Path) -> None:
    states = {"a": "1", "b": "1", "c": "", "d": "1", "e": "1"}
    for change, looked in (({}, "abcde"), ({}, "c"), ({"b": "2"}, "bc"), ({}, "c")):
        states |= change
        work = Looks(states)
        rows = list(drive(states, work, Inline(), Store(tmp_path / "r"), PLAN))
        assert "".join(work.looked) == looked
        assert [row.text for row in rows] == [f"{name} {state}\n".encode() for name, state in states.items()]


def test_a_cache_that_is_gone_meanwhile_costs_a_look(tmp_path: Path) -> None:
    class Forgets(Store):
        def get(self, keys: Sequence[bytes]) -> dict[bytes, tuple[str, bytes]]:
            return {}

    states = {"a": "1", "b": "1"}
    list(drive(states, Looks(states), Inline(), Store(tmp_path / "r"), PLAN))
    work = Looks(states)
    rows = list(drive(states, work, Inline(), Forgets(tmp_path / "r"), PLAN))
    assert work.looked == ["a", "b"]
    assert [row.text for row in rows] == [b"a 1\n", b"b 1\n"]


def test_what_fails_is_tried_by_itself_and_told(tmp_path: Path) -> None:
    class Fails(Inline):
        def run(self, work: Any, batches: Any) -> Any:
            return (Fault("x") if "bad" in {job.target for job in batch} else work(batch) for batch in batches)

        def alone(self, work: Any, batch: Batch) -> Any:
            return Fault("TypeError: our bug") if batch[0].target == "bad" else work(batch)

    states = {"a": "1", "bad": "1", "c": "1"}
    rows = list(drive(states, Looks(states), Fails(), Store(tmp_path / "r"), PLAN))
    assert [row.target for row in rows] == ["a", "bad", "c"]
    assert read_line(rows[1].text or b"")["why"] == "TypeError: our bug"
    assert Store(tmp_path / "r").states([b"a", b"bad", b"c"]) == {b"a": "1", b"c": "1"}


# stops


def test_a_stop_by_hand_tells_how_far_it_came_and_the_next_run_goes_on(tmp_path: Path, cases: Path) -> None:
    for number in range(300):
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / f"m{number:03d}").symlink_to(cases / ("sd15", "sdxl", "flux-dev")[number % 3])
    environment = {**os.environ, "DTYPECHECK_CACHE": str(tmp_path / "c"), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "dtypecheck", "fleet", "models", "-o", "rows.jsonl", "--jobs", "1"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        end = time.monotonic() + 60
        while not (tmp_path / "c" / "results.sqlite").exists() and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert "of 300 targets are done" in told
    assert "Traceback" not in told
    assert not (tmp_path / "rows.jsonl").exists()
    assert (tmp_path / "rows.jsonl.part").exists()
    assert fleet("models", "-o", "rows.jsonl", cwd=tmp_path, cache=str(tmp_path / "c")).returncode == 0
    assert len(lines(tmp_path / "rows.jsonl")) == 300
    assert not (tmp_path / "rows.jsonl.part").exists()


# merging


def test_files_of_rows_become_one(folder: Path) -> None:
    fleet("models", "-o", "whole.jsonl", cwd=folder)
    fleet("models/m0", "models/m3", "models/gone", "-o", "a.jsonl", cwd=folder)
    fleet("models/m1", "models/m2", "models/m3", "models/m4", "-o", "b.jsonl", cwd=folder)
    done = run("merge", "a.jsonl", "b.jsonl", "-o", "all.jsonl", cwd=folder)
    assert done.returncode == 1
    merged = {row["target"]: row for row in lines(folder / "all.jsonl")}
    wanted = {row["target"]: row for row in lines(folder / "whole.jsonl")}
    assert {name: row for name, row in merged.items() if name != "models/gone"} == wanted
    assert merged["models/gone"]["outcome"] == "nothing"


def test_the_row_that_was_judged_counts(folder: Path) -> None:
    fleet("models/m0", "-o", "good.jsonl", cwd=folder)
    (folder / "models/m0").rename(folder / "elsewhere")
    fleet("models/m0", "-o", "gone.jsonl", cwd=folder)
    for order in (("good.jsonl", "gone.jsonl"), ("gone.jsonl", "good.jsonl")):
        assert run("merge", *order, "-o", "all.jsonl", cwd=folder).returncode == 0
        assert [row["outcome"] for row in lines(folder / "all.jsonl")] == ["judged"]


def test_a_line_that_is_cut_off_is_left_out_and_told(folder: Path) -> None:
    fleet("models", "-o", "a.jsonl", cwd=folder)
    (folder / "cut.jsonl").write_bytes((folder / "a.jsonl").read_bytes()[:-50])
    done = run("merge", "cut.jsonl", "-o", "all.jsonl", cwd=folder)
    assert "cut.jsonl:5: the last line is cut off" in done.stderr
    assert len(lines(folder / "all.jsonl")) == 4


def test_a_file_of_something_else_is_wrong_use(folder: Path) -> None:
    (folder / "x.jsonl").write_text('{"a": 1}\n')
    for files in (["x.jsonl"], ["gone.jsonl"], ["models"]):
        done = run("merge", *files, cwd=folder)
        assert done.returncode == 2
        assert files[0] in done.stderr
        assert "Traceback" not in done.stderr
    fleet("models", "-o", "a.jsonl", cwd=folder)
    assert run("merge", "a.jsonl", "-o", "a.jsonl", cwd=folder).returncode == 2


def test_a_table_holds_the_same_rows(folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    fleet("models", "models/gone", "-o", "a.jsonl", cwd=folder)
    fleet("models", "models/gone", "-o", "a.parquet", cwd=folder)
    run("merge", "a.parquet", "-o", "back.jsonl", cwd=folder)
    assert (folder / "back.jsonl").read_bytes() == (folder / "a.jsonl").read_bytes()
    table = parquet.read_table(folder / "a.parquet").to_pylist()
    assert [row["errors"] for row in table] == [0, 0, 0, 2, 0, 0]
    assert table[3]["rules"] == ["DT008", "DT105"]
    assert table[0]["classes"] == ["StableDiffusionPipeline"]
    assert table[5]["bytes"] is None
    (folder / "no.parquet").write_bytes(b"PAR1 no")
    assert run("merge", "no.parquet", cwd=folder).returncode == 2


def test_names_that_are_no_text_are_written_everywhere(folder: Path) -> None:
    odd = folder / os.fsdecode(b"odd\xff\nname")
    (folder / "models/m3").rename(odd)
    done = fleet("models", odd.name, "-o", "a.jsonl", "--html", "a.html", cwd=folder)
    assert done.returncode == 1
    assert [row["target"] for row in lines(folder / "a.jsonl")][-1] == odd.name
    pytest.importorskip("pyarrow")
    assert fleet("models", odd.name, "-o", "a.parquet", cwd=folder).returncode == 1
    run("merge", "a.parquet", "-o", "back.jsonl", cwd=folder)
    assert (folder / "back.jsonl").read_bytes() == (folder / "a.jsonl").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_told_with_the_name_of_the_file(folder: Path) -> None:
    for name in ("rows.jsonl", "page.html"):
        (folder / f"{name}.part").symlink_to("/dev/full")
        done = fleet("models", "-o" if name.endswith("jsonl") else "--html", name, cwd=folder)
        assert done.returncode == 2
        assert f"{name}.part" in done.stderr
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr


def test_another_name_for_the_rows_is_wrong_use(folder: Path) -> None:
    done = fleet("models", "-o", "rows.csv", cwd=folder)
    assert done.returncode == 2
    assert ".jsonl or a .parquet" in done.stderr


# elsewhere


def test_models_of_the_hub_are_asked_for_once_and_then_for_their_commit(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    small = lay(tmp_path / "small", SMALL)
    names = [f"our/m{number}" for number in range(6)]
    (tmp_path / "list").write_text("\n".join([*names, "our/none"]))
    with served(dict.fromkeys(names, small)) as hub:
        environment = {"HF_ENDPOINT": hub.hub, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": "", "DTYPECHECK_CACHE": "c"}
        asked = []
        for name in ("one", "two"):
            done = run("fleet", "--from-file", "list", "-o", f"{name}.jsonl", "--jobs", "1", cwd=tmp_path, **environment)
            assert done.returncode == 3, done.stderr
            asked.append([one.path for one in hub.asked])
            hub.asked.clear()
        assert all("/revision/main" in path for path in asked[1])
        assert len(asked[1]) == 7 < len(asked[0])
    rows = lines(tmp_path / "one.jsonl")
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert [row["outcome"] for row in rows] == ["judged"] * 6 + ["nothing"]
    assert {row["report"]["pipelines"][0]["source"]["revision"] for row in rows[:6]} == {COMMIT}
    assert "without a token (HTTP 401)" in rows[6]["why"]


def test_what_could_not_be_fetched_is_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    with served({"our/m": lay(tmp_path / "small", SMALL)}) as hub:
        environment = {"HF_ENDPOINT": hub.hub, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": "", "DTYPECHECK_CACHE": "c"}
        hub.faults = {"vae/config": [OfHub(cut=3)] * 4}
        verdicts = []
        for _ in range(2):
            done = run("fleet", "our/m", "-o", "rows.jsonl", cwd=tmp_path, **environment)
            assert done.stderr == ""
            verdicts.append(lines(tmp_path / "rows.jsonl")[0])
    assert verdicts[0] != verdicts[1]
    assert "DT001" in {finding["code"] for finding in verdicts[0]["report"]["findings"]}
    assert "DT001" not in {finding["code"] for finding in verdicts[1]["report"]["findings"]}


def test_without_a_network_a_model_elsewhere_is_a_row_with_the_reason(tmp_path: Path) -> None:
    done = run("fleet", "our/m", "hf://our/n", "--offline", "-o", "r.jsonl", cwd=tmp_path, HF_HOME=str(tmp_path))
    assert done.returncode == 3
    assert [row["outcome"] for row in lines(tmp_path / "r.jsonl")] == ["nothing", "nothing"]
    assert "--offline" in lines(tmp_path / "r.jsonl")[0]["why"]
