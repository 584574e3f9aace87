"""What a fix did is taken back to the byte, and only what it did; undo data is data from strangers."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.cli import main
from dtypecheck.edits import Edit, Put, Rename, SetKey
from dtypecheck.fixing.apply import NothingToUndo, Progress, Pruned, Stale, apply, finish, interrupted, undo
from dtypecheck.fixing.apply.journal import Generation
from dtypecheck.fixing.refusal import Refusal

from .apply_cases import after, edits, in_memory, plan, times, tree


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    folder = in_memory(tmp_path)
    yield folder
    shutil.rmtree(folder)


def fixed(model: Path, **options: Any) -> Generation:
    """The generation of the fix with every kind of edit."""
    folder = apply(model, plan(model, *edits(model)), **options).undo
    assert folder is not None
    return Generation(folder)


def refused(model: Path, match: str, kind: type[Refusal] = Refusal, **options: Any) -> Refusal:
    """The refusal of an undo, which changes nothing."""
    before, dated = tree(model), times(model)
    with pytest.raises(kind, match=match) as caught:
        undo(model, **options)
    assert (tree(model), times(model)) == (before, dated)
    return caught.value


def test_undo_gives_back_every_byte_and_every_time_and_leaves_no_trace(model: Path) -> None:
    everything, dated = tree(model.parent), times(model.parent)
    heard: list[Progress] = []
    fixed(model)
    done = undo(model, told=heard.append)
    assert tree(model.parent) == everything
    assert times(model.parent) == dated
    assert (done.changes, done.left, done.interrupted) == (("model: everything at once",), 0, False)
    assert len(done.files) == 7
    assert heard[-1].done == heard[-1].total > 0


def test_several_fixes_are_taken_back_one_by_one_the_newest_first(model: Path) -> None:
    states = [tree(model)]
    for number in range(12):
        apply(model, plan(model, SetKey("vae/config.json", "/force_upcast", str(number)), Put(f"new/{number}.txt", "x")))
        states.append(tree(model))
    for number in range(12):
        states.pop()
        assert undo(model).left == 11 - number
        assert tree(model) == states[-1]
    refused(model, "nothing to undo", NothingToUndo)


def test_the_same_plan_fits_again_after_an_undo(model: Path) -> None:
    made, before = plan(model, *edits(model)), tree(model)
    for _ in range(3):
        apply(model, made)
        assert tree(model) == after(before, model)
        undo(model)
        assert tree(model) == before


def test_folders_that_the_fix_made_go_unless_somebody_put_something_there(model: Path) -> None:
    fixed(model)
    (model / "vae_fp32/mine.txt").write_text("mine")
    undo(model)
    assert {path for path in tree(model) if path.startswith("vae_fp32")} == {"vae_fp32/mine.txt"}


def test_without_a_fix_there_is_nothing_to_undo(model: Path) -> None:
    refused(model, "nothing to undo: no fix of it is recorded", NothingToUndo)


# changed since


@pytest.mark.parametrize("path", ["serve.py", "vae/diffusion_pytorch_model.fp16.safetensors", "vae_fp32/deep/config.json"])
def test_a_file_that_was_changed_since_is_not_taken_away_without_force(model: Path, path: str) -> None:
    before = tree(model)
    fixed(model)
    place = model / path
    place.write_bytes(place.read_bytes()[::-1] + (b"" if "vae/" in path else b"mine"))
    assert "--force" in refused(model, f"{path}: it was changed since the fix", Stale).offers
    undo(model, force=True)
    if "vae/" not in path:  # a renamed file has one content: what was written into it stays
        assert tree(model) == before
    kept = [path.read_bytes() for path in model.parent.glob(f".model.dtypecheck-undo/kept-*/{path}")]
    assert [data[-4:] for data in kept] == ([] if "vae/" in path else [b"mine"])
    assert (model.parent / ".model.dtypecheck-undo").exists() == bool(kept)


def test_a_new_file_where_one_was_removed_is_not_taken_away_without_force(model: Path) -> None:
    before = tree(model)
    fixed(model)
    (model / "unet/diffusion_pytorch_model.bin").write_bytes(b"mine")
    refused(model, r"unet/diffusion_pytorch_model\.bin: there is a file of this name since the fix", Stale)
    undo(model, force=True)
    assert tree(model) == before


def test_a_file_that_was_removed_since_comes_back(model: Path) -> None:
    before = tree(model)
    fixed(model)
    (model / "serve.py").unlink()
    (model / "vae_fp32/deep/config.json").unlink()
    undo(model)
    assert tree(model) == before


def test_a_link_that_was_put_in_place_since_is_not_followed(model: Path, tmp_path: Path) -> None:
    fixed(model)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (model / "serve.py").unlink()
    (model / "serve.py").symlink_to(victim)
    refused(model, r"serve\.py: a link to")
    refused(model, r"serve\.py: a link to", force=True)
    assert victim.read_text() == "mine"


# pruned


def test_undo_after_the_undo_data_was_pruned_says_so(model: Path) -> None:
    generation = fixed(model)
    for path in generation.side("old").iterdir():
        path.unlink()
    refused(model, "the undo data was pruned", Pruned)
    shutil.rmtree(generation.folder.parent)
    refused(model, "no fix of it is recorded, or its undo data was pruned", NothingToUndo)


def test_one_pruned_file_stops_the_undo_before_anything_is_moved(model: Path) -> None:
    generation = fixed(model)
    (generation.side("old") / "3").unlink()
    refused(model, "is no longer in .*: the undo data was pruned", Pruned)


def test_undo_data_of_another_size_is_not_put_in_place(model: Path) -> None:
    generation = fixed(model)
    (generation.side("old") / "0").write_bytes(b"x")
    refused(model, "has not the bytes that it had", Pruned)


def test_a_folder_without_its_journal_cannot_be_told(model: Path) -> None:
    generation = fixed(model)
    generation.journal.unlink()
    refused(model, "the journal is missing")


# --undo-dir


@pytest.mark.parametrize("same_disk", [True, False])
def test_undo_data_goes_to_another_place_and_comes_back(model: Path, other_disk: Path, same_disk: bool) -> None:
    place = model.parent / "kept" if same_disk else other_disk / "kept"
    place.mkdir()
    before, dated = tree(model), times(model)
    generation = fixed(model, undo_dir=place)
    there = place / ".model.dtypecheck-undo" / generation.folder.name
    assert tree(model) == after(before, model)
    assert len(list((there / "old").iterdir())) == 5
    assert {path.name for path in generation.folder.iterdir()} <= {"journal.jsonl", "new"}
    offers = refused(model, "was moved to").offers
    assert offers == (f"--undo-dir {place}",)
    undo(model, undo_dir=place)
    assert (tree(model), times(model)) == (before, dated)
    assert list(place.iterdir()) == []
    assert not (model.parent / ".model.dtypecheck-undo").exists()


def test_undo_data_that_was_pruned_elsewhere_is_told(model: Path, other_disk: Path) -> None:
    generation = fixed(model, undo_dir=other_disk)
    there = other_disk / ".model.dtypecheck-undo" / generation.folder.name
    (there / "old/2").unlink()
    refused(model, "the undo data was pruned", Pruned, undo_dir=other_disk)
    shutil.rmtree(there)
    refused(model, "the undo data was pruned", Pruned, undo_dir=other_disk)


def test_undo_data_that_was_changed_elsewhere_is_not_put_in_place(model: Path, other_disk: Path) -> None:
    generation = fixed(model, undo_dir=other_disk)
    kept = other_disk / ".model.dtypecheck-undo" / generation.folder.name / "old/3"
    kept.write_bytes(kept.read_bytes()[::-1])
    refused(model, "is not what was there before, by its sha256", Stale, undo_dir=other_disk)
    refused(model, "is not what was there before, by its sha256", Stale, undo_dir=other_disk)


def test_a_fix_that_is_taken_back_leaves_nothing_elsewhere(model: Path, other_disk: Path) -> None:
    with pytest.raises(Refusal, match="no good"):
        fixed(model, undo_dir=other_disk, verify=lambda root: ["no good"])
    assert list(other_disk.iterdir()) == []


def test_the_place_for_undo_data_is_not_inside_the_target(model: Path) -> None:
    before = tree(model.parent)
    with pytest.raises(Refusal, match="lies inside"):
        fixed(model, undo_dir=model / "vae")
    with pytest.raises(Refusal, match="there is no such folder"):
        fixed(model, undo_dir=model.parent / "none")
    assert tree(model.parent) == before


# data from strangers


def lines(generation: Generation) -> list[dict[str, Any]]:
    return [json.loads(line) for line in generation.journal.read_text().splitlines()]


def rewrite(generation: Generation, change: Callable[[list[dict[str, Any]]], None]) -> None:
    data = lines(generation)
    change(data)
    generation.journal.write_text("".join(json.dumps(line) + "\n" for line in data))


def outside(data: list[dict[str, Any]]) -> None:
    data[1]["staged"][0]["path"] = "../victim"


def absolute(data: list[dict[str, Any]]) -> None:
    data[1]["staged"][0]["path"] = "/etc/motd"


def folder_outside(data: list[dict[str, Any]]) -> None:
    data[1]["folders"] = ["../victim"]


def undo_data(data: list[dict[str, Any]]) -> None:
    data[1]["staged"][0]["path"] = ".model.dtypecheck-undo/lock"


def twice(data: list[dict[str, Any]]) -> None:
    data[1]["staged"][0]["path"] = data[1]["staged"][1]["path"]


def version(data: list[dict[str, Any]]) -> None:
    data[0]["journal"] = 2


def of_a_file(data: list[dict[str, Any]]) -> None:
    data[0]["single"] = "serve.py"


def plan_outside(data: list[dict[str, Any]]) -> None:
    data[0]["plan"]["steps"][0]["edits"][0]["path"] = "../victim"


def no_numbers(data: list[dict[str, Any]]) -> None:
    data[1]["staged"][0]["new"]["size"] = "many"


def strange_line(data: list[dict[str, Any]]) -> None:
    data.insert(2, {"run": "rm -rf"})


def strange_field(data: list[dict[str, Any]]) -> None:
    data[1]["staged"][0]["new"]["mode"] = 0o4755


def nothing_to_nothing(data: list[dict[str, Any]]) -> None:
    data[1]["staged"][0] |= {"new": None, "old": None}


def not_objects(data: list[Any]) -> None:
    data[1] = [1, 2]


STRANGE = [
    outside, absolute, folder_outside, undo_data, twice, version, of_a_file, plan_outside, no_numbers, strange_line,
    strange_field, nothing_to_nothing, not_objects,
]  # fmt: skip


@pytest.mark.parametrize("change", STRANGE, ids=lambda change: change.__name__)
def test_a_journal_that_no_fix_wrote_is_refused_by_all_that_read_it(model: Path, change: Callable[[Any], None]) -> None:
    generation = fixed(model)
    (model.parent / "victim").write_text("mine")
    rewrite(generation, change)
    kept = tree(model.parent)
    for work in (undo, interrupted, finish, lambda target: apply(target, plan(target, SetKey("vae/config.json", "/x", "1")))):
        with pytest.raises(Refusal, match="the journal is broken at line"):
            work(model)
    kept.pop(".model.dtypecheck-undo/lock", None)
    assert {path: data for path, data in tree(model.parent).items() if not path.endswith("/lock")} == kept


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe\n", b"null\n", b'"x"\n', b"[" * 100_000 + b"\n", b"1e999\n", b"{}\n"])
def test_what_is_no_journal_at_all_is_refused_or_counts_as_not_begun(model: Path, text: bytes) -> None:
    generation = fixed(model)
    generation.journal.write_bytes(text)
    before = tree(model)
    try:
        undo(model)
    except Refusal as fault:
        assert "journal" in str(fault) or "nothing to undo" in str(fault)  # noqa: PT017 - either is right
    assert tree(model) == before


def test_a_cut_last_line_counts_as_not_written(model: Path) -> None:
    before = tree(model)
    generation = fixed(model)
    data = generation.journal.read_bytes()
    generation.journal.write_bytes(data[:-9])
    assert interrupted(model) is not None
    finish(model)
    assert interrupted(model) is None
    generation.journal.write_bytes(data[:-9])
    undo(model)
    assert tree(model) == before


def test_links_in_undo_data_are_refused(model: Path, tmp_path: Path) -> None:
    generation = fixed(model)
    secret = tmp_path / "secret"
    secret.write_bytes((generation.side("old") / "0").read_bytes())
    (generation.side("old") / "0").unlink()
    (generation.side("old") / "0").symlink_to(secret)
    refused(model, "undo data is a plain file")
    old = generation.side("old")
    old.rename(tmp_path / "aside")
    old.symlink_to(tmp_path / "aside")
    refused(model, "undo data is a folder, and this is a link")
    old.unlink()
    (tmp_path / "aside").rename(old)
    generation.journal.rename(tmp_path / "journal")
    generation.journal.symlink_to(tmp_path / "journal")
    refused(model, "journal")


def test_what_else_lies_in_an_undo_folder_is_left_there(model: Path) -> None:
    generation = fixed(model)
    mine = generation.folder.parent / "mine.txt"
    mine.write_text("mine")
    (generation.folder / "mine.txt").write_text("mine")
    undo(model)
    assert mine.read_text() == "mine"
    assert [path.name for path in generation.folder.parent.rglob("mine.txt")] == ["mine.txt"] * 2


def test_a_renamed_target_folder_has_no_undo_data_of_another(model: Path) -> None:
    fixed(model)
    model.rename(model.parent / "other")
    refused(model.parent / "other", "nothing to undo", NothingToUndo)


# the command line


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`dtypecheck ...` beside the model: its exit code, stdout and stderr."""
    monkeypatch.chdir(model.parent)

    def run(*words: str) -> tuple[int, str, str]:
        try:
            main(words)
            code = 0
        except SystemExit as done:
            code = int(str(done.code or 0))
        return code, *capsys.readouterr()

    return run


def test_the_exit_codes_of_undo(model: Path, command: Command) -> None:
    before = tree(model)
    fixed(model)
    (model / "serve.py").write_text("mine")
    code, out, err = command("undo", "model")
    assert (code, out) == (1, "")
    assert "serve.py: it was changed since the fix" in err
    assert "--force" in err
    code, out, err = command("undo", "model", "--force")
    first, second = out.splitlines()
    assert (code, first, err) == (0, "model: took back model: everything at once; 7 files as before", "")
    told, kept = second.split(" is kept as ")
    assert told == "serve.py: what it was since the fix"
    assert (model.parent / kept).read_text() == "mine"
    assert tree(model) == before
    assert command("undo", "model")[0] == 3
    assert command("undo", "no-model")[0] == 2


def test_undo_says_whether_it_was_interrupted_and_what_is_left(model: Path, command: Command) -> None:
    apply(model, plan(model, SetKey("vae/config.json", "/a", "1")))
    generation = fixed(model)
    generation.journal.write_bytes(generation.journal.read_bytes()[:-9])
    code, out, _ = command("undo", "model")
    assert code == 0
    assert "(it was interrupted)" in out
    assert "; 1 earlier fix can be taken back" in out
    assert command("undo", "-q", "model") == (0, "", "")


def test_a_file_that_a_fix_renamed_is_undone_by_its_old_name(tmp_path: Path) -> None:
    target = tmp_path / "lora.bin"
    target.write_bytes(b"weights")
    edit: Edit = Rename("lora.bin", "lora.safetensors")
    apply(target, plan(tmp_path, edit))
    assert not os.path.lexists(target)
    undo(target)
    assert tree(tmp_path) == {"lora.bin": b"weights"}
