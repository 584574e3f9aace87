"""Fixes of a part and of the whole are taken back newest first, and nothing that is taken out of the way is lost."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dtypecheck.cli import main
from dtypecheck.edits import SetKey
from dtypecheck.fixing.apply import NothingToUndo, Stale, apply, undo
from dtypecheck.fixing.apply.typed import typed
from dtypecheck.fixing.refusal import Refusal

from .apply_cases import Counted, child, edits, in_memory, lay, plan, tree

FORCE = "/force_upcast"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = lay(tmp_path)
    monkeypatch.chdir(tmp_path)
    return folder.relative_to(tmp_path)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    folder = in_memory(tmp_path)
    yield folder
    shutil.rmtree(folder)


def change(target: Path, path: str, value: str) -> None:
    apply(target, plan(target, SetKey(path, FORCE, value)))


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("part_is_newer", [True, False])
def test_the_newer_fix_of_a_file_is_taken_back_first_even_by_force(model: Path, part_is_newer: bool, force: bool) -> None:
    whole, part = (model, "vae/config.json"), (model / "vae", "config.json")
    older, newer = (whole, part) if part_is_newer else (part, whole)
    first = tree(model)
    change(*older, "1")
    second = tree(model)
    change(*newer, "2")
    with pytest.raises(Stale, match=r"a newer fix, of model(/vae)?, changed it too") as caught:
        undo(older[0], force=force)
    assert caught.value.offers == (f"dtypecheck undo {newer[0]}",)
    undo(newer[0])
    assert tree(model) == second
    undo(older[0])
    assert tree(model) == first


def test_a_newer_fix_of_other_files_bars_nothing(model: Path) -> None:
    change(model / "vae", "config.json", "1")
    apply(model, plan(model, SetKey("model_index.json", "/seed", "9")))
    undo(model / "vae")
    undo(model)


def test_a_newer_fix_whose_undo_data_was_pruned_bars_nothing(model: Path) -> None:
    change(model, "vae/config.json", "1")
    change(model / "vae", "config.json", "2")
    next(model.glob(".vae.dtypecheck-undo/0001-*/old/0")).unlink()
    undo(model, force=True)


def test_following_force_loses_nothing_that_people_wrote(model: Path) -> None:
    original = tree(model)
    change(model, "vae/config.json", "1")
    (model / "vae/config.json").write_text("mine")
    apply(model, plan(model, SetKey("model_index.json", "/seed", "9")))
    (model / "model_index.json").write_text("mine too")
    for _ in range(2):
        undo(model, force=True)
    assert tree(model) == original
    kept = [path.read_text() for path in sorted(Path().glob(".model.dtypecheck-undo/kept-*/**/*.json"))]
    assert kept == ["mine", "mine too"]


def die(act: str, path: Path) -> None:
    os.kill(os.getpid(), 9)


def test_an_undo_by_force_that_is_killed_at_any_act_keeps_what_it_moved(memory: Path) -> None:
    for stop in range(1, 200, 5):
        root = memory / str(stop)
        model = lay(root)
        before = tree(model)
        apply(model, plan(model, *edits(model)))
        (model / "serve.py").write_bytes(b"mine")
        ended = child(lambda at=stop, to=model: undo(to, force=True, acts=Counted(at, die).acts)) == 0  # type: ignore[misc]
        if not ended:
            with contextlib.suppress(NothingToUndo):
                undo(model, force=True)
        assert tree(model) == before
        assert b"mine" in tree(root).values(), stop
        if ended:
            return
    raise AssertionError("it never came to its end")


NAMES = ("plain", "two words", "a'b", "line\nfeed", "$(x) `y`", "back\\slash\n'quoted'", "tab\tü")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_to_be_typed_means_the_name_in_a_shell_and_is_one_line(name: str) -> None:
    text = typed(name)
    assert text.isprintable()
    done = subprocess.run(["bash", "-c", f"printf %s {text}"], capture_output=True, check=True, timeout=60)
    assert done.stdout.decode() == name


@pytest.mark.parametrize("name", ["two words", "line\nfeed"])
def test_commands_about_names_with_blanks_and_line_feeds_can_be_typed(
    name: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = model.rename(name)
    change(target, "vae/config.json", "1")
    change(target / "vae", "config.json", "2")
    with pytest.raises(SystemExit):
        main(["undo", str(target)])
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    command = said[1].split("instead: ")[1]
    assert command == f"dtypecheck undo {typed(name + '/vae')}"
    if name.isprintable():
        main(shlex.split(command)[1:])
        told = capsys.readouterr().out
        assert told.startswith(f"{name}/vae: took back vae: ") or told.startswith(f"{name}/vae: took back model: ")


def test_an_undo_of_the_target_itself_says_its_name(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = plan(model / "vae", SetKey("config.json", FORCE, "1"))
    apply(model / "vae", replace(made, steps=(replace(made.steps[0], place=".", change="false -> true"),)))
    main(["undo", "model/vae"])
    assert capsys.readouterr().out == "model/vae: took back vae: false -> true; 1 file as before\n"


def test_a_name_with_a_line_feed_is_printed_in_one_line(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = model.rename("line\nfeed")
    change(target, "vae/config.json", "1")
    main(["undo", str(target)])
    assert capsys.readouterr().out.startswith("line\\nfeed: took back model: ")


def test_a_name_that_is_too_long_is_told_as_it_was_typed(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["undo", f"model/{'x' * 300}"])
    assert done.value.code == 2
    assert capsys.readouterr().err.startswith("dtypecheck: model/xxx")
    long = model / ("x" * 250)
    long.write_bytes(b"{}")
    with pytest.raises(Refusal, match=r"^model/\.xxx.*the name is too long for this disk"):
        apply(long, plan(model, SetKey(long.name, "/a", "1")))
