"""Settings: found upward, read from either file, and wrong ones named with the nearest right one."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.read.formats import READERS
from dtypecheck.settings import (
    BadSettings,
    Demands,
    Ignore,
    Override,
    Settings,
    config_schema,
    find,
    parse,
    read,
    read_demands,
)  # fmt: skip
from dtypecheck.settings import file as settings_file
from dtypecheck.settings.file import search
from dtypecheck.settings.places import Ground, fits


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
baseline = "known.json"
"""
MEANT = Settings(
    ("DT1", "unreadable"), ("DT118",), ("DT4",), "warning", "float16,vae=float32", "fp16", "t4", "json", "known.json"
)  # fmt: skip


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
    assert "[[ignore]]" in (said := wrong({"ignore": [{"reason": "x", **rules}]}))
    assert "rules" in said


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


# the gate's demands

GATE = """
require = {vae = ["bfloat16", "fp32"], unet = "half"}
forbid = {T5EncoderModel = ["float16"]}
forbid-pickles = true
max-bytes = "7.5 GB"
require-checks = ["rehearsal", "run"]
scripts = true
"""
DEMANDS = Demands(
    {"vae": (BF16, F32), "unet": (F16,)}, {"T5EncoderModel": (F16,)}, False, 7_500_000_000, ("rehearsal", "run"), True
)  # fmt: skip


def test_the_demands_of_a_gate_stand_in_the_settings_or_in_a_policy_file(tmp_path: Path) -> None:
    lay(tmp_path, **{"dtypecheck.toml": f"[gate]\n{GATE}", "pyproject.toml": f"[tool.dtypecheck.gate]\n{GATE}", "p.toml": GATE})
    assert read(tmp_path / "dtypecheck.toml").gate == read(tmp_path / "pyproject.toml").gate == DEMANDS
    assert read_demands(tmp_path / "p.toml") == DEMANDS
    assert parse({}, "x").gate == Demands() == Demands({}, {}, True, None, (), False)
    assert parse({"gate": {"forbid-pickles": False}}, "x").gate == Demands()


@pytest.mark.parametrize(
    ("text", "size"),
    [("7GB", 7 * 10**9), (7, 7), ("7", 7), ("7B", 7), ("1.5 GiB", 3 << 29), ("2 kb", 2000), ("3m", 3_000_000), ("1TB", 10**12)],
)
def test_a_size_is_a_number_or_has_a_unit(text: str | int, size: int) -> None:
    assert parse({"gate": {"max-bytes": text}}, "x").gate.max_bytes == size


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "", "GB", "7 XB", "-7GB", "7GB or so", "1e9", [7]])
def test_what_is_no_size_is_refused(size: Any) -> None:
    assert '[gate] max-bytes wants a size, as "7GB"' in wrong({"gate": {"max-bytes": size}})


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"requires": {}}, "[gate] has no key 'requires'; the nearest is 'require'"),
        ({"require": ["vae"]}, "[gate] require wants a table of dtypes"),
        ({"require": {"vae": []}}, "require of 'vae' wants a list of dtypes"),
        ({"require": {"vae": 16}}, "require of 'vae' wants a list of dtypes, as [\"bfloat16\"], not 16"),
        ({"forbid": {"T5": ["bfloat61"]}}, "forbid of 'T5': no dtype is called 'bfloat61'; the nearest is bfloat16"),
        ({"forbid-pickles": "yes"}, "[gate] forbid-pickles wants true or false, not 'yes'"),
        ({"require-checks": ["rehearsals"]}, "not 'rehearsals'; the nearest is 'rehearsal'"),
        ({"require-checks": "run"}, "[gate] require-checks wants a list of"),
        ({"scripts": 1}, "[gate] scripts wants true or false, not 1"),
    ],
)
def test_a_wrong_demand_says_what_is_wanted(gate: dict[str, Any], words: str) -> None:
    assert words in wrong({"gate": gate})


def test_a_table_that_is_none_is_refused() -> None:
    assert wrong({"gate": []}) == "dtypecheck.toml: [gate] wants a table, not []"
    assert "overrides wants tables, each under [[overrides]]" in wrong({"overrides": {"path": "x"}})
    assert wrong({"overrides": ["x"]}) == "dtypecheck.toml: [[overrides]] wants a table, not 'x'"


def test_a_policy_file_with_an_unknown_key_or_no_toml_is_named(tmp_path: Path) -> None:
    lay(tmp_path, **{"p.toml": "requier = {}", "q.toml": "require = {"})
    with pytest.raises(BadSettings, match=r"^p\.toml: unknown key 'requier'; the nearest is 'require'$"):
        read_demands(tmp_path / "p.toml")
    with pytest.raises(BadSettings, match=r"q\.toml: "):
        read_demands(tmp_path / "q.toml")


# what holds for some paths


def placed(settings: Settings, root: Path, here: Path | None = None) -> Settings:
    from dataclasses import replace

    return replace(settings, file=root / "dtypecheck.toml", ground=Ground((), here or root))


def test_a_target_asks_for_what_the_last_override_that_fits_it_says(tmp_path: Path) -> None:
    table = {
        "dtype": "float16",
        "device": "t4",
        "overrides": [
            {"path": "models/flux", "dtype": "bfloat16"},
            {"path": ["models/*-fp32", "models/flux/*"], "dtype": "float32", "variant": "full"},
        ],
    }
    settings = placed(parse(table, "x"), tmp_path)
    assert settings.asks(Path("models/sdxl")) == {"dtype": "float16", "variant": None, "device": "t4"}
    assert settings.asks(Path("models/vae-fp32")) == {"dtype": "float32", "variant": "full", "device": "t4"}
    assert settings.asks(tmp_path / "models" / "flux") == {"dtype": "float32", "variant": "full", "device": "t4"}
    assert parse(table, "x").overrides[0] == Override(("models/flux",), dtype="bfloat16")


def test_an_override_speaks_of_places_from_the_folder_of_its_file_wherever_the_command_runs(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    settings = parse({"overrides": [{"path": "models/*", "ignore": ["DT1"]}]}, "x")
    below = placed(settings, tmp_path, tmp_path / "deep" / "er")
    assert [item.ignore for item in below.overriding("../../models/sdxl/vae/config.json")] == [("DT1",)]
    assert below.overriding("models/sdxl/vae/config.json") == ()


@pytest.mark.parametrize(
    ("glob", "name", "fit"),
    [
        ("models", "models/sdxl/x.json", True),
        ("models/", "models/sdxl", True),
        ("./models/*", "models/sdxl/x.json", True),
        ("**/vae/*", "vae/config.json", True),
        ("**/vae/*", "a/b/vae/config.json", True),
        ("models/*", "models", True),
        ("models", "models2/x", False),
        ("vae/*", "models/vae/x", False),
        ("Models", "models/x", False),
    ],
)
def test_a_glob_means_whole_folders_and_case_counts(glob: str, name: str, fit: bool) -> None:
    assert fits(name, (glob,)) is fit


# never from inside a model


def test_settings_inside_a_model_are_passed_over_and_told(tmp_path: Path) -> None:
    lay(tmp_path, **{"dtypecheck.toml": "", "model/model_index.json": "{}", "model/dtypecheck.toml": "slect = 1"})
    lay(tmp_path, **{"model/scripts/pyproject.toml": "[tool.dtypecheck]\nignore = ['DT']", "model/scripts/x": ""})
    model, mine = tmp_path / "model", tmp_path / "dtypecheck.toml"
    assert search(model, [model]) == (mine, (model / "dtypecheck.toml",))
    assert search(model / "scripts") == (mine, (model / "scripts" / "pyproject.toml", model / "dtypecheck.toml"))
    assert find(model / "scripts") == mine


def test_a_transformers_folder_is_a_model_too_and_a_project_with_a_config_json_is_none(tmp_path: Path) -> None:
    lay(tmp_path, **{"a/config.json": "{}", "a/model.safetensors": "", "a/dtypecheck.toml": "", "b/config.json": "{}"})
    lay(tmp_path, **{"b/dtypecheck.toml": ""})
    assert search(tmp_path / "a")[1] == (tmp_path / "a" / "dtypecheck.toml",)
    assert search(tmp_path / "b") == (tmp_path / "b" / "dtypecheck.toml", ())


def test_settings_beside_loose_weights_hold_unless_these_are_looked_at(tmp_path: Path) -> None:
    lay(tmp_path, **{"dtypecheck.toml": "", "yolo.pt": "", "serve.py": "", "other/x.safetensors": ""})
    own = tmp_path / "dtypecheck.toml"
    assert search(tmp_path, [tmp_path / "serve.py"]) == search(tmp_path, [tmp_path / "other"]) == (own, ())
    for target in (tmp_path, tmp_path / "yolo.pt", Path("yolo.pt").absolute().parent / tmp_path / "yolo.pt"):
        assert own in search(tmp_path, [target])[1]


def test_a_pyproject_of_a_model_is_not_even_parsed(tmp_path: Path) -> None:
    lay(tmp_path, **{"model/model_index.json": "{}", "model/pyproject.toml": "[tool.dtypecheck\n"})
    assert tmp_path / "model" / "pyproject.toml" in search(tmp_path / "model")[1]
    lay(tmp_path, **{"model/pyproject.toml": "[tool.other\n"})
    assert search(tmp_path / "model")[1] == ()


def test_the_suffixes_of_weights_are_those_of_the_readers() -> None:
    assert set(settings_file.WEIGHTS) == set(READERS)


# the schema for editors

SCHEMA = Path(settings_file.__file__).parent / "schema.json"
EXAMPLES = (
    FULL,
    f"[gate]\n{GATE}",
    "[[ignore]]\nrules = 'DT118'\nreason = 'known'\n[[ignore]]\nrules = ['DT1', 'x']\npath = 'vae/*'\nreason = 'y'",
    "ignore = ['DT1', {rules = ['DT2'], reason = 'x'}]",
    "[[overrides]]\npath = 'a'\ndtype = 'fp16'\n[[overrides]]\npath = ['b', 'c/*']\nselect = []\nextend-select = ['DT4']",
)
WRONG = (
    {"slect": []},
    {"gate": {"requires": {}}},
    {"overrides": [{"path": "a", "fail-on": "error"}]},
    {"overrides": [{"select": []}]},
    {"ignore": [{"rules": ["DT1"]}]},
    {"ignore": [{"rules": ["DT1"], "reason": " "}]},
    {"ignore": [{"rules": ["DT1"], "reason": "x", "paths": "y"}]},
    {"select": "DT1"},
    {"fail-on": "warnings"},
    {"output-format": "xml"},
    {"gate": {"max-bytes": "7 XB"}},
    {"gate": {"max-bytes": 0}},
    {"gate": {"require": {"vae": []}}},
    {"gate": {"require-checks": ["runs"]}},
    {"dtype": 16},
)


def test_the_schema_in_the_package_is_the_one_that_is_printed() -> None:
    assert json.loads(SCHEMA.read_text("utf-8")) == config_schema(), (
        "dtypecheck dev config-schema > dtypecheck/settings/schema.json"
    )


@pytest.mark.parametrize("text", EXAMPLES)
def test_what_is_understood_passes_the_schema(text: str) -> None:
    table = tomllib.loads(text)
    parse(table, "dtypecheck.toml")
    jsonschema.Draft7Validator(config_schema()).validate(table)


@pytest.mark.parametrize("table", WRONG, ids=str)
def test_what_is_refused_fails_the_schema(table: dict[str, Any]) -> None:
    wrong(table)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(config_schema()).validate(table)


def test_every_key_says_what_it_is_for_and_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(config_schema())
    keys = config_schema()["properties"]
    assert set(keys) >= {"select", "baseline", "gate", "overrides"}
    assert all(key["description"] for key in (*keys.values(), *keys["gate"]["properties"].values()))
