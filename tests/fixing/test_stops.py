"""What a stop says, and what the bar shows meanwhile: one line each."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from dtypecheck.cli import early, main
from dtypecheck.cli.progress import Bar
from dtypecheck.fixing.apply import Progress

from .apply_cases import lay, tree

SLOW = """
import sys, time
from dtypecheck.verbs import apply, fix
from dtypecheck.cli import main
def slow(*given, **named):
    print("at it", flush=True)
    time.sleep(30)
{what} = slow
main(sys.argv[1:])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("what", ["fix.plan_fix", "apply.end_fix"])
def test_a_fix_that_is_stopped_before_it_writes_says_that_nothing_was_changed(
    tmp_path: Path, what: str, number: int, code: int
) -> None:
    model = lay(tmp_path)
    before = tree(tmp_path)
    words = [sys.executable, "-c", SLOW.format(what=what), "fix", str(model), "--apply"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at it\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert err.strip() == "dtypecheck: stopped; nothing was changed"
    assert tree(tmp_path) == before


def test_a_stop_after_the_deed_does_not_say_that_nothing_was_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dtypecheck.verbs import apply

    def done(*given: object, **named: object) -> None:
        named["told"](Progress(1, 1, "", "done"))  # type: ignore[operator]
        raise KeyboardInterrupt

    monkeypatch.setattr(apply, "end_fix", done)
    with pytest.raises(SystemExit) as stopped:
        main(["fix", str(lay(tmp_path)), "--apply"])
    assert stopped.value.code == 130
    assert capsys.readouterr().err.strip() == "dtypecheck: stopped; the fix is done"


def test_a_stop_while_the_command_line_is_imported_gives_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import time\nprint('at it', flush=True)\ntime.sleep(30)\n")
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from dtypecheck.cli import main; main()"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at it\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (-signal.SIGINT, "")
    assert early.__doc__


@pytest.mark.parametrize("columns", [40, 60, 90, 120])
def test_the_bar_is_one_line_and_has_a_word_for_the_check(columns: int) -> None:
    shown: dict[str, str] = {}
    bar = Bar("writing", quiet=False)
    bar.on = True
    with bar as told:
        for progress in (
            Progress(123_456_789, 5_123_456_789, "unet/" + "diffusion_pytorch_model-00001-of-00003.safetensors"),
            Progress(1, 1, "", "checking what was written"),
            Progress(7, 9, "vae/config.json"),
        ):
            told(progress)
            console = Console(file=io.StringIO(), width=columns, force_terminal=False)
            with console.capture() as drawn:
                console.print(bar._bar.get_renderable())
            shown[progress.phase or progress.file] = drawn.get().rstrip("\n")
            time.sleep(0.01)
    for line in shown.values():
        assert "\n" not in line
        assert len(line) <= columns
    assert "bytes" in shown["vae/config.json"] or columns == 40
    checking = shown["checking what was written"]
    assert "checking" in checking
    assert "100%" not in checking
    assert "B" not in checking
