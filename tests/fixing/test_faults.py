"""Whichever act of a fix or an undo fails, and whoever stops it: it is done, or as if it had not begun."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dtypecheck.edits import SetKey
from dtypecheck.fixing.apply import Acts, apply, finish, interrupted, undo
from dtypecheck.fixing.planfile import text_of
from dtypecheck.fixing.refusal import Refusal

from .apply_cases import Counted, after, child, edits, lay, plan, times, tree, whole

FAULTS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EBUSY)

QUICK = 5
"""Every so many-th act fails in the default suite; `-m slow` has each of them fail in each way."""


# every act fails once


def fail(number: int) -> Callable[[str, Path], None]:
    def failing(act: str, path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    return failing


def one_fault(folder: Path, stop: int, number: int) -> bool:
    """Whether a fix in which the `stop`-th act fails is refused; it is either whole or taken back whole."""
    model = lay(folder)
    before, dated = tree(folder), times(folder)
    made, new = plan(model, *edits(model)), after(tree(model), model)
    try:
        apply(model, made, acts=Counted(stop, fail(number)).acts)
    except Refusal as fault:
        failed = True
        assert "nothing was changed" in str(fault) or "all was taken back" in str(fault)  # noqa: PT017 - or it got round it
    else:
        failed = False
        assert tree(model) == new
        undo(model)
    assert (tree(folder), times(folder)) == (before, dated)
    shutil.rmtree(folder)
    return failed


def acts_of(folder: Path, backward: bool = False) -> int:
    model = lay(folder / "counted")
    counted = Counted()
    apply(model, plan(model, *edits(model)), acts=None if backward else counted.acts)
    if backward:
        undo(model, acts=counted.acts)
    shutil.rmtree(folder / "counted")
    return len(counted.seen)


def test_a_fix_in_which_one_act_fails_is_whole_or_taken_back_whole(memory: Path) -> None:
    acts = acts_of(memory)
    failed = sum(one_fault(memory / "one", stop, FAULTS[stop % len(FAULTS)]) for stop in range(1, acts + 1, QUICK))
    assert failed > acts / QUICK / 2


@pytest.mark.slow
def test_a_fix_in_which_any_act_fails_in_any_way_is_whole_or_taken_back_whole(memory: Path) -> None:
    acts = acts_of(memory)
    failed = sum(one_fault(memory / "one", stop, number) for number in FAULTS for stop in range(1, acts + 1))
    print(f"{failed} of {acts * len(FAULTS)} acts that failed were told, no loss")
    assert failed > acts


def one_fault_of_undo(folder: Path, stop: int, number: int) -> bool:
    model = lay(folder)
    before, dated = tree(folder), times(folder)
    apply(model, plan(model, *edits(model)))
    new = tree(model)
    try:
        undo(model, acts=Counted(stop, fail(number)).acts)
    except Refusal:
        failed = True
        assert tree(model) == new
        assert interrupted(model) is None
        undo(model)
    else:
        failed = False
    if (folder / ".model.dtypecheck-undo").exists():  # what could not be swept is swept by whoever comes next
        with contextlib.suppress(Refusal):
            undo(model)
    assert (tree(folder), times(folder)) == (before, dated)
    shutil.rmtree(folder)
    return failed


def test_an_undo_in_which_one_act_fails_is_done_or_not_begun(memory: Path) -> None:
    acts = acts_of(memory, backward=True)
    assert sum(one_fault_of_undo(memory / "one", stop, FAULTS[stop % len(FAULTS)]) for stop in range(1, acts + 1, QUICK)) > 5


@pytest.mark.slow
def test_an_undo_in_which_any_act_fails_is_done_or_not_begun(memory: Path) -> None:
    acts = acts_of(memory, backward=True)
    failed = sum(one_fault_of_undo(memory / "one", stop, number) for number in FAULTS[:4] for stop in range(1, acts + 1))
    print(f"{failed} of {acts * 4} acts that failed were told, no loss")


# the disk dies and comes back


def dead_from(folder: Path, stop: int, forward: bool) -> bool:
    """Whether a fix was left interrupted by a disk on which nothing works from the `stop`-th act on."""
    model = lay(folder)
    before, new = tree(model), after(tree(model), model)
    made, seen = plan(model, *edits(model)), 0

    def dying(act: str, path: Path) -> None:
        nonlocal seen
        seen += 1
        if seen >= stop:
            raise OSError(errno.EIO, "the disk is gone", str(path))

    with contextlib.suppress(Refusal):
        apply(model, made, acts=Acts(dying))
    now = tree(model)
    assert list(whole(now, before, new)) == []
    told = interrupted(model)
    if told and forward:
        finish(model)
        assert tree(model) == new
    if (folder / ".model.dtypecheck-undo").exists() and (told or now == new):
        undo(model)
    assert tree(model) == before
    assert interrupted(model) is None
    shutil.rmtree(folder)
    return told is not None


def test_a_disk_that_dies_in_the_middle_is_ended_in_either_direction_when_it_is_back(memory: Path) -> None:
    acts = acts_of(memory)
    assert sum(dead_from(memory / "one", stop, bool(stop % 2)) for stop in range(1, acts + 2, QUICK)) > 5


@pytest.mark.slow
def test_a_disk_that_dies_at_any_act_is_ended_in_either_direction_when_it_is_back(memory: Path) -> None:
    acts = acts_of(memory)
    left = sum(dead_from(memory / "one", stop, forward) for stop in range(1, acts + 2) for forward in (True, False))
    print(f"{left} fixes that a dead disk left in the middle were ended")


# whoever stops it


def stopped(folder: Path, stop: int, number: int) -> None:
    model = lay(folder)
    before, dated = tree(folder), times(folder)
    made = plan(model, *edits(model))

    def stop_it(act: str, path: Path) -> None:
        os.kill(os.getpid(), number)

    def work() -> None:
        try:
            apply(model, made, acts=Counted(stop, stop_it).acts)
        except KeyboardInterrupt as fault:
            os._exit(130 if fault.__notes__ == ["all was taken back"] else 1)
        except SystemExit as fault:
            os._exit(int(str(fault.code)) if fault.__notes__ == ["all was taken back"] else 1)

    code = child(work)
    if code == 0:
        undo(model)
    assert code in (0, 1, 128 + number)
    assert (tree(folder), times(folder)) == (before, dated) or code == 1
    shutil.rmtree(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_fix_that_is_told_to_stop_takes_back_what_it_did(memory: Path, number: int) -> None:
    for stop in range(30, 115, 12):
        stopped(memory / "one", stop, number)


def test_the_command_line_says_so_and_has_the_exit_code_of_the_signal(tmp_path: Path) -> None:
    model = lay(tmp_path)
    before = tree(model)
    made = plan(model, SetKey("vae/config.json", "/force_upcast", "true"))
    code = """
import os, signal, sys
from dtypecheck.cli import main
from dtypecheck.fixing import apply as package
from dtypecheck.cli import cli
@cli.command()
def stop():
    from pathlib import Path
    from dtypecheck.fixing.planfile import read_plan
    package.apply(Path("model"), read_plan(Path("plan.json")), verify=lambda root: os.kill(os.getpid(), int({number})) or [])
main(["stop"])
"""
    (tmp_path / "plan.json").write_text(text_of(made))
    for number in (signal.SIGINT, signal.SIGTERM):
        words = [sys.executable, "-c", code.replace("{number}", str(int(number)))]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 128 + number, done.stderr
        assert "stopped; all was taken back" in done.stderr
        assert tree(model) == before
        assert not (tmp_path / ".model.dtypecheck-undo").exists()
