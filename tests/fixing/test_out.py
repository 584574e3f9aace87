"""A fix written to another folder: all of it or nothing, and the source stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dtypecheck.edits import Edit, SetKey
from dtypecheck.fixing.apply import apply
from dtypecheck.fixing.refusal import Refusal

from .apply_cases import REMOVE, Counted, Tree, after, child, edits, plan, times, tree


def test_out_writes_a_whole_new_folder_and_leaves_the_source_alone(model: Path, tmp_path: Path) -> None:
    made, before, dated = plan(model, *edits(model)), tree(model), times(model)
    seen: list[Tree] = []
    out = tmp_path / "out"
    done = apply(model, made, out=out, verify=lambda root: seen.append(tree(root)) or [])
    assert tree(out) == after(before, model) == seen[0]
    assert (tree(model), times(model)) == (before, dated)
    assert times(out)["README.md"] == dated["README.md"]
    assert done.undo is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["better.safetensors", "model", "out"]


def test_out_of_a_single_file_holds_that_file_alone(model: Path, tmp_path: Path) -> None:
    made = plan(model, *[edit for edit in edits(model) if edit.path == "serve.py"])
    apply(model / "serve.py", made, out=tmp_path / "out")
    assert tree(tmp_path / "out") == {"serve.py": b"pipe = load(torch_dtype=torch.bfloat16)\n"}


def test_out_is_new_or_empty_and_lies_elsewhere(model: Path, tmp_path: Path) -> None:
    made = plan(model, *edits(model))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "full")
    before = tree(tmp_path)
    for out, match in (
        (tmp_path / "full", "not empty"),
        (tmp_path / "full/x", "a file"),
        (tmp_path / "link", "link"),
        (model / "out", "inside"),
        (model / "vae", "not empty"),
        (model, "not empty"),
        (tmp_path / "none/out", "there is no folder"),
    ):
        with pytest.raises(Refusal, match=match):
            apply(model, made, out=out)
    assert tree(tmp_path) == before
    (tmp_path / "empty").mkdir()
    apply(model, made, out=tmp_path / "empty")
    assert (tmp_path / "empty/serve.py").is_file()


def test_out_that_does_not_hold_is_removed(model: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    with pytest.raises(Refusal, match="no good; it was not written"):
        apply(model, plan(model, *edits(model)), out=tmp_path / "out", verify=lambda root: ["no good"])
    assert tree(tmp_path) == before


def test_out_killed_at_any_act_leaves_no_half_folder_and_the_next_try_sweeps(model: Path, tmp_path: Path) -> None:
    made, before = plan(model, *edits(model)), tree(model)
    counted = Counted()
    apply(model, made, out=tmp_path / "first", acts=counted.acts)

    def die(act: str, path: Path) -> None:
        os.kill(os.getpid(), 9)

    for stop in range(1, len(counted.seen) + 1, 9):
        assert child(lambda stop=stop: apply(model, made, out=tmp_path / "out", acts=Counted(stop, die).acts)) == -9
        assert not (tmp_path / "out").exists()
    apply(model, made, out=tmp_path / "out")
    assert tree(tmp_path / "out") == after(before, model)
    assert tree(model) == before
    assert not list(tmp_path.glob(".*part"))


def test_out_copies_no_undo_data_and_no_version_control(model: Path, tmp_path: Path) -> None:
    part: Edit = SetKey("config.json", "/x", "1")
    apply(model / "vae", plan(model / "vae", part))
    (model / ".git").mkdir()
    (model / ".git/HEAD").write_text("x")
    apply(model, plan(model, REMOVE), out=tmp_path / "out")
    assert not [path for path in tree(tmp_path / "out") if "dtypecheck" in path or ".git" in path]
