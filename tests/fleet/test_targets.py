"""A folder of models stands for the models in it, each once and in the order of their names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dtypecheck.fleet.targets import expanded, listed_in, models_among
from dtypecheck.request import WrongUse


def made(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")
    return root


def below(root: Path, *given: str) -> list[str]:
    return [Path(target).relative_to(root).as_posix() for target in expanded(given or [str(root)])]


def test_the_models_of_a_folder_in_order(tmp_path: Path) -> None:
    made(tmp_path, "b/model_index.json", "b/vae/config.json", "a/deep/er/config.json", "c/x.safetensors", "d/readme.md")
    assert below(tmp_path) == ["a/deep/er", "b", "c"]


def test_a_model_is_itself_and_so_is_a_file(tmp_path: Path) -> None:
    made(tmp_path, "model_index.json", "vae/config.json")
    assert below(tmp_path) == ["."]
    assert below(tmp_path, str(tmp_path / "model_index.json")) == ["model_index.json"]


def test_a_folder_without_a_model_is_itself(tmp_path: Path) -> None:
    made(tmp_path, "a/readme.md")
    assert below(tmp_path) == ["."]


def test_what_does_not_exist_is_left_to_whoever_looks(tmp_path: Path) -> None:
    assert list(expanded([str(tmp_path / "gone")])) == [(tmp_path / "gone").as_posix()]


def test_every_target_once(tmp_path: Path) -> None:
    made(tmp_path, "a/config.json", "b/config.json")
    assert below(tmp_path, str(tmp_path / "b"), str(tmp_path), str(tmp_path / "a")) == ["b", "a"]


def test_undo_data_and_environments_are_no_models(tmp_path: Path) -> None:
    made(tmp_path, ".a.dtypecheck-undo/config.json", ".git/config.json", ".venv/config.json", "a/config.json")
    assert below(tmp_path) == ["a"]


def test_of_a_hub_cache_the_snapshots_that_a_name_leads_to(tmp_path: Path) -> None:
    for commit in ("1" * 40, "2" * 40):
        made(tmp_path, f"hub/models--o--n/snapshots/{commit}/config.json")
    made(tmp_path, "hub/models--o--n/blobs/x", "hub/models--o--m/blobs/x", f"hub/models--o--m/snapshots/{'3' * 40}/config.json")
    (tmp_path / "hub/models--o--n/refs").mkdir()
    (tmp_path / "hub/models--o--n/refs/main").write_text("2" * 40)
    assert below(tmp_path) == [f"hub/models--o--m/snapshots/{'3' * 40}", f"hub/models--o--n/snapshots/{'2' * 40}"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="links")
def test_a_link_back_up_ends(tmp_path: Path) -> None:
    made(tmp_path, "a/b/readme.md", "a/m/config.json")
    (tmp_path / "a/b/up").symlink_to(tmp_path)
    assert below(tmp_path) == ["a/m"]


def test_a_name_of_the_hub_and_an_address_are_themselves() -> None:
    given = ["owner/name@v1", "https://example.org/a.safetensors", "s3://bucket/model"]
    assert list(expanded(given)) == given


def test_a_list_has_a_target_a_line(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# models\n\nowner/name\n  ./a b  \r\nc#1\n", "utf-8")
    assert list(listed_in(tmp_path / "list")) == ["owner/name", "./a b", "c#1"]
    with pytest.raises(WrongUse, match="gone"):
        list(listed_in(tmp_path / "gone"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WrongUse, match="UTF-8"):
        list(listed_in(tmp_path / "bytes"))


def test_of_a_listing_the_outermost_models() -> None:
    names = ["a/model_index.json", "a/vae/config.json", "b/c/x.safetensors", "b/c/d/config.json", "e/readme.md", "ab/config.json"]
    assert list(models_among(names)) == ["a", "ab", "b/c"]
    assert list(models_among(["config.json", "a/config.json"])) == [""]
