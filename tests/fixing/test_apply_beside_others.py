"""A fix while others write, fix or have died: what they do is seen, and nothing of theirs is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dtypecheck.api import scan
from dtypecheck.edits import SetKey, Store, Take
from dtypecheck.files import Directory
from dtypecheck.fixing.apply import Acts, Locked, Progress, Stale, Unended, apply, interrupted, undo
from dtypecheck.fixplan import FixPlan

from .apply_cases import REMOVE, Counted, child, edits, plan, tree, weights

# meanwhile


@pytest.mark.parametrize("when", ["vae/config.json", "vae_fp32/deep/config.json"])
def test_a_file_that_is_written_into_meanwhile_stops_the_fix_and_keeps_what_was_written(model: Path, when: str) -> None:
    made = plan(model, *edits(model))
    before = tree(model)

    def told(progress: Progress) -> None:
        if progress.file == when and progress.done > progress.total // 2:
            with (model / "serve.py").open("ab") as file:
                file.write(b"# mine\n")

    with pytest.raises(Stale, match=r"serve\.py: it was changed meanwhile"):
        apply(model, made, told=told)
    now = tree(model)
    assert now.pop("serve.py").startswith(before.pop("serve.py") + b"# mine\n")
    assert now == before
    assert not (model.parent / ".model.dtypecheck-undo").exists()


def test_a_source_that_is_written_into_while_it_is_read_stops_the_fix(model: Path) -> None:
    pytest.importorskip("numpy")
    source = weights(model / "text.safetensors")
    made = plan(model, Store("text.bf16.safetensors", (Take("text.safetensors", "", "BF16"),)))

    def told(progress: Progress) -> None:
        if progress.file == "text.bf16.safetensors":
            (model / "text.safetensors").write_bytes(source[:-4] + b"mine")

    with pytest.raises(Stale, match=r"text\.safetensors: it was changed meanwhile"):
        apply(model, made, told=told)
    assert not (model / "text.bf16.safetensors").exists()
    assert (model / "text.safetensors").read_bytes().endswith(b"mine")


def test_a_file_that_is_replaced_between_check_and_swap_stops_the_fix(model: Path) -> None:
    made, before = plan(model, *edits(model)), tree(model)

    def replace(act: str, path: Path) -> None:
        if act == "replace" and not (model / "new").exists():
            (model / "new").write_bytes(b"{}")
            (model / "new").replace(model / "vae/config.json")
            (model / "new").mkdir()

    with pytest.raises(Stale, match=r"vae/config\.json: it was changed meanwhile; all was taken back"):
        apply(model, made, acts=Acts(replace))
    assert tree(model) == {**before, "vae/config.json": b"{}", "new/": b""}


def test_a_file_of_somebody_else_in_the_place_of_a_new_one_stops_the_fix_and_stays(model: Path) -> None:
    made, before = plan(model, *edits(model)), tree(model)

    def come(act: str, path: Path) -> None:
        if act == "replace" and not (model / "vae_fp32/deep/config.json").exists():
            (model / "vae_fp32/deep/config.json").write_bytes(b"mine")

    with pytest.raises(Stale, match=r"vae_fp32/deep/config\.json: there is a file of this name now; all was taken back"):
        apply(model, made, acts=Acts(come))
    assert tree(model) == {**before, "vae_fp32/deep/config.json": b"mine"}
    assert not (model.parent / ".model.dtypecheck-undo").exists()


def test_a_program_that_has_the_old_file_open_and_writes_into_it_stops_the_fix(model: Path) -> None:
    made, before = plan(model, *edits(model)), tree(model)
    with (model / "serve.py").open("ab") as file:

        def verify(root: Path) -> list[str]:
            file.write(b"# mine\n")
            file.flush()
            return []

        with pytest.raises(Stale, match=r"serve\.py: it was changed meanwhile; all was taken back"):
            apply(model, made, verify=verify)
    assert tree(model) == {**before, "serve.py": before["serve.py"] + b"# mine\n"}


# one at a time


def test_a_second_fixer_is_told_which_process_has_the_target(model: Path) -> None:
    made = plan(model, *edits(model))
    codes: list[int] = []
    texts: list[str] = []

    def second() -> None:
        with pytest.raises(Locked, match=f"process {os.getppid()} is changing it"):
            apply(model, made)
        os._exit(7)

    def verify(root: Path) -> list[str]:
        codes.append(child(second))
        codes.append(child(lambda: os._exit(7 if interrupted(model).process == os.getppid() else 1)))  # type: ignore[union-attr]
        return texts

    apply(model, made, verify=verify)
    assert codes == [7, 7]


def test_a_part_is_not_fixed_while_the_whole_is_nor_the_other_way_round(model: Path) -> None:
    part = plan(model / "vae", SetKey("config.json", "/force_upcast", "true"))
    codes: list[int] = []

    def second(target: Path, made: FixPlan) -> None:
        try:
            apply(target, made)
        except Locked:
            os._exit(7)

    apply(model, plan(model, REMOVE), verify=lambda root: codes.append(child(lambda: second(model / "vae", part))) or [])
    undo(model)
    apply(model / "vae", part, verify=lambda root: codes.append(child(lambda: second(model, plan(model, REMOVE)))) or [])
    assert codes == [7, 7]


def test_the_lock_of_a_dead_process_is_taken_over(model: Path) -> None:
    folder = model.parent / ".model.dtypecheck-undo"
    folder.mkdir()
    (folder / "lock").write_text("999999")
    apply(model, plan(model, *edits(model)))
    undo(model)
    assert not folder.exists()


# interrupted


def interrupt(model: Path, made: FixPlan, stop: int = 95) -> None:
    """Kill a fix in the middle of its swaps."""

    def die(act: str, path: Path) -> None:
        os.kill(os.getpid(), 9)

    assert child(lambda: apply(model, made, acts=Counted(stop, die).acts)) == -9


def test_scan_reports_an_interrupted_fix_of_the_target_of_its_parts_and_of_what_it_is_part_of(model: Path) -> None:
    quiet = {finding.code for finding in scan(model).findings}
    assert "DT013" not in quiet
    interrupt(model, plan(model, *edits(model)))
    for target, owner in ((model, model), (model / "vae", model), (model.parent, model)):
        told = [finding.fix.title for finding in scan(target).findings if finding.code == "DT013" and finding.fix]
        assert told == [f"dtypecheck undo {owner} takes it back, dtypecheck fix {owner} --apply ends it"]
    found = interrupted(model)
    assert found is not None
    assert 0 < found.done < found.of
    for target, path in ((model, "."), (model / "vae", "."), (model.parent, "model")):
        told = [finding for finding in scan(target).findings if finding.code == "DT013"]
        assert [(finding.where.path, finding.message) for finding in told] == [(path, found.text)]
        assert str(model.parent) not in told[0].message
    with pytest.raises(Unended, match="was interrupted") as caught:
        apply(model / "vae", plan(model / "vae", SetKey("config.json", "/x", "1")))
    assert caught.value.offers[0].startswith("dtypecheck undo")
    undo(model)
    assert "DT013" not in {finding.code for finding in scan(model).findings}


def test_a_scan_reports_a_broken_journal_and_does_not_stop_there(model: Path) -> None:
    interrupt(model, plan(model, *edits(model)))
    journal = next(model.parent.rglob("journal.jsonl"))
    journal.write_text("[]\n")
    told = [finding.message for finding in scan(model).findings if finding.code == "DT013"]
    assert len(told) == 1
    assert "cannot be read" in told[0]


def test_walks_skip_undo_data(model: Path) -> None:
    names = {entry.name for entry in Directory(model.parent).entries()}
    apply(model, plan(model, *edits(model)))
    (model.parent / ".x.dtypecheck-part").mkdir()
    (model.parent / ".x.dtypecheck-part/a.safetensors").write_bytes(b"half")
    now = {entry.name for entry in Directory(model.parent).entries()}
    assert not [name for name in now - names if "dtypecheck" in name]
    assert (model.parent / ".model.dtypecheck-undo").exists()
