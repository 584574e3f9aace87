"""JSON of models: what json reads is read, and what it does not is one problem that says which line and why."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtypecheck.files import Directory, Entry, Memory
from dtypecheck.findings import Where
from dtypecheck.read.header import BROKEN_JSON, LFS_POINTER, UNREADABLE
from dtypecheck.read.jsons import read_config
from dtypecheck.subjects import Config, Problem, line_of


def read(content: bytes | str) -> Config:
    raw = content.encode() if isinstance(content, str) else content
    config, problem = read_config(Memory({"c.json": raw}), Entry("c.json", len(raw), "c"))
    assert problem is None
    assert config is not None
    return config


def broken(content: bytes | str) -> Problem:
    raw = content.encode() if isinstance(content, str) else content
    config, problem = read_config(Memory({"c.json": raw}), Entry("c.json", len(raw), "c"))
    assert config is None
    assert problem is not None
    assert problem.where.path == "c.json"
    assert problem.detail.isprintable()
    return problem


def told(content: bytes | str) -> tuple[int | None, str]:
    problem = broken(content)
    assert problem.kind == BROKEN_JSON
    return problem.where.line, problem.detail


# what must be left alone


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("{}", {}),
        (" \r\n{}\n\n", {}),
        ('\ufeff{"a": 1}', {"a": 1}),
        ('{"a": "=======\\n<<<<<<< x"}', {"a": "=======\n<<<<<<< x"}),
        ('{"limit": [0.0, Infinity]}', {"limit": [0.0, math.inf]}),
        ('{"a": "größe"}', {"a": "größe"}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('{"version": "version https://git-lfs"}', {"version": "version https://git-lfs"}),
    ],
)
def test_what_the_loaders_read_is_read(content: str, wanted: dict[str, Any]) -> None:
    assert read(content).data == wanted


def test_not_a_number_is_read_as_the_loaders_read_it() -> None:
    assert math.isnan(read('{"eps": NaN}').data["eps"])


def test_a_config_keeps_its_text_to_find_lines_in() -> None:
    config = read('{\n "a": {\n  "dtype": "float16"\n }\n}')
    assert config.where("a", "dtype") == Where("c.json", "/a/dtype", 3)
    assert config.where("dtype") == Where("c.json")
    assert (config.get("b", "a"), config.get("b")) == ({"dtype": "float16"}, None)


# each way to be broken


CONFLICT = '{\n  "a": 1,\n<<<<<<< HEAD\n  "dtype": "float16"\n=======\n  "dtype": "float32"\n>>>>>>> main\n}\n'


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (CONFLICT, 3, "merge conflict"),
        (CONFLICT.replace("\n", "\r\n"), 3, "merge conflict"),
        (CONFLICT.replace("<<<<<<< HEAD\n", ""), 4, "merge conflict"),
        ('{\n  "a": 1\n}\n>>>>>>> main\n', 4, "merge conflict"),
        ('{"a": "\u2028\u2028"}\n<<<<<<< x\n', 2, "merge conflict"),
        ('{"a": 1}\n{"b": 2}\n', 2, "second JSON document begins at line 2"),
        ('{"a": 1}{"b": 2}', 1, "second JSON document begins at line 1"),
        ("", None, "empty"),
        (" \n\t\r\n", None, "empty"),
        ('{\n  "a": [1, 2,\n', 3, "ends in the middle"),
        ('{"a"', 1, "ends in the middle"),
        ("[1, 2]", 1, "an object is wanted, it holds a list"),
        ('"text"', 1, "holds a text"),
        ("null", 1, "an object is wanted"),
        ("3", 1, "holds a number"),
        ("NaN", 1, "holds a number"),
        ('{\n "a": 1,\n}', 3, "line 3, column 1"),
        ("{\n 'a': 1\n}", 2, "line 2, column 2"),
        ('{"a": None}', 1, "line 1, column 7"),
        ('{\n "a": 1 // why\n}', 2, "line 2"),
        ('{"a": "\x01"}', 1, "line 1"),
        ("[" * 100_000, None, "nested too deep"),
        ('{"a":' * 100_000, None, "nested too deep"),
        ('{"a": ' + "9" * 5000 + "}", None, "a number too long"),
        (b'{"a": "\xff"}', None, "no UTF-8 text at byte 7"),
        ("{}".encode("utf-16"), None, "no UTF-8 text at byte 0"),
        ("<html>", 1, "line 1, column 1"),
    ],
)
def test_a_broken_file_is_told_with_its_line_and_cause(content: bytes | str, line: int | None, words: str) -> None:
    assert told(content)[0] == line
    assert words in told(content)[1]


def test_a_pointer_is_told_as_one() -> None:
    assert broken(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n").kind == LFS_POINTER


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    config, problem = read_config(Directory(tmp_path), Entry("gone.json", 1, "g"))
    assert config is None
    assert problem == Problem(UNREADABLE, Where("gone.json"), "No such file or directory")


def test_a_file_too_large_for_a_config_is_not_read() -> None:
    config, problem = read_config(Memory({}), Entry("big.json", 64_000_001, "b"))
    assert config is None
    assert problem is not None
    assert problem.kind == BROKEN_JSON
    assert "64,000,001 bytes" in problem.detail


@given(
    st.one_of(
        st.binary(max_size=40),
        st.text(max_size=40).map(str.encode),
        st.text(alphabet='{}[]":,\n<=>a1', max_size=30).map(str.encode),
    )
)
def test_any_bytes_give_a_config_or_one_problem(content: bytes) -> None:
    config, problem = read_config(Memory({"c": content}), Entry("c", len(content), "c"))
    assert (config is None) != (problem is None)
    try:
        fine = isinstance(json.loads(content.decode("utf-8-sig")), dict)
    except ValueError:
        fine = False
    assert (config is not None) == fine


def test_a_file_cut_anywhere_is_one_problem() -> None:
    whole = json.dumps({"a": [1, {"b": "\u00fc"}], "c": None}, indent=1, ensure_ascii=False).encode()
    assert read(whole).data["c"] is None
    assert {broken(whole[:cut]).kind for cut in range(len(whole))} == {BROKEN_JSON}


# lines of keys


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ('{\n"a": 1,\n"b": 2}', ["b"], 3),
        ('{\n"a": {\n"b": 2}}', ["a", "b"], 3),
        ('{\n"x": {\n"b": 1},\n"b": 2}', ["b"], 4),
        ('{\n"x": {\n"a": 1},\n"a": {"y": 1,\n"b": 2}}', ["a", "b"], 5),
        ('{\n"a": {"c": {}},\n"x": {\n"b": 1}}', ["a", "b"], None),
        ('{\n"a": 1,\n"x": {\n"b": 1}}', ["a", "b"], None),
        ('{\n"a": [1, 2],\n"x": {\n"b": 1}}', ["a", "b"], None),
        ('{\n"a": [{\n"b": 1}]}', ["a", "b"], None),
        ('{"l": [{"b":\n1}, {"c": 2}],\n"c": 3}', ["c"], 3),
        ('{"l": [{"b": {"x": 1}},\n{"c": {"y": 2}}]}', ["l", "b", "y"], None),
        ('{"a": "\\"b\\": {",\n"b": 1}', ["b"], 2),
        ('{"a": "b",\n"c": ["b", "b"],\n"b": 1}', ["b"], 3),
        ('{"a": "}}]",\n"b": 1}', ["b"], 2),
        ('{\n"b"\n:\n1}', ["b"], 2),
        ('{"a": 1,\n"a": 2}', ["a"], 2),
        ('{\n"gr\\u00f6\\u00dfe": 1}', ["größe"], 2),
        ('{\n"q\\"": 1,\n"\\\\": 2}', ['q"'], 2),
        ('{\n"q\\"": 1,\n"\\\\": 2}', ["\\"], 3),
        ('{\n"a:": 1,\n"a": 2}', ["a:"], 2),
        ('{\n"a:": 1,\n"a": 2}', ["a"], 3),
        ('{\n"": 1}', [""], 2),
        ("{}", ["a"], None),
        ("", ["a"], None),
        ("}]", ["a"], None),
        ('["a", {\n"a": 1}]', ["a"], None),
    ],
)
def test_the_line_of_a_key_is_the_line_it_stands_in(text: str, keys: list[str], line: int | None) -> None:
    assert line_of(text, keys) == line


def test_a_place_is_a_json_pointer_also_for_keys_with_slashes() -> None:
    assert read('{"a/b": {"~": 1}}').where("a/b", "~").at == "/a~1b/~0"


values = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(max_size=3)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.dictionaries(st.text(max_size=3), values, min_size=1, max_size=4), st.booleans())
def test_the_line_of_every_key_of_any_object_is_found(data: dict[str, Any], ascii_only: bool) -> None:
    text = json.dumps(data, indent=1, ensure_ascii=ascii_only)

    def check(inner: dict[str, Any], above: list[str]) -> None:
        for key, value in inner.items():
            line = line_of(text, [*above, key])
            assert line is not None
            assert text.split("\n")[line - 1].strip().startswith(json.dumps(key, ensure_ascii=ascii_only) + ":")
            if isinstance(value, dict):
                check(value, [*above, key])

    check(data, [])
