"""A plan is applied whole or not at all, and only to the files that it was made for."""

from __future__ import annotations

import json
import os
import stat
import struct
from pathlib import Path

import pytest

from dtypecheck.api import scan
from dtypecheck.edits import Bring, Edit, Put, Remove, Rename, SetKey, Store, Take
from dtypecheck.files import Directory
from dtypecheck.fixing.apply import Acts, Locked, Progress, Stale, Unended, apply, interrupted, undo
from dtypecheck.fixing.refusal import Refusal
from dtypecheck.fixplan import FixPlan, Step

from .apply_cases import Counted, Tree, after, child, edits, lay, plan, state, times, tree


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return lay(tmp_path)


def refused(model: Path, made: FixPlan, match: str, kind: type[Refusal] = Refusal) -> Refusal:
    """The refusal of a plan, which leaves everything as it was, undo data included."""
    before, dated = tree(model.parent), times(model.parent)
    with pytest.raises(kind, match=match) as caught:
        apply(model, made)
    assert tree(model.parent) == before
    assert times(model.parent) == dated
    return caught.value


# what it does


def test_every_file_is_what_the_plan_says_and_the_rest_is_untouched(model: Path) -> None:
    before, dated = tree(model), times(model)
    done = apply(model, plan(model, *edits(model)))
    new = tree(model)
    assert new == after(before, model)
    assert done.gone == ("unet/diffusion_pytorch_model.bin", "vae/diffusion_pytorch_model.safetensors")
    assert set(done.written) == {path for path in new if before.get(path) != new[path]}
    assert done.nbytes == sum(len(new[path]) for path in done.written)
    assert {path: times(model)[path] for path in ("README.md", "model_index.json")} == {
        path: dated[path] for path in ("README.md", "model_index.json")
    }


def test_the_undo_folder_lies_beside_the_target_and_never_inside(model: Path) -> None:
    done = apply(model, plan(model, *edits(model)))
    assert sorted(path.name for path in model.parent.iterdir()) == [".model.dtypecheck-undo", "better.safetensors", "model"]
    assert done.undo is not None
    assert done.undo.parent == model.parent / ".model.dtypecheck-undo"
    assert not list(model.rglob("*dtypecheck*"))


def test_a_renamed_file_is_not_copied(model: Path) -> None:
    old = (model / "vae/diffusion_pytorch_model.safetensors").stat()
    apply(model, plan(model, *edits(model)))
    new = (model / "vae/diffusion_pytorch_model.fp16.safetensors").stat()
    assert (new.st_ino, new.st_mtime_ns) == (old.st_ino, old.st_mtime_ns)


def test_two_files_change_their_names_with_each_other(model: Path) -> None:
    (model / "a").write_bytes(b"A")
    (model / "b").write_bytes(b"BB")
    swap = (Rename("a", "c"), Rename("b", "a"), Rename("c", "b"))
    before = tree(model)
    apply(model, plan(model, *swap))
    assert ((model / "a").read_bytes(), (model / "b").read_bytes()) == (b"BB", b"A")
    undo(model)
    assert tree(model) == before


def test_the_permission_bits_of_what_is_replaced_are_kept(model: Path) -> None:
    (model / "vae/config.json").chmod(0o640)
    (model / "unet/diffusion_pytorch_model.safetensors").chmod(0o666)
    apply(model, plan(model, *edits(model)))
    assert stat.S_IMODE((model / "vae/config.json").stat().st_mode) == 0o640
    assert stat.S_IMODE((model / "unet/diffusion_pytorch_model.safetensors").stat().st_mode) == 0o666


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_of_what_is_replaced_is_kept(model: Path) -> None:
    os.chown(model / "vae/config.json", 65534, 65534)
    apply(model, plan(model, *edits(model)))
    found = (model / "vae/config.json").stat()
    assert (found.st_uid, found.st_gid) == (65534, 65534)


def test_a_hard_linked_file_is_replaced_and_its_other_name_keeps_the_old_bytes(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere.json"
    os.link(model / "vae/config.json", other)
    old = other.read_bytes()
    apply(model, plan(model, *edits(model)))
    assert other.read_bytes() == old != (model / "vae/config.json").read_bytes()


def test_hard_linked_files_of_the_target_may_be_renamed_onto_each_other(model: Path) -> None:
    os.link(model / "README.md", model / "COPY.md")
    before = tree(model)
    made = plan(model, Remove("COPY.md"), Rename("README.md", "COPY.md"))
    apply(model, made)
    assert (model / "COPY.md").read_bytes() == before["README.md"]
    assert not (model / "README.md").exists()
    undo(model)
    assert tree(model) == before


def weights(path: Path) -> bytes:
    """A safetensors file of four numbers."""
    header = {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    text = json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text + struct.pack("<4f", 1.0, -2.0, 0.5, 3.0)
    path.write_bytes(data)
    return data


def test_weights_are_written_out_of_others(model: Path) -> None:
    pytest.importorskip("numpy")
    source = weights(model / "text.safetensors")
    before = tree(model)
    store = Store("text.bf16.safetensors", (Take("text.safetensors", "", "BF16"),))
    over = Store("text.safetensors", (Take("text.safetensors", "", "BF16"),))
    apply(model, plan(model, store))
    apply(model, plan(model, over))
    new = (model / "text.safetensors").read_bytes()
    assert new[-8:] == struct.pack("<4H", 0x3F80, 0xC000, 0x3F00, 0x4040)
    assert (model / "text.bf16.safetensors").read_bytes() == new
    undo(model)
    assert (model / "text.safetensors").read_bytes() == source
    undo(model)
    assert tree(model) == before


def test_progress_counts_every_byte_that_is_checked_and_written(model: Path) -> None:
    heard: list[Progress] = []
    made = plan(model, *edits(model))
    apply(model, made, told=heard.append)
    counted = [step for step in heard if not step.phase]
    assert [step.done for step in counted] == sorted(step.done for step in counted)
    assert counted[-1].done == counted[-1].total > 13_000
    assert [step.phase for step in heard[len(counted) :]] == ["checking what was written", "done"]
    assert {step.file for step in counted} >= {"vae/config.json", "serve.py"}


def test_a_plan_that_changes_nothing_leaves_no_trace(model: Path) -> None:
    before = tree(model.parent)
    assert apply(model, FixPlan("model")).written == ()
    same = SetKey("vae/config.json", "/force_upcast", "false")
    apply(model, plan(model, same))
    if (model.parent / ".model.dtypecheck-undo").exists():
        undo(model)
    assert tree(model.parent) == before


# a single file


def test_a_single_file_changes_with_what_stands_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "lora.bin"
    target.write_bytes(b"weights")
    made = FixPlan("lora", (Step("lora", "x", (Rename("lora.bin", "lora.old"), Put("lora.json", "{}"))),), {
        "lora.bin": state(target), "lora.old": state(tmp_path / "lora.old"), "lora.json": state(tmp_path / "lora.json")
    })  # fmt: skip
    apply(target, made)
    assert {path.name for path in tmp_path.iterdir()} == {".lora.bin.dtypecheck-undo", "lora.old", "lora.json"}
    undo(target)
    assert tree(tmp_path) == {"lora.bin": b"weights"}


def test_for_a_single_file_no_other_folder_is_touched(model: Path) -> None:
    target = model / "serve.py"
    made = plan(model, SetKey("vae/config.json", "/force_upcast", "true"))
    before = tree(model.parent)
    with pytest.raises(Refusal, match="is a single file"):
        apply(target, made)
    assert tree(model.parent) == before


# stale plans


@pytest.mark.parametrize("edit", [b"{}", b'{\n  "_class_name": "AutoencoderKX",\n  "force_upcast": false\n}\n'])
def test_a_plan_for_other_bytes_is_refused_and_names_the_file(model: Path, edit: bytes) -> None:
    made = plan(model, *edits(model))
    (model / "vae/config.json").write_bytes(edit)
    assert "vae/config.json" in str(
        refused(model, made, "since the plan was made|when the plan was made|the plan was made for", Stale)
    )


def test_every_hash_is_checked_before_the_first_byte_is_written(model: Path) -> None:
    made = plan(model, *edits(model))
    weights = model / "vae/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[::-1])
    counted = Counted()
    with pytest.raises(Stale, match=r"vae/diffusion_pytorch_model\.safetensors"):
        apply(model, made, acts=counted.acts)
    assert {act for act, _ in counted.seen} <= {"open", "read", "mkdir", "lock", "unlink", "rmdir"}
    assert not [path for act, path in counted.seen if act == "mkdir" and path.name != ".model.dtypecheck-undo"]


def test_a_file_that_is_gone_or_new_since_the_plan_is_named(model: Path) -> None:
    made = plan(model, *edits(model))
    (model / "vae_fp32/deep").mkdir(parents=True)
    (model / "vae_fp32/deep/config.json").write_text("mine")
    refused(model, made, "vae_fp32/deep/config.json: there is a file of this name now", Stale)
    (model / "vae_fp32/deep/config.json").unlink()
    (model / "unet/diffusion_pytorch_model.bin").unlink()
    refused(model, made, "unet/diffusion_pytorch_model.bin: it is gone", Stale)


def test_what_is_brought_in_must_be_what_the_plan_means(model: Path) -> None:
    origin = model.parent / "better.safetensors"
    made = plan(model, Bring("unet/diffusion_pytorch_model.safetensors", str(origin), "0" * 64))
    refused(model, made, "better.safetensors: it is not the file that the plan was made for", Stale)


def test_a_plan_that_does_not_say_what_a_file_was_is_refused(model: Path) -> None:
    made = plan(model, *edits(model))
    files = {path: held for path, held in made.files.items() if path != "serve.py"}
    refused(model, FixPlan(made.target, made.steps, files), "serve.py: the plan changes it")


@pytest.mark.parametrize(
    "path", ["../out.json", "/etc/motd", "a/../../b", "..", "a//b", "./a", "\\\\host\\x", ".model.dtypecheck-undo/x"]
)
def test_a_path_out_of_the_folder_is_refused(model: Path, path: str) -> None:
    made = FixPlan("model", (Step("model", "x", (Put(path, "mine"),)),), {path: state(model / "none")})
    refused(model, made, "no file inside|undo data")


# links


def test_a_file_that_is_a_link_is_not_written_through(model: Path, tmp_path: Path) -> None:
    real = tmp_path / "shared.json"
    real.write_bytes((model / "vae/config.json").read_bytes())
    (model / "vae/config.json").unlink()
    (model / "vae/config.json").symlink_to(real)
    fault = refused(model, plan(model, *edits(model)), "vae/config.json: a link to .*shared.json")
    assert "--out DIR" in fault.offers


def test_a_folder_on_the_way_that_is_a_link_is_refused(model: Path, tmp_path: Path) -> None:
    (model / "vae").rename(tmp_path / "shared_vae")
    (model / "vae").symlink_to(tmp_path / "shared_vae")
    fault = refused(model, plan(model, *edits(model)), "vae: a link to .*shared_vae")
    assert "--out DIR" in fault.offers


def test_a_link_that_is_only_read_may_stay_a_link(model: Path, tmp_path: Path) -> None:
    (model / "README.md").rename(tmp_path / "README")
    (model / "README.md").symlink_to(tmp_path / "README")
    apply(model, plan(model, *edits(model)))
    assert (model / "README.md").is_symlink()


def snapshot(tmp_path: Path) -> Path:
    """A hub cache as the Hub's own library lays it out: blobs, and links into them."""
    repo = tmp_path / "models--a--b"
    real, folder = lay(tmp_path / "laid"), repo / "snapshots" / "0123abc"
    (repo / "blobs").mkdir(parents=True)
    for number, path in enumerate(sorted(path for path in real.rglob("*") if path.is_file())):
        blob = repo / "blobs" / f"{number:064x}"
        path.rename(blob)
        place = folder / path.relative_to(real)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(blob, place.parent))
    return folder


def test_a_hub_cache_snapshot_is_refused_in_place_and_written_elsewhere(tmp_path: Path) -> None:
    folder = snapshot(tmp_path)
    before, dated = tree(tmp_path), times(tmp_path)
    made = plan(folder, REMOVE, SET)
    for target in (folder, folder / "serve.py"):
        with pytest.raises(Refusal, match="Hugging Face cache") as caught:
            apply(target, made)
        assert "--out DIR" in caught.value.offers
    done = apply(folder, made, out=tmp_path / "fixed")
    new = tree(tmp_path / "fixed")
    assert b'"force_upcast": true' in new["vae/config.json"]
    assert set(tree(folder)) - set(new) == {"unet/diffusion_pytorch_model.bin"}
    assert not [path for path in (tmp_path / "fixed").rglob("*") if path.is_symlink()]
    assert done.root == tmp_path / "fixed"
    assert {path: data for path, data in tree(tmp_path).items() if not path.startswith("fixed/")} == before
    assert {path: when for path, when in times(tmp_path).items() if not path.startswith("fixed/")} == dated


REMOVE, SET = Remove("unet/diffusion_pytorch_model.bin"), SetKey("vae/config.json", "/force_upcast", "true")


def test_a_target_that_is_itself_a_link_to_a_folder_is_fixed_where_it_really_lies(model: Path, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(model)
    before = tree(model)
    apply(tmp_path / "short", plan(model, *edits(model)))
    assert tree(model) == after(before, model)
    assert (tmp_path / "short").is_symlink()
    undo(tmp_path / "short")
    assert tree(model) == before


def test_undo_data_that_is_a_link_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "trap").mkdir()
    (tmp_path / ".model.dtypecheck-undo").symlink_to(tmp_path / "trap")
    refused(model, plan(model, *edits(model)), "undo data is a folder, and this is a link")


# what is not to be changed


def test_a_read_only_file_is_refused(model: Path) -> None:
    (model / "serve.py").chmod(0o444)
    fault = refused(model, plan(model, *edits(model)), "serve.py: it is read-only")
    assert "--out DIR" in fault.offers


def test_what_is_no_plain_file_is_refused(model: Path) -> None:
    made = plan(model, *edits(model))
    (model / "unet/diffusion_pytorch_model.bin").unlink()
    os.mkfifo(model / "unet/diffusion_pytorch_model.bin")
    refused(model, made, "unet/diffusion_pytorch_model.bin: it is no plain file")


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


# verification


def test_reasons_of_the_verification_take_everything_back(model: Path) -> None:
    made, before, dated = plan(model, *edits(model)), tree(model), times(model)
    seen: list[Tree] = []

    def verify(root: Path) -> list[str]:
        seen.append(tree(root))
        return ["vae: a new finding", "unet: another shape"]

    with pytest.raises(Refusal, match="vae: a new finding; unet: another shape; all was taken back"):
        apply(model, made, verify=verify)
    assert seen == [after(before, model)]
    assert tree(model.parent) == {
        **{f"model/{path}": data for path, data in before.items()},
        "better.safetensors": b"better" * 500,
    }
    assert times(model) == dated


def test_an_error_in_the_verification_takes_everything_back(model: Path) -> None:
    made, before = plan(model, *edits(model)), tree(model.parent)

    def verify(root: Path) -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        apply(model, made, verify=verify)
    assert tree(model.parent) == before


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


# elsewhere


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
