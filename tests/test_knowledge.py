"""Rows of data: cut at their headers, several under one, more from later folders; and the shipped ones all parse."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.knowledge import BadRow, Knowledge, Table, folder

TEXT = """
# A comment with [[NoHeader]] in it
[[Alpha]]
why = "first"   # [[not a header]]
list = [
  "x",
  "[[y]]",
]

[["quoted name"]] # a comment behind
why = "second"

[[Alpha]]
why = "third"
inner = { a = 1, b = [2, 3] }


[[spaced]]
text = "[[Beta]]"
"""


def known(tmp_path: Path, **tables: str) -> Knowledge:
    for name, text in tables.items():
        (tmp_path / f"{name}.toml").write_text(text, "utf-8")
    return Knowledge((tmp_path,))


def plain(row: Any) -> Any:
    return dict(row)


def test_rows_are_cut_at_headers_at_the_start_of_a_line_alone(tmp_path: Path) -> None:
    found = known(tmp_path, t=TEXT)
    assert found.names("t") == ("Alpha", "quoted name", "spaced")
    assert [plain(row) for row in found.rows("t", "Alpha")] == [
        {"why": "first", "list": ["x", "[[y]]"]}, {"why": "third", "inner": {"a": 1, "b": [2, 3]}},
    ]  # fmt: skip
    assert found.rows("t", "quoted name") == ({"why": "second"},)
    assert found.rows("t", "spaced") == ({"text": "[[Beta]]"},)
    assert [name for name, _ in found.all("t")] == ["Alpha", "Alpha", "quoted name", "spaced"]


def test_a_missing_file_and_a_missing_header_have_no_rows(tmp_path: Path) -> None:
    found = known(tmp_path, t=TEXT)
    assert (found.rows("gone", "Alpha"), found.names("gone"), list(found.all("gone"))) == ((), (), [])
    assert (found.rows("t", "Gamma"), found.row("t", "Gamma")) == ((), {})
    assert Knowledge((tmp_path / "gone",)).names("t") == ()
    assert Knowledge(()).row("t", "Alpha") == {}


def test_the_rows_of_a_later_folder_come_after_and_its_keys_win(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for place, text in ((first, "[[X]]\na = 1\nb = 1\n[[Y]]\na = 1\n"), (second, "[[Z]]\na = 2\n[[X]]\nb = 2\nc = 2\n")):
        place.mkdir()
        (place / "t.toml").write_text(text)
    found = Knowledge((first, second))
    assert found.names("t") == ("X", "Y", "Z")
    assert found.rows("t", "X") == ({"a": 1, "b": 1}, {"b": 2, "c": 2})
    assert found.row("t", "X") == {"a": 1, "b": 2, "c": 2}
    assert [name for name, _ in found.all("t")] == ["X", "Y", "Z", "X"]


def test_only_the_rows_that_are_asked_for_are_parsed(tmp_path: Path) -> None:
    found = known(tmp_path, t="[[Good]]\na = 1\n[[Bad]]\na = = 2\n")
    assert found.rows("t", "Good") == ({"a": 1},)
    with pytest.raises(BadRow, match="Bad"):
        found.rows("t", "Bad")


@pytest.mark.parametrize("header", ["[X.inner]", "[inner]", '[X."a b"]  # note'])
def test_a_table_under_a_header_of_its_own_is_refused_by_name(tmp_path: Path, header: str) -> None:
    found = known(tmp_path, t=f"[[X]]\na = 1\n{header}\nb = 2\n[[Y]]\nc = 3\n")
    assert found.rows("t", "Y") == ({"c": 3},)
    with pytest.raises(ValueError, match=r"t\.toml: \[.*\] in \[\[X\]\] must be written inline"):
        found.rows("t", "X")


def test_the_lines_of_a_long_array_are_no_headers(tmp_path: Path) -> None:
    found = known(tmp_path, t='[[X]]\na = [\n[1, 2],\n["b"],\n  [3],\n]\n')
    assert found.rows("t", "X") == ({"a": [[1, 2], ["b"], [3]]},)


def test_windows_line_ends_and_umlauts_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_bytes('[[Ä]]\r\nwhy = "größe"\r\n[[B]]\r\na = 1\r\n'.encode())
    found = Knowledge((tmp_path,))
    assert found.rows("t", "Ä") == ({"why": "größe"},)
    assert found.rows("t", "B") == ({"a": 1},)


def test_the_rows_beside_this_checkout_are_the_ones_that_ship() -> None:
    assert (folder() / "models.toml").is_file()
    assert Knowledge() == Knowledge((folder(),))


@pytest.mark.parametrize("path", sorted(folder().glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_table_cut_row_by_row_is_what_toml_reads_at_once(path: Path) -> None:
    whole = tomllib.loads(path.read_text("utf-8"))
    table = Table(path)
    assert {name: [plain(row) for row in table.rows(name)] for name in table.names()} == whole
