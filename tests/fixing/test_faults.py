"""What a disk can refuse, and whoever stops a fix: a clear error, everything as it was, nothing lost."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dtypecheck.edits import Put, SetKey
from dtypecheck.fixing.apply import Acts, apply, finish, interrupted, undo
from dtypecheck.fixing.planfile import text_of
from dtypecheck.fixing.refusal import Refusal
from dtypecheck.fixplan import FixPlan

from .apply_cases import Counted, after, child, edits, in_memory, lay, plan, times, tree, whole

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk, or becomes somebody else")
FAULTS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EBUSY)
QUICK = 5
"""Every so many-th act fails in the default suite; `-m slow` has each of them fail in each way."""


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    folder = in_memory(tmp_path)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def disk(place: Path, *options: str) -> Iterator[Path]:
    """A small disk of its own, mounted; a skip where that is not permitted."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(place)], capture_output=True, check=False, timeout=60
    )
    if done.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, timeout=60)


def refused(model: Path, made: FixPlan, match: str, work: Callable[[], object] | None = None) -> Refusal:
    """The refusal of a plan, after which everything is as it was."""
    before, dated = tree(model.parent), times(model.parent)
    with pytest.raises(Refusal, match=match) as caught:
        (work or (lambda: apply(model, made)))()
    assert tree(model.parent) == before
    assert times(model.parent) == dated
    return caught.value


def said(work: Callable[[], object], told: Path, like: Callable[[], None] = lambda: None) -> str:
    """What a child process, after it became what `like` makes it, is refused with."""

    def run() -> None:
        like()
        try:
            work()
        except Refusal as fault:
            text = "\n".join((str(fault), *fault.offers))
            os.write(handle, text.encode())

    handle = os.open(told, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    assert child(run) == 0
    with os.fdopen(handle, "rb") as file:
        return file.read().decode() if file.seek(0) == 0 else ""


# disks that really refuse


@root_only
def test_space_is_checked_before_anything_is_written(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "size=2m") as place:
        model = lay(place)
        made = plan(model, Put("big.json", "x" * 1_500_000))
        fault = refused(model, made, r"bytes are needed on its disk and [\d,]+ are free; nothing was changed")
        assert "--out DIR" in fault.offers


@root_only
def test_a_disk_that_fills_up_meanwhile_loses_nothing(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "size=4m") as place:
        model = lay(place)
        made = plan(model, *edits(model))
        before = tree(model)
        told: list[str] = []
        for stop in range(14, 130, 9):
            filler = place / "filler"

            def fill(act: str, path: Path, filler: Path = filler) -> None:
                with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                    while file.write(b"x" * 4096):
                        pass

            counted = Counted(stop, fill)
            try:
                apply(model, made, acts=counted.acts)
            except Refusal as fault:
                told.append(str(fault))
                assert "nothing was changed" in told[-1] or "all was taken back" in told[-1]
                assert tree(model) == before
                assert interrupted(model) is None
            else:
                assert tree(model) == after(before, model)
                undo(model)
            finally:
                filler.unlink(missing_ok=True)
            assert tree(model) == before
            assert {path.name for path in place.iterdir()} == {"model", "better.safetensors"}
        assert any("the disk is full; nothing was changed" in text for text in told)
        assert any("are needed on its disk and 0 are free" in text for text in told)


@root_only
def test_an_undo_on_a_full_disk_changes_nothing_or_all(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "size=4m") as place:
        model = lay(place)
        before = tree(model)
        apply(model, plan(model, *edits(model)))
        new = tree(model)
        with contextlib.suppress(OSError), (place / "filler").open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        with contextlib.suppress(Refusal):
            undo(model)
        assert tree(model) in (before, new)
        (place / "filler").unlink()
        if tree(model) == new:
            undo(model)
        assert tree(model) == before


@root_only
def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "size=2m") as place:
        model = lay(place)
        made = plan(model, *edits(model))
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True, timeout=60)
        fault = refused(model, made, "read-only")
        assert "--out DIR" in fault.offers
        apply(model, made, out=tmp_path / "out")
        assert tree(tmp_path / "out") == after(tree(model), model)


@root_only
def test_a_target_that_is_a_disk_of_its_own_is_refused(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "size=2m") as place:
        lay(place)
        made = plan(place, Put("model/new.json", "{}"))
        fault = refused(place / "model", made, "it is a disk of its own", lambda: apply(place, made))
        assert "--out DIR" in fault.offers
        for path in place.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        model = lay(tmp_path)
        with pytest.raises(Refusal, match="it is a disk of its own; name a folder inside of it"):
            apply(model, plan(model, Put("x", "y")), out=place)


@root_only
def test_a_folder_of_the_target_on_another_disk_is_refused(tmp_path: Path) -> None:
    model = lay(tmp_path)
    with disk(model / "mounted", "size=2m"):
        refused(model, plan(model, Put("mounted/new.json", "{}")), "mounted/new.json: it lies on another disk")


@root_only
def test_an_undo_dir_without_room_is_refused(tmp_path: Path) -> None:
    model = lay(tmp_path)
    (model / "large.bin").write_bytes(os.urandom(3_000_000))
    with disk(tmp_path / "disk", "size=2m") as place:
        made = plan(model, Put("large.bin", "small"))
        refused(model, made, "--undo-dir .*: .* are needed", lambda: apply(model, made, undo_dir=place))


def nobody() -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


@root_only
@pytest.mark.parametrize("locked", ["model", "model/vae", "."])
def test_no_permission_for_a_folder_is_told(memory: Path, locked: str) -> None:
    model = lay(memory)
    for path in (memory, *memory.rglob("*")):
        os.chown(path, 65534, 65534)
    (memory / locked).chmod(0o555)
    made, before = plan(model, *edits(model)), tree(memory)
    text = said(lambda: apply(model, made), memory.parent / f"{memory.name}.told", nobody)
    (memory.parent / f"{memory.name}.told").unlink()
    (memory / locked).chmod(0o755)
    assert "permission" in text or "read-only for you" in text
    assert "--out DIR" in text
    assert tree(memory) == before


@root_only
def test_a_file_that_may_not_be_read_is_told(memory: Path) -> None:
    model = lay(memory)
    for path in (memory, *memory.rglob("*")):
        os.chown(path, 65534, 65534)
    made, before = plan(model, *edits(model)), tree(memory)
    os.chown(model / "serve.py", 0, 0)
    (model / "serve.py").chmod(0o600)
    text = said(lambda: apply(model, made), memory.parent / f"{memory.name}.told", nobody)
    (memory.parent / f"{memory.name}.told").unlink()
    assert "serve.py: no permission; nothing was changed" in text
    assert tree(memory) == before


@root_only
def test_a_file_of_somebody_else_in_a_folder_of_ones_own_is_replaced(memory: Path) -> None:
    model = lay(memory)
    for path in (memory, *memory.rglob("*")):
        os.chown(path, 65534, 65534)
    os.chown(model / "serve.py", 0, 0)
    made, before = plan(model, *edits(model)), tree(model)

    def both() -> None:
        nobody()
        apply(model, made)
        assert tree(model) == after(before, model)
        undo(model)

    assert child(both) == 0
    assert tree(model) == before


@root_only
def test_a_file_that_is_locked_on_the_disk_is_told(tmp_path: Path) -> None:
    model = lay(tmp_path)
    locked = model / "vae/config.json"
    if subprocess.run(["chattr", "+i", str(locked)], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip("this disk locks no files")
    try:
        refused(model, plan(model, *edits(model)), "not permitted: it may be locked .*; nothing was changed")
    finally:
        subprocess.run(["chattr", "-i", str(locked)], check=True, timeout=60)


def test_a_limit_on_the_size_of_files_is_told(tmp_path: Path) -> None:
    model = lay(tmp_path)
    (tmp_path / "better.safetensors").write_bytes(b"x" * 500_000)
    made, before = plan(model, *edits(model)), tree(tmp_path)

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    text = said(lambda: apply(model, made), tmp_path.parent / "told", small)
    assert "unet/diffusion_pytorch_model.safetensors: the disk, or a limit of this process, allows no file as large" in text
    assert tree(tmp_path) == before


def test_too_many_open_files_are_told(tmp_path: Path) -> None:
    model = lay(tmp_path)
    made, before = plan(model, *edits(model)), tree(tmp_path)
    with (tmp_path.parent / "told").open("wb") as told:

        def few() -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (told.fileno() + 3, told.fileno() + 3))
            with contextlib.suppress(OSError):
                while True:
                    os.dup(0)

        text = said(lambda: apply(model, made), tmp_path.parent / "said", few)
    assert "too many files are open in this process" in text
    assert tree(tmp_path) == before


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
