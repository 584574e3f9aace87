"""Links are followed to read and never written through."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dtypecheck.fixing.apply import apply, undo
from dtypecheck.fixing.refusal import Refusal

from .apply_cases import REMOVE, SET, after, edits, lay, plan, refused, times, tree


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
