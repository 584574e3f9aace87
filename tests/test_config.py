"""Settings: found upward, read from either file, and wrong ones named with the nearest right one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dtypecheck.config import BadSettings, Ignore, Settings, find, parse, read


def lay(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def wrong(table: dict[str, Any]) -> str:
    with pytest.raises(BadSettings) as caught:
        parse(table, "dtypecheck.toml")
    assert str(caught.value).startswith("dtypecheck.toml: ")
    return str(caught.value)


FULL = """
select = ["DT1", "unreadable"]
ignore = ["DT118"]
extend-select = ["DT4"]
fail-on = "warning"
dtype = "float16,vae=float32"
variant = "fp16"
device = "t4"
output-format = "json"
"""
MEANT = Settings(("DT1", "unreadable"), ("DT118",), ("DT4",), "warning", "float16,vae=float32", "fp16", "t4", "json")


# what must be left alone


def test_no_settings_are_the_defaults() -> None:
    assert parse({}, "x") == Settings()
    assert Settings().fail_on == "error"


def test_a_pyproject_without_our_table_is_passed_over(tmp_path: Path) -> None:
    lay(
        tmp_path,
        **{"pyproject.toml": "[tool.dtypecheck]\n", "a/pyproject.toml": "[tool.ruff]\n", "a/b/pyproject.toml": "tool = 3\n"},
    )
    lay(tmp_path, **{"a/b/c/pyproject.toml": "[tool]\ndtypecheck = 3\n"})
    assert find(tmp_path / "a" / "b" / "c") == tmp_path / "pyproject.toml"


def test_an_empty_table_of_ours_is_found_and_means_the_defaults(tmp_path: Path) -> None:
    lay(tmp_path, **{"pyproject.toml": "[tool.dtypecheck]\n"})
    found = find(tmp_path)
    assert found == tmp_path / "pyproject.toml"
    assert read(found) == Settings()


# finding and reading


def test_every_key_is_read_from_both_files(tmp_path: Path) -> None:
    lay(tmp_path, **{"dtypecheck.toml": FULL, "pyproject.toml": "[tool.dtypecheck]\n" + FULL})
    assert read(tmp_path / "dtypecheck.toml") == read(tmp_path / "pyproject.toml") == MEANT


def test_the_nearest_folder_upward_wins_and_in_it_our_own_file(tmp_path: Path) -> None:
    lay(
        tmp_path,
        **{
            "dtypecheck.toml": "",
            "a/pyproject.toml": "[tool.dtypecheck]",
            "a/b/x": "",
            "a/c/pyproject.toml": "[tool.dtypecheck]",
            "a/c/dtypecheck.toml": "",
        },
    )
    assert find(tmp_path / "a" / "b") == tmp_path / "a" / "pyproject.toml"
    assert find(tmp_path / "a" / "c") == tmp_path / "a" / "c" / "dtypecheck.toml"
    assert find(tmp_path) == tmp_path / "dtypecheck.toml"


def test_a_folder_called_like_the_file_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "dtypecheck.toml").mkdir(parents=True)
    lay(tmp_path, **{"dtypecheck.toml": ""})
    assert find(tmp_path / "a") == tmp_path / "dtypecheck.toml"


def test_a_file_that_is_not_toml_or_not_text_is_named(tmp_path: Path) -> None:
    lay(tmp_path, **{"dtypecheck.toml": "select = ["})
    with pytest.raises(BadSettings, match=r"dtypecheck\.toml: "):
        read(tmp_path / "dtypecheck.toml")
    (tmp_path / "dtypecheck.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSettings, match=r"dtypecheck\.toml: "):
        read(tmp_path / "dtypecheck.toml")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "gone.toml")


# suppressions


def test_an_ignore_with_a_reason_is_a_suppression(tmp_path: Path) -> None:
    lay(
        tmp_path,
        **{"pyproject.toml": '[[tool.dtypecheck.ignore]]\nrules = ["DT118", "DT1"]\npath = "vae/*"\nreason = " known "\n'},
    )
    assert read(tmp_path / "pyproject.toml") == Settings(suppressions=(Ignore(("DT118", "DT1"), "known", "vae/*"),))


def test_ignored_rules_and_suppressions_may_stand_in_one_list() -> None:
    settings = parse({"ignore": ["DT118", {"rules": "DT101", "reason": "ours"}]}, "x")
    assert (settings.ignore, settings.suppressions) == (("DT118",), (Ignore(("DT101",), "ours", "*"),))


@pytest.mark.parametrize("reason", [{}, {"reason": ""}, {"reason": "  "}, {"reason": 3}, {"reason": ["x"]}])
def test_an_ignore_without_a_reason_is_refused(reason: dict[str, Any]) -> None:
    assert (
        wrong({"ignore": [{"rules": ["DT118", "DT1"], **reason}]})
        == "dtypecheck.toml: [[ignore]] of DT118, DT1 gives no reason; one is required"
    )


@pytest.mark.parametrize("rules", [{}, {"rules": []}, {"rules": 3}, {"rules": [3]}, {"rules": {}}])
def test_an_ignore_without_rules_is_refused(rules: dict[str, Any]) -> None:
    assert "wants rules" in wrong({"ignore": [{"reason": "x", **rules}]})


def test_an_unknown_key_of_an_ignore_names_the_nearest() -> None:
    assert wrong({"ignore": [{"rule": ["DT1"], "reason": "x"}]}).endswith("has no key 'rule'; the nearest is 'rules'")


# wrong values


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("slect", "select"),
        ("fail_on", "fail-on"),
        ("extend_select", "extend-select"),
        ("dtypes", "dtype"),
        ("output", "output-format"),
        ("suppressions", None),
    ],
)
def test_an_unknown_key_names_the_nearest(key: str, nearest: str | None) -> None:
    expected = f"unknown key {key!r}" + (f"; the nearest is {nearest!r}" if nearest else "")
    assert wrong({key: "x"}) == f"dtypecheck.toml: {expected}"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("select", "DT1", "select wants a list of rules"),
        ("select", [1], "select wants a list"),
        ("ignore", "DT1", "ignore wants a list"),
        ("ignore", {"rules": ["DT1"]}, "ignore wants a list"),
        ("extend-select", {"a": 1}, "extend-select wants a list"),
        ("fail-on", "warnings", "fail-on is one of error, warning, note, never, not 'warnings'"),
        ("fail-on", 1, "not 1"),
        ("fail-on", ["error"], "not ['error']"),
        ("output-format", "xml", "output-format is one of"),
        ("dtype", 16, "dtype wants a text, not 16"),
        ("variant", False, "variant wants a text"),
        ("device", ["t4"], "device wants a text"),
        ("ignore", [["DT1"]], "ignore wants a list"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_key(key: str, value: Any, words: str) -> None:
    assert words in wrong({key: value})
