"""The command line as people use it: whole processes on real folders, exit codes, streams and bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dtypecheck.cli import cli
from dtypecheck.testing import lay_out as example
from dtypecheck.testing import safetensors

GOOD = """
config.json: {"_class_name": "UNet2DConditionModel"}
diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
"""
BAD = GOOD + "note.safetensors: lfs 100\n"


def lay(folder: Path, text: str) -> Path:
    """An example of the rule notation as files."""
    for name, content in example(text).files.contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(content)
            file.truncate(example(text).files.sizes[name])
    return folder


def run(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dtypecheck", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={**os.environ, **environment}, timeout=120)


def test_alone_it_says_in_a_few_lines_which_verb_is_for_which_trouble() -> None:
    done = run()
    lines = [line.split("dtypecheck ") for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert len(lines) <= 8
    assert [trouble.rstrip()[-1] for trouble, _ in lines] == ["?"] * len(lines)
    assert {len(trouble) for trouble, _ in lines} == {30}
    assert [words.split()[0] for _, words in lines][:2] == ["watch", "explain"]
    assert {words.split()[0] for _, words in lines} == set(cli.commands) - {"dev", "merge"}


def test_a_clean_folder_is_exit_0_and_one_line(tmp_path: Path) -> None:
    done = run("scan", lay(tmp_path, GOOD))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ok in 1 component, 2 files, 1 tensor\n"


def test_an_error_is_exit_1_and_the_line_names_file_code_and_fix(tmp_path: Path) -> None:
    done = run("scan", lay(tmp_path, BAD))
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith("note.safetensors: error DT005 a Git-LFS pointer")
    assert "; fix: " in done.stdout.splitlines()[0]


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 1), ("note", 1), ("never", 0)])
def test_fail_on_moves_the_line_between_exit_0_and_1(tmp_path: Path, level: str, code: int) -> None:
    lay(tmp_path, '\nconfig.json: {"_class_name": "UNet2DConditionModel"}\n')
    assert run("scan", tmp_path, "--fail-on", level).returncode == code


def test_an_empty_folder_is_exit_3_and_says_so(tmp_path: Path) -> None:
    done = run("scan", tmp_path)
    assert done.returncode == 3
    assert "nothing was looked at" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scan", "no/such/folder"], "there is no such file or folder"),
        (["scan", ".", "--dtype", "flaot16"], "the nearest is float16"),
        (["scan", ".", "--dtype", "float16,vea=float32"], "vea"),
        (["scan", ".", "--device", "t5"], "the nearest is"),
        (["scan", ".", "--select", "DT1x"], "no rule is called 'DT1x'"),
        (["scan", ".", "--ignore", "declared-dtype-narrow"], "the nearest is declared-dtype-narrows"),
        (["scan", ".", "--lib", "torch==2"], "no library version"),
        (["scan"], "Missing argument"),
        (["scna"], "No such command"),
        (["explain", "DT999"], "no rule is called 'DT999'"),
    ],
)
def test_wrong_use_is_exit_2_and_names_what_is_near(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = run(*arguments, cwd=lay(tmp_path, GOOD))
    assert done.returncode == 2, done.stdout
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_every_alias_of_a_dtype_gives_the_same_report(tmp_path: Path) -> None:
    lay(tmp_path, GOOD)
    outputs = {
        run("scan", tmp_path, "--dtype", word, "--output-format", "json").stdout for word in ("float16", "fp16", "half", "F16")
    }
    assert len(outputs) == 1


def test_two_scans_of_the_same_bytes_print_the_same_bytes(tmp_path: Path) -> None:
    lay(tmp_path, BAD)
    for form in ("json", "concise", "terminal"):
        assert run("scan", tmp_path, "--output-format", form).stdout == run("scan", tmp_path, "--output-format", form).stdout


def test_several_targets_give_one_report_with_their_names_in_front(tmp_path: Path) -> None:
    lay(tmp_path / "a", GOOD)
    lay(tmp_path / "b", BAD)
    done = run("scan", "a", "b", "--output-format", "json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [pipeline["path"] for pipeline in report["pipelines"]][:2] == ["a", "b"]
    assert report["findings"][0]["path"] == "b/note.safetensors"
    assert not any(str(tmp_path) in line for line in done.stdout.splitlines())


def test_a_report_goes_to_a_file_and_leaves_stdout_empty(tmp_path: Path) -> None:
    lay(tmp_path / "m", GOOD)
    done = run("scan", "m", "-o", "report.json", "--output-format", "json", cwd=tmp_path)
    assert done.stdout == ""
    assert json.loads((tmp_path / "report.json").read_text())["version"] == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_exit_2_and_names_the_cause(tmp_path: Path) -> None:
    lay(tmp_path, GOOD)
    done = run("scan", tmp_path, "-o", "/dev/full", "--output-format", "json")
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["scan", "good"], 0),
        (["scan", "good", "--output-format", "json"], 0),
        (["scan", "good", "--output-format", "terminal"], 0),
        (["scan", "bad"], 1),
        (["scan", "bad", "-o", "/dev/stdout"], 1),
        (["scan", "bad", "--fail-on", "never"], 0),
        (["scan", "."], 1),
        (["scan", "empty"], 3),
        (["scan", "--help"], 0),
        (["explain", "DT110"], 0),
        ([], 0),
    ],
    ids=lambda value: " ".join(value) or "alone" if isinstance(value, list) else None,
)
def test_a_reader_that_goes_away_changes_no_exit_code_and_is_no_traceback(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    lay(tmp_path / "good", GOOD)
    lay(tmp_path / "bad", BAD)
    (tmp_path / "empty").mkdir()
    assert unread(*arguments, cwd=tmp_path) == (code, "")


def test_a_reader_of_everything_that_goes_away_hides_no_wrong_use(tmp_path: Path) -> None:
    assert unread("scan", "no/such/folder", cwd=tmp_path, errors=subprocess.STDOUT)[0] == 2
    assert unread("scna", cwd=tmp_path, errors=subprocess.STDOUT)[0] == 2


def unread(*arguments: str, cwd: Path, errors: int = subprocess.PIPE) -> tuple[int, str]:
    """The exit code and stderr of a run whose output is a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dtypecheck", *arguments], stdout=writer, stderr=errors, text=True, cwd=cwd, timeout=60
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr or ""


def test_ctrl_c_ends_without_a_traceback(tmp_path: Path) -> None:
    for number in range(3000):
        lay(tmp_path / f"m{number}", GOOD)
    process = subprocess.Popen(
        [sys.executable, "-m", "dtypecheck", "scan", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(0.8)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert process.returncode in (130, 0)


def test_settings_are_read_from_the_working_directory_and_never_from_the_model(tmp_path: Path) -> None:
    lay(tmp_path / "model", BAD)
    (tmp_path / "model" / "dtypecheck.toml").write_text('ignore = ["DT0"]\n')
    assert run("scan", "model", cwd=tmp_path).returncode == 1
    (tmp_path / "pyproject.toml").write_text('[tool.dtypecheck]\nignore = ["lfs-pointer"]\n')
    assert run("scan", "model", cwd=tmp_path).returncode == 0


def test_a_suppressed_finding_stays_in_the_report_with_its_reason(tmp_path: Path) -> None:
    lay(tmp_path / "model", BAD)
    (tmp_path / "dtypecheck.toml").write_text('[[ignore]]\nrules = ["DT005"]\npath = "note*"\nreason = "kept for the docs"\n')
    done = run("scan", "model", "--output-format", "json", cwd=tmp_path)
    assert done.returncode == 0
    assert [finding["muted"] for finding in json.loads(done.stdout)["findings"]] == ["kept for the docs"]


def test_bad_settings_are_exit_2_and_name_the_nearest_key(tmp_path: Path) -> None:
    lay(tmp_path / "model", GOOD)
    (tmp_path / "dtypecheck.toml").write_text('selct = ["DT0"]\n')
    done = run("scan", "model", cwd=tmp_path)
    assert done.returncode == 2
    assert "the nearest is 'select'" in done.stderr


def test_explain_lists_every_rule_and_shows_the_page_of_one() -> None:
    listed = run("explain").stdout.splitlines()
    assert len(listed) >= 25
    assert all(line.startswith("DT") for line in listed)
    for word in ("DT110", "components-meet"):
        page = run("explain", word).stdout
        assert "DT110" in page
        assert "Good:" in page
    assert json.loads(run("explain", "DT110", "--output-format", "json").stdout)["name"] == "components-meet"


def test_a_header_of_garbage_is_one_finding(tmp_path: Path) -> None:
    header, size = safetensors([(f"t{n}", "F32", (2,)) for n in range(300)])
    garbage = bytes((byte * 7 + 13) % 256 for byte in header[8:])
    (tmp_path / "x.safetensors").write_bytes(header[:8] + garbage + bytes(size - len(header)))
    done = run("scan", tmp_path)
    assert done.returncode == 1
    assert len([line for line in done.stdout.splitlines() if " error DT" in line]) == 1
    assert "Traceback" not in done.stderr
