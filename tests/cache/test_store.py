"""The store gives back what was put in, and whatever happens to its file, nobody fails for it."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from dtypecheck.cache import place
from dtypecheck.cache.store import VERSION, Store

ROW = (b"k" * 16, "state", b"what was found")


def filled(path: Path) -> Store:
    store = Store(path)
    store.put([ROW])
    return store


def test_what_was_put_is_there_again_for_another_process(tmp_path: Path) -> None:
    filled(tmp_path / "new" / "results.sqlite").close()
    store = Store(tmp_path / "new" / "results.sqlite")
    assert store.states([ROW[0], b"other"]) == {ROW[0]: "state"}
    assert store.get([ROW[0], b"other"]) == {ROW[0]: ("state", b"what was found")}


def test_the_last_one_counts(tmp_path: Path) -> None:
    store = filled(tmp_path / "r")
    store.put([(ROW[0], "later", b"other")])
    assert store.get([ROW[0]]) == {ROW[0]: ("later", b"other")}


def test_thousands_of_keys_are_asked_for_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "r")
    rows = [(number.to_bytes(4, "big"), str(number), b"x" * number) for number in range(3000)]
    store.put(rows)
    assert store.get([key for key, _, _ in rows]) == {key: (state, data) for key, state, data in rows}


def test_reading_makes_no_file(tmp_path: Path) -> None:
    assert Store(tmp_path / "r").get([ROW[0]]) == {}
    assert not (tmp_path / "r").exists()


def test_a_store_without_a_place_holds_nothing() -> None:
    store = Store(None)
    store.put([ROW])
    assert store.get([ROW[0]]) == {}


@pytest.mark.parametrize(
    "content", [b"", b"no database at all, but long enough to be taken for one" * 100, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_broken_file_begins_anew(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(content)
    assert Store(path).get([ROW[0]]) == {}
    assert filled(path).get([ROW[0]])[ROW[0]] == ("state", b"what was found")


def test_a_file_of_another_version_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "r"
    filled(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    assert Store(path).get([ROW[0]]) == {}
    assert filled(path).states([ROW[0]])


def test_a_result_that_cannot_be_unpacked_is_none(tmp_path: Path) -> None:
    path = tmp_path / "r"
    filled(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE kept SET data = ?", (b"garbage",))
    connection.close()
    assert Store(path).get([ROW[0]]) == {}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert filled(tmp_path / "in" / "r").get([ROW[0]]) == {}
    finally:
        tmp_path.chmod(0o700)


def test_a_place_that_is_no_folder_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert filled(tmp_path / "file" / "r").get([ROW[0]]) == {}


def test_several_write_at_once(tmp_path: Path) -> None:
    def write(number: int) -> None:
        store = Store(tmp_path / "r")
        for part in range(20):
            store.put([(bytes([number, part]), "s", b"d")])
        store.close()

    Store(tmp_path / "r").put([ROW])
    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    keys = [bytes([number, part]) for number in range(4) for part in range(20)]
    assert len(Store(tmp_path / "r").states(keys)) == 80


def test_what_nobody_used_for_long_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "r"
    store = filled(path)
    store.put([(b"new", "s", b"d")])
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE kept SET used = used - 100 WHERE key = ?", (ROW[0],))
    connection.close()
    later = Store(path)
    assert len(later.states([ROW[0], b"new"])) == 2
    later.close()
    assert Store(path).states([ROW[0], b"new"]) == {b"new": "s"}


@pytest.mark.parametrize("word", ["off", "0", "no", "OFF", ""])
def test_the_environment_turns_it_off(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTYPECHECK_CACHE", word)
    assert place.usual() is None


def test_the_environment_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DTYPECHECK_CACHE", str(tmp_path / "here"))
    assert place.usual() == tmp_path / "here" / "results.sqlite"
    monkeypatch.delenv("DTYPECHECK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert place.usual() == tmp_path / "there" / "dtypecheck" / "results.sqlite"
