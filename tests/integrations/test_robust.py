"""Wherever it is run, and whatever files are called: an answer or one clear line, and never a traceback.

What can be seen inside this process is; a process of its own stands only where the start or the end of one matters.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from dtypecheck.cli import cli, main
from dtypecheck.cli.output import coloured
from dtypecheck.testing import lay_out

BAD = """
config.json: {"_class_name": "UNet2DConditionModel"}
diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
note.safetensors: lfs 100
"""
SCRIPT = """import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline

vae = AutoencoderKL.from_pretrained("sdxl-vae", torch_dtype=torch.float32)
pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", vae=vae, torch_dtype=torch.float16)
pipe("a caf\u00e9 \u2192 \U0001f600")
"""
POSIX = pytest.mark.skipif(os.name == "nt", reason="files and streams of POSIX")


def lay(folder: Path) -> Path:
    """A model with one error."""
    folder.mkdir(parents=True)
    example = lay_out(BAD).files
    for name, content in example.contents.items():
        with (folder / name).open("wb") as file:
            file.write(content)
            file.truncate(example.sizes[name])
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model and a script, both with errors."""
    lay(tmp_path / "model")
    (tmp_path / "serve.py").write_text(SCRIPT, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return tmp_path


Run = Callable[..., tuple[int, str, str]]


class Stream(io.TextIOWrapper):
    """A stream of some encoding, held in memory."""

    def __init__(self, encoding: str, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def said(self) -> str:
        """All that was written."""
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process; the exit code, stdout and stderr."""

    def act(*words: str, encoding: str = "utf-8") -> tuple[int, str, str]:
        out, err = Stream(encoding), Stream(encoding)
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        try:
            main(words)
            code = 0
        except SystemExit as done:
            code = int(done.code or 0)
        assert "Traceback" not in out.said + err.said
        assert "a bug of ours" not in err.said
        return code, out.said, err.said

    return act


def process(
    *words: str | Path, flags: tuple[str, ...] = (), cwd: Path | str | None = None, **changed: str | None
) -> tuple[int, str, str]:
    """Run it in a process of its own: exit code, stdout, stderr. A variable that is None is not there."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **changed}
    command = [sys.executable, *flags, "-m", "dtypecheck", *map(str, words)]
    done = subprocess.run(
        command,
        cwd=cwd,
        env={key: value for key, value in environment.items() if value is not None},
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert "a bug of ours" not in done.stderr
    return done.returncode, done.stdout, done.stderr


# what files are called


@POSIX
def test_names_that_are_no_utf_8_are_shown_spelled_out(tmp_path: Path) -> None:
    try:
        model = lay(tmp_path / os.fsdecode(b"mod\xffel"))
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    script, report = (tmp_path / os.fsdecode(name) for name in (b"s\xff.py", b"r\xff.json"))
    script.write_text(SCRIPT, "utf-8")
    code, said, _ = process("scan", model, script, cwd=tmp_path)
    assert code == 1
    assert "mod\\udcffel/note.safetensors: error DT005" in said
    assert "s\\udcff.py:" in said
    assert process("scan", ".", os.fsdecode(b"mod\xffel"), "-o", report, cwd=tmp_path)[:2] == (1, "")
    assert b"DT005" in report.read_bytes()


@POSIX
def test_names_as_long_as_names_can_be_are_read_and_written(place: Path, run: Run) -> None:
    folder = place
    for letter in "abcd":
        folder = folder / (letter * 200)
    model = lay(folder / ("m" * 255))
    assert len(str(model)) > 1000
    code, said, _ = run("scan", str(model))
    assert (code, said.count("error DT005")) == (1, 1)
    assert run("fix", str(model))[0] == 1
    name = "o" * 250 + ".json"
    assert run("scan", "model", "-o", name)[0] == 1
    assert (place / name).read_bytes().startswith(b"{")
    assert not list(place.glob(".dtypecheck*"))
    code, _, told = run("scan", "x" * 5000)
    assert code == 2
    assert told.endswith("name too long\n") or "there is no such" in told
    assert "name too long" in run("scan", "model", "-o", "o" * 300)[2]


@pytest.mark.parametrize("name", ["x\n::error::harm", "x\r::add-mask::harm", "\x1b[31mx", "a\u2028b"])
def test_no_name_writes_a_line_of_its_own_or_steers_a_terminal(place: Path, run: Run, name: str) -> None:
    for words in (
        ("scan", name), ("scan", "model", "--dtype", name), ("scan", "model", "--device", name),
        ("scan", "model", "-o", f"no/{name}/x"),
        ("scan", "model", "--config", name), ("gate", name), ("explain", "DT9" + name), (name,), ("undo", name), ("fix", name),
    ):  # fmt: skip
        code, said, told = run(*words)
        assert code in (2, 3)
        assert not any(line.startswith(("::", "harm")) for line in (said + told).splitlines()), words
        assert not {"\r", "\x1b", "\u2028"} & {*said, *told}, words


# the text of files


def test_windows_line_ends_change_nothing(place: Path, run: Run) -> None:
    for file in (place / "serve.py", place / "model" / "config.json"):
        unix = run("scan", file.name if file.suffix == ".py" else "model")
        file.write_bytes(file.read_bytes().replace(b'": ', b'":\n').replace(b"\n", b"\r\n"))
        assert run("scan", file.name if file.suffix == ".py" else "model") == unix
    (place / "dtypecheck.toml").write_bytes(b'ignore = ["DT005"]\r\n')
    assert run("scan", "model")[0] == 0


# streams and terminals


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_what_an_encoding_lacks_is_spelled_out(place: Path, run: Run, encoding: str) -> None:
    for form in ("concise", "terminal", "json", "markdown", "html", "sarif"):
        assert run("scan", "model", "serve.py", "--output-format", form, encoding=encoding)[0] == 1
    for words in (("explain", "DT110"), ("explain",), ("scan", "--help"), ("explain", "black \U0001f600 image \u2192 NaN")):
        assert run(*words, encoding=encoding)[0] in (0, 3)


@POSIX
def test_closed_and_full_streams_are_told_once_and_leave_an_exit_code(place: Path) -> None:
    for redirected, code, told in (
        ("<&-", 1, ""),
        (">&-", 2, "stdout is closed"),
        ("2>&-", 2, ""),
        (">/dev/full", 2, "No space left on device"),
        ("2>/dev/full", 1, ""),
    ):
        text = f'exec "$0" -m dtypecheck scan model {redirected}'
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(["sh", "-c", text, sys.executable], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, redirected
        assert told in done.stderr
        assert len(done.stderr.splitlines()) <= 1, done.stderr


def test_colours_are_for_terminals_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for no, force, terminal, wanted in (
        ("", "", True, True), ("", "", False, False), ("1", "", True, False), ("", "1", False, True), ("1", "1", True, False),
    ):  # fmt: skip
        monkeypatch.setenv("NO_COLOR", no)
        monkeypatch.setenv("FORCE_COLOR", force)
        assert coloured(Stream("utf-8", terminal)) is wanted


@POSIX
def test_a_terminal_of_20_columns_shows_every_word(place: Path) -> None:
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", "NO_COLOR": "1"}
    words = [sys.executable, "-m", "dtypecheck", "scan", "model", "serve.py"]
    done = subprocess.run(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, timeout=60)
    os.close(theirs)
    said = b""
    while chunk := _read(ours):
        said += chunk
    os.close(ours)
    assert done.returncode == 1
    text = " ".join(said.decode().split())
    assert "error DT005" in text
    assert re.search(r"error DT2\d\d", text)
    assert "\x1b" not in text.replace("\x1b[K", "")  # which takes back the line that says how far it is
    assert "Traceback" not in text


def _read(terminal: int) -> bytes:
    """What a terminal still holds; nothing once the other side is closed, which Linux tells as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


# where it is run


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that nobody can write to")
def test_neither_home_nor_the_working_directory_has_to_be_writable(place: Path) -> None:
    assert process("scan", place / "model", cwd="/proc/self", HOME="/proc")[0] == 1
    assert process("scan", place / "serve.py", HOME=None, LC_ALL="POSIX", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")[0] == 1
    code, said, told = process("scan", place / "model", "-o", "r.json", cwd="/proc/self", HOME="/proc")
    assert (code, said) == (2, "")
    assert told.startswith("dtypecheck: r.json: ")


@POSIX
def test_a_working_directory_that_is_gone_is_told(place: Path) -> None:
    text = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" -m dtypecheck scan "$1"'
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = ["sh", "-c", text, sys.executable, str(place / "model")]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (2, ["dtypecheck: the working directory is gone"])


def test_without_docstrings_pages_are_the_same_and_help_says_what_it_lacks(place: Path, run: Run) -> None:
    page = run("explain", "DT110", "--output-format", "json")
    assert "Two components will meet" in page[1]
    assert process("explain", "DT110", "--output-format", "json", PYTHONOPTIMIZE="2") == page
    assert process("scan", "model", "serve.py", flags=("-OO",)) == run("scan", "model", "serve.py")
    code, said, told = process("scan", "--help", PYTHONOPTIMIZE="2")
    assert (code, said.startswith("Usage: ")) == (0, True)
    assert "without -OO and PYTHONOPTIMIZE=2" in told


def test_a_bug_of_ours_is_one_line_with_the_way_to_see_where(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(debug: bool) -> None:
        raise LookupError("oops\n::error::")

    monkeypatch.setitem(cli.commands, "broken", click.Command("broken", None, fails, [click.Option(["--debug"], is_flag=True)]))
    out, err = Stream("utf-8"), Stream("utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with pytest.raises(SystemExit) as done:
        main(["broken"])
    assert done.value.code == 2
    assert err.said == "dtypecheck: a bug of ours: LookupError: oops\\n::error:: (--debug shows where; please report it)\n"
    with pytest.raises(LookupError):
        main(["broken", "--debug"])
