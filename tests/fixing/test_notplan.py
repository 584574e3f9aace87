"""A JSON file that is no fix plan is refused by what it is, and with what to type instead."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dtypecheck.fixing.planfile import read_plan
from dtypecheck.fixing.refusal import Refusal
from tests.test_cli import run

FILES = {
    "model.safetensors.index.json": ({"weight_map": {"a": "model-00001-of-00002.safetensors"}}, "the index of a model's shards"),
    "scheduler_config.json": ({"_class_name": "DDIMScheduler"}, "a config of a model"),
    "generation_config.json": ({"transformers_version": "5.0", "do_sample": True}, "a config of a model"),
    "run.json": ({"version": 1, "findings": [], "seen": {}}, "a report of dtypecheck"),
    "tokenizer.json": ({"added_tokens": [], "model": {}}, "JSON with the keys 'added_tokens', 'model'"),
    "one.json": ({"only": 1}, "JSON with the key 'only'"),
    "empty.json": ({}, "JSON with nothing in it"),
    "list.json": ([1, 2], "JSON with a list of 2"),
    "number.json": (5, "JSON of a single int"),
    "null.json": (None, "a JSON null"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_plan_is_called_what_it_is(name: str, tmp_path: Path) -> None:
    data, what = FILES[name]
    path = tmp_path / name
    path.write_text(json.dumps(data))
    with pytest.raises(Refusal, match=re.escape(f"{name}: {what}, and no fix plan")) as told:
        read_plan(path)
    assert told.value.offers


def test_a_file_that_is_no_json_is_no_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("{")
    with pytest.raises(Refusal, match="no fix plan, for it is no JSON"):
        read_plan(path)


def test_an_index_that_is_given_by_mistake_names_the_folder_to_fix(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    done = run("fix", "model/model.safetensors.index.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the index of a model's shards, and no fix plan" in done.stderr
    assert "dtypecheck fix model" in done.stderr
