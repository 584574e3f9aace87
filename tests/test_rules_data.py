"""The rows of rules/: every one has a reason and a source, says only words that are known, and names classes that exist."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.dtypes import parse
from dtypecheck.harvest import installed
from dtypecheck.knowledge import Knowledge, folder

FILES = sorted(folder().glob("*.toml"))
KNOWN = Knowledge()
DTYPES = {"F16", "BF16", "F32", "F64", "F8_E4M3", "F8_E5M2", "F4"}
SUPPORT = {"ok", "warn", "bad", "unknown"}
EVIDENCE = {
    *("documented_ok", "documented_bad", "documented_other_dtype", "documented_per_checkpoint"),
    *("issue_report_nan", "issue_report", "peer_allows", "peer_excludes", "peer_restricts"),
    *("tested_small_model", "code_reading", "inferred", "none"),
}
KEYS = {
    "keep_in_fp32": {"library", "keep", "keep_strict", "since", "until", "fixed", "by_hand", "why", "source"},
    "pipelines": {
        *(
            "deprecated",
            "decode",
            "restores",
            "encode",
            "lowers",
            "embeds",
            "latents",
            "reads_force_upcast",
            "components",
            "denoisers",
        ),
        *("fixed", "by_hand", "runs", "crashes", "rehearsed", "why", "source"),
    },
    "classes": {"library", "version", "classes", "modules", "why", "source"},
    "models": {
        *(
            "id",
            "component",
            "config",
            "config_default",
            "pipelines",
            "stored",
            "F16",
            "BF16",
            "F32",
            "evidence",
            "bf16_evidence",
        ),
        *(
            "severity",
            "by_config_only",
            "space",
            "layers",
            "mechanism",
            "casts_own_input",
            "fix",
            "why",
            "why_F16",
            "why_BF16",
            "source",
        ),
    },
    "devices": {"aliases", "kind", "sm", *DTYPES, "why", "source"},
    "swaps": {"class", "replaces", "pipelines", "repo", "code", "quality", "F16", "BF16", "why", "source"},
    "remedies": {"app", "set", "also", "why", "source"},
    "recipes": {"dtypes", "how", "none", "why", "source"},
    "checkpoints": {"name", "class", "prefix", "space", "stored", "F16", "BF16", "why", "source"},
    "messages": {
        *("kind", "about", "pattern", "only", "equal", "means", "because", "do", "seen", "says", "why", "source"),
    },
    "releases": {"since", "until", "what", "classes", "evidence", "why", "source"},
}


def rows(table: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, dict(row)) for name, row in KNOWN.all(table))


def prose(row: dict[str, Any]) -> Iterator[str]:
    for key in ("why", "how", "what", "mechanism", "set", "fix", "also"):
        match row.get(key):
            case str(text):
                yield text
            case list(texts):
                yield from texts
            case dict(by_dtype):
                yield from by_dtype.values()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_toml_and_its_rows_have_no_sub_tables(path: Path) -> None:
    text = path.read_text("utf-8")
    tomllib.loads(text)
    assert not [line for line in text.splitlines() if re.match(r"\s*\[(?!\[)", line)]
    assert all(line.startswith(("[[", "#")) or "=" in line or not line.strip() or line[0] in " ]" for line in text.splitlines())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_row_says_why_and_by_what_source(path: Path) -> None:
    for name, row in rows(path.stem):
        assert row.get("source"), name
        assert all(isinstance(one, str) and one.strip() for one in row["source"]), name
        assert path.stem == "keep_in_fp32" or "why" in row, name
        assert all(text.strip() for text in prose(row)), name


@pytest.mark.parametrize("table", KEYS)
def test_a_row_has_only_keys_that_the_readme_knows(table: str) -> None:
    readme = (folder() / "README.md").read_text("utf-8")
    for name, row in rows(table):
        assert not set(row) - KEYS[table], name
    assert f"## {table}.toml" in readme


@pytest.mark.parametrize("table", KEYS)
def test_people_read_fp16_and_files_say_F16(table: str) -> None:  # noqa: N802
    for name, row in rows(table):
        for text in prose(row):
            assert not re.search(r"(?<![\w.-])(BF16|F16|F32)\b", text), f"{name}: {text}"


def test_no_row_is_there_twice() -> None:
    ids = [row["id"] for _, row in rows("models")]
    assert len(ids) == len(set(ids))
    for table in ("pipelines", "devices", "swaps", "recipes", "checkpoints"):
        names = [name for name, _ in rows(table)]
        assert len(names) == len(set(names)), table
    for table, keys in (("keep_in_fp32", ("library", "until")), ("remedies", ("app",)), ("releases", ("what",))):
        found = [(name, *(row.get(key) for key in keys)) for name, row in rows(table)]
        assert len(found) == len(set(found)), table


def test_a_device_is_meant_by_one_row_only() -> None:
    meant: dict[str, str] = {}
    for name, row in rows("devices"):
        for word in {re.sub(r"[\s_-]", "", text.lower()) for text in (name, *row["aliases"])}:
            assert meant.setdefault(word, name) == name


def test_a_device_says_why_for_every_dtype_that_is_not_native() -> None:
    for name, row in rows("devices"):
        assert row["kind"] in {"cuda", "rocm", "xpu", "mps", "cpu"}, name
        for dtype in DTYPES & set(row):
            assert row[dtype] in {"native", "slow", "emulated", "absent"}, name
            assert row[dtype] == "native" or row["why"].get(dtype), f"{name} {dtype}"
        assert set(row["why"]) <= DTYPES, name


def test_bfloat16_is_native_from_compute_capability_80_on() -> None:
    for name, row in rows("devices"):
        if "sm" in row:
            assert (row["BF16"] == "native") == (row["sm"] >= 80), name
            assert (row["F8_E4M3"] == "native") == (row["sm"] >= 89), name


def test_words_of_pipelines_are_known() -> None:
    for name, row in rows("pipelines"):
        assert row["decode"] in {"same", "cast", "upcast", "upcast+cast", "none"}, name
        assert row.get("encode", "none") in {"same", "cast", "upcast", "none", "unknown"}, name
        assert row.get("embeds", "same") in {"same", "cast"}, name
        assert row.get("latents", "unknown") in {"prompt_embeds", "denoiser", "F32", "unknown"}, name
        assert set(row.get("denoisers", ())) <= set(row.get("components", ())), name
        assert set(row.get("fixed", ())) <= set(row), name


def test_words_of_models_are_known_and_severity_follows_from_the_evidence() -> None:
    for name, row in rows("models"):
        assert {row["F16"], row["BF16"], row["F32"]} <= SUPPORT, name
        assert row["evidence"] in EVIDENCE, name
        assert row.get("bf16_evidence", "none") in EVIDENCE, name
        assert ("bf16_evidence" in row) == (row["BF16"] in {"warn", "bad"}), name
        assert row.get("stored") in {None, *DTYPES}, name
        assert set(row.get("config_default", {})) <= set(row.get("config", {})), name
        wanted = {"F16": _severity(row["F16"], row["evidence"]), "BF16": _severity(row["BF16"], row.get("bf16_evidence", ""))}
        assert row.get("severity", {}) == {dtype: word for dtype, word in wanted.items() if word}, name


def _severity(support: str, evidence: str) -> str | None:
    match support:
        case "bad":
            return "error" if evidence in {"documented_bad", "issue_report_nan"} else "warning"
        case "warn":
            return "warning" if evidence == "documented_per_checkpoint" else "note"
        case _:
            return None


def test_patterns_compile() -> None:
    for name, row in rows("models"):
        assert all(re.compile(pattern) for pattern in row.get("layers", ())), name
        assert ("layers" in row) == ("mechanism" in row), name
    for _, row in rows("keep_in_fp32"):
        assert all(re.compile(text.replace("*", ".*")) for text in (*row["keep"], *row.get("keep_strict", ())))


def test_every_dtype_in_a_row_parses() -> None:
    asked = [dtype for _, row in rows("recipes") for dtype in row.get("dtypes", {}).values()]
    asked += [row["stored"] for table in ("models", "checkpoints") for _, row in rows(table) if "stored" in row]
    assert asked
    assert all(parse(text) for text in asked)


def test_a_checkpoint_is_named_by_a_sha256() -> None:
    for name, row in rows("checkpoints"):
        assert re.fullmatch(r"[0-9a-f]{64}", name)
        assert {row["F16"], row["BF16"]} <= SUPPORT


def test_a_release_ends_or_begins_somewhere() -> None:
    for name, row in rows("releases"):
        assert name in {"diffusers", "transformers", "torch"}
        assert row.keys() & {"since", "until"}
        assert row["evidence"] in {"checked", "confirmed", "documented", "reported"}
        assert all(re.fullmatch(r"\d+(\.\d+)*", row[key]) for key in ("since", "until") if key in row)


def test_a_recipe_says_how_or_that_there_is_none() -> None:
    for name, row in rows("recipes"):
        assert ("how" in row and "default" in row["dtypes"]) != bool(row.get("none")), name


def _classes(library: str) -> set[str]:
    root = installed(library)
    if root is None:
        pytest.skip(f"{library} is not installed, so its class names are not known")
    found: set[str] = set()
    for path in root.rglob("*.py"):
        found |= set(re.findall(r"^\s*class (\w+)", path.read_text("utf-8"), re.MULTILINE))
    return found


def test_classes_of_pipelines_and_recipes_are_in_diffusers() -> None:
    there = _classes("diffusers")
    named = {name for table in ("pipelines", "recipes") for name, _ in rows(table) if ":" not in name}
    named |= {name for _, row in rows("models") for name in row.get("pipelines", ())}
    assert named - there == set()


def test_classes_of_models_are_in_diffusers_or_transformers() -> None:
    there = _classes("diffusers") | _classes("transformers")
    named = {name for name, _ in rows("models")} | {row["class"] for _, row in rows("checkpoints")}
    named |= {name for _, row in rows("swaps") for name in (row["class"], row["replaces"]["class"])}
    named |= {name for _, row in rows("releases") for name in row["classes"]}
    assert named - there == set()


@pytest.mark.parametrize("library", ["diffusers", "transformers"])
def test_classes_that_keep_parameters_are_in_their_library(library: str) -> None:
    there = _classes(library)
    assert {name for name, row in rows("keep_in_fp32") if row["library"] == library and "until" not in row} - there == set()
