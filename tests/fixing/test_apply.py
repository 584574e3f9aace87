"""A plan is applied whole or not at all, and only to the files that it was made for."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest

from dtypecheck.edits import Bring, Put, Remove, Rename, SetKey, Store, Take
from dtypecheck.fixing.apply import Progress, Stale, apply, undo
from dtypecheck.fixing.refusal import Refusal
from dtypecheck.fixplan import FixPlan, Step

from .apply_cases import Counted, Tree, after, edits, plan, refused, state, times, tree, weights

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
