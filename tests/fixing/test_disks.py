"""Disks that really refuse: full, read-only, another one, no permission; nothing is lost on any."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dtypecheck.edits import Put
from dtypecheck.fixing.apply import apply, interrupted, undo
from dtypecheck.fixing.refusal import Refusal
from dtypecheck.fixplan import FixPlan

from .apply_cases import Counted, after, child, edits, lay, plan, times, tree

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk, or becomes somebody else")


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
