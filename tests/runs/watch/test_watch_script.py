"""A script under `dtypecheck watch`: it runs and ends as it would alone, and there is a report however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NET = "import torch\nnet = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4)).half().requires_grad_(False)\n"
RUNS = "net(torch.ones(1, 4).half())\n"
HOT = "net[0].weight.fill_(60000.0)\n"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def watch(folder: Path, code: str, *words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    (folder / "s.py").write_text(textwrap.dedent(code), "utf-8")
    command = [sys.executable, "-m", "dtypecheck", "watch", *before, "s.py", *words]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)


def test_a_healthy_script_keeps_its_output_and_gets_one_line(tmp_path: Path) -> None:
    done = watch(tmp_path, NET + RUNS + "import sys\nprint('mine', sys.argv[1:], __name__, __file__)\n", "--steps", "3", "-v")
    assert done.returncode == 0
    assert done.stdout == f"mine ['--steps', '3', '-v'] __main__ {tmp_path / 's.py'}\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("dtypecheck: no dtype fault in s.py: ")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("import sys; sys.exit(7)\n", 7),
        ("raise SystemExit('no')\n", 1),
        ("1 / 0\n", 1),
        ("import os; os.kill(os.getpid(), 15)\n", 143),
    ],
    ids=["exit", "message", "exception", "signal"],
)
def test_the_scripts_own_end_is_kept_and_reported(end: str, code: int, tmp_path: Path) -> None:
    done = watch(tmp_path, NET + HOT + RUNS + end, before=("-o", "run.json"))
    assert done.returncode == code
    assert "DT307" in done.stderr
    report = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert report["run"]["producers"][0]["module"] == "0"
    if code == 1 and "0" in end:
        assert "ZeroDivisionError" in done.stderr


def test_a_finding_makes_the_exit_code_unless_it_may_not(tmp_path: Path) -> None:
    assert watch(tmp_path, NET + HOT + RUNS).returncode == 1
    assert watch(tmp_path, NET + HOT + RUNS, before=("--fail-on", "never")).returncode == 0


def test_a_script_may_change_its_folder_and_a_full_disk_does_not_stop_it(tmp_path: Path) -> None:
    done = watch(tmp_path, NET + RUNS + "import os\nos.chdir('/')\nprint('end')\n", before=("-o", "run.json"))
    assert done.returncode == 0
    assert (tmp_path / "run.json").is_file()
    if Path("/dev/full").exists():
        done = watch(tmp_path, NET + HOT + RUNS + "print('end')\n", before=("-o", "/dev/full"))
        assert done.stdout == "end\n"
        assert "dtypecheck: /dev/full could not be written: No space left on device" in done.stderr
        assert "DT307" in done.stderr


def test_threads_that_outlive_the_script_are_waited_for(tmp_path: Path) -> None:
    code = NET + "import threading, time\ndef late():\n    time.sleep(1)\n    " + RUNS + "threading.Thread(target=late).start()\n"
    done = watch(tmp_path, code)
    assert done.returncode == 0, done.stderr
    assert "1 step" in done.stderr


def test_ctrl_c_ends_the_script_and_writes_the_report(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(NET + RUNS + "print('ready', flush=True)\nimport time\ntime.sleep(60)\n", "utf-8")
    command = [sys.executable, "-m", "dtypecheck", "watch", "-o", "run.json", "s.py"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "KeyboardInterrupt" in said
    assert json.loads((tmp_path / "run.json").read_text("utf-8"))["run"]["modules"]


def test_a_server_that_never_ends_has_its_report_written_after_every_call(tmp_path: Path) -> None:
    from dtypecheck.knowledge import Knowledge, folder
    from tests.runs.watch import tiny

    tiny.lay_out(tmp_path, "sd", Knowledge((folder(),)))
    code = """\
    import threading, time
    import torch
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained("sd", torch_dtype=torch.float16)
    pipe.set_progress_bar_config(disable=True)

    def handle():
        pipe("a cat", num_inference_steps=2, height=32, width=32)

    for _ in range(2):
        worker = threading.Thread(target=handle)
        worker.start()
        worker.join()
        print("served", flush=True)
    time.sleep(100)
    """
    (tmp_path / "s.py").write_text(textwrap.dedent(code), "utf-8")
    command = [sys.executable, "-m", "dtypecheck", "watch", "-o", "run.json", "s.py"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=said, text=True)
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["served\n"] * 2
        steps = json.loads((tmp_path / "run.json").read_text("utf-8"))["run"]["steps"]
        process.kill()
        process.wait(timeout=30)
    assert steps["unet"] >= 4
    lines = [line for line in (tmp_path / "said").read_text().splitlines() if line.startswith("dtypecheck: ")]
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["watch", "none.py"], "none.py: there is no such file"),
        (["watch", "model"], "model is no script.py"),
        (["watch", "--output-format", "json", "s.py"], "write json with -o FILE"),
        (["watch", "-o", "no/where.json", "s.py"], "there is no folder no"),
        (["watch", "--level", "atom", "s.py"], "atom"),
    ],
)
def test_wrong_use_is_one_line_and_the_script_does_not_run(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("print('ran')\n")
    done = subprocess.run(
        [sys.executable, "-m", "dtypecheck", *words], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "ran" not in done.stdout
    assert "Traceback" not in done.stderr


def test_a_script_that_runs_no_module_is_told_so(tmp_path: Path) -> None:
    done = watch(tmp_path, "print('nothing')\n")
    assert done.returncode == 3
    assert "nothing was watched" in done.stderr


def test_a_script_that_is_no_python_fails_as_it_would_alone(tmp_path: Path) -> None:
    done = watch(tmp_path, "def broken(:\n")
    assert done.returncode == 1
    assert "SyntaxError" in done.stderr
    assert "dtypecheck/" not in done.stderr.split("SyntaxError")[0]


def test_worker_processes_of_a_data_loader_leave_the_watch_alone(tmp_path: Path) -> None:
    code = NET + textwrap.dedent("""\
        from torch.utils.data import DataLoader
        if __name__ == "__main__":
            for batch in DataLoader([torch.ones(4).half()] * 4, batch_size=2, num_workers=1):
                net(batch)
        """)
    done = watch(tmp_path, code, before=("-o", "run.json"))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run.json").read_text("utf-8"))["run"]["steps"] == {"net": 2}


def test_a_run_is_judged_again_from_its_file(tmp_path: Path) -> None:
    watch(tmp_path, NET + HOT + RUNS, before=("-o", "run.json"))
    done = subprocess.run(
        [sys.executable, "-m", "dtypecheck", "scan", "run.json"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 1
    assert "DT307" in done.stdout
