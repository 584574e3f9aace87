"""A place has the same state for as long as nothing in it changes, and none while it may still be changing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dtypecheck.cache import state as states
from dtypecheck.cache.state import YOUNG, key_of, state_of
from dtypecheck.files import Directory, Entry, Source, place
from dtypecheck.remote.fetched import Fetched


@pytest.fixture(autouse=True)
def old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test has just written counts as written long ago."""
    monkeypatch.setattr(states, "YOUNG", -YOUNG)


def model(folder: Path) -> Directory:
    (folder / "vae").mkdir()
    (folder / "vae" / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"0" * 100)
    return Directory(folder)


def test_nothing_changed_is_the_same_state(tmp_path: Path) -> None:
    files = model(tmp_path)
    assert state_of(files) == state_of(Directory(tmp_path)) != ""


@pytest.mark.parametrize("change", ["content", "size", "new", "gone", "renamed", "replaced by an older file"])
def test_every_change_is_another_state(change: str, tmp_path: Path) -> None:
    files = model(tmp_path)
    config, before = tmp_path / "vae" / "config.json", state_of(files)
    match change:
        case "content":
            config.write_text("[]")
        case "size":
            config.write_text("{ }")
        case "new":
            (tmp_path / "vae" / "more.json").write_text("{}")
        case "gone":
            config.unlink()
        case "renamed":
            config.rename(config.with_name("config2.json"))
        case _:
            other = tmp_path / "vae" / "other"
            other.write_text("[]")
            os.utime(other, (1, 1))
            other.replace(config)
    assert state_of(files) != before


def test_what_was_changed_just_now_has_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "YOUNG", YOUNG)
    assert state_of(model(tmp_path)) == ""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_listed_has_no_state(tmp_path: Path) -> None:
    files = model(tmp_path)
    (tmp_path / "vae").chmod(0)
    try:
        assert state_of(files) == ""
    finally:
        (tmp_path / "vae").chmod(0o755)


def test_a_link_that_leads_nowhere_has_no_state(tmp_path: Path) -> None:
    files = model(tmp_path)
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    assert state_of(files) == ""


def test_one_file_has_a_state_too(tmp_path: Path) -> None:
    model(tmp_path)
    files = place(tmp_path / "model.safetensors")
    before = state_of(files)
    (tmp_path / "model.safetensors").write_bytes(b"1" * 100)
    assert before not in ("", state_of(files))


def test_a_repository_is_in_the_state_of_its_commit_and_a_bucket_in_that_of_its_marks() -> None:
    def fetch(name: str, start: int, stop: int) -> bytes:
        raise AssertionError(name)

    listing = (Entry("config.json", 2, "git:1:config.json"),)
    assert state_of(Fetched("a/b", listing, fetch, Source("a/b", "hub", "c" * 40))) == "c" * 40
    stored = [state_of(Fetched("s3", (Entry("a", 2, f"a:{mark}"),), fetch, Source("s3://x", "store"))) for mark in "112"]
    assert stored[0] == stored[1] != stored[2]


def test_the_key_tells_apart_what_was_asked() -> None:
    keys = {key_of(kind, target, asked) for kind in ("scan", "fleet") for target in "ab" for asked in ({"x": 1}, {"x": 2}, {})}
    assert len(keys) == 12
    assert key_of("scan", "a", {"x": 1, "y": 2}) == key_of("scan", "a", {"y": 2, "x": 1})
