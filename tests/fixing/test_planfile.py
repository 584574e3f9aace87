"""A plan read back from its file is the plan that was written; a stranger's plan names no file outside of the target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.edits import Bring, Put, Remove, Rename, SetKey, Splice, Store, Take
from dtypecheck.fixing.planfile import document, plan_of, read_plan, text_of
from dtypecheck.fixing.refusal import Refusal
from dtypecheck.fixplan import FixPlan, Refused, State, Step

EDITS = (
    SetKey("vae/config.json", "/force_upcast", "true"),
    Splice("serve.py", 3, 9, "old é", "new\n"),
    Put("index.json", "{}\n"),
    Rename("a/b.json", "c.json"),
    Remove("old.bin"),
    Bring("vae/model.safetensors", "/elsewhere/model.safetensors", "ab" * 32),
    Store("m.safetensors", (Take("m.safetensors", "^wo$", "F32"), Take("m.safetensors", "", "F16", True)), ("a", "b"), True),
)
PATHS = ("vae/config.json", "serve.py", "index.json", "a/b.json", "a/c.json", "old.bin", "vae/model.safetensors", "m.safetensors")
PLAN = FixPlan(
    "model",
    (Step("vae", "all of it", EDITS, False, 10, 20, ("a cost", "another"), ("DT107",), "upcast"),),
    {path: State(3, "cd" * 32) for path in PATHS},
    (Refused("x", "because", ("DT110",), ("this instead",)),),
    {"dtype": "float16"},
)


def test_every_kind_of_edit_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(text_of(PLAN), "utf-8")
    assert read_plan(tmp_path / "plan.json") == PLAN


def changed(where: tuple[Any, ...], value: Any) -> dict[str, Any]:
    data: Any = json.loads(text_of(PLAN))
    place = data
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    return data  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("where", "value", "word"),
    [
        (("steps", 0, "edits", 0, "path"), "../config.json", "inside the target"),
        (("steps", 0, "edits", 0, "path"), "/etc/passwd", "inside the target"),
        (("steps", 0, "edits", 3, "name"), "../../x", "no file inside|bare file name"),
        (("steps", 0, "edits", 6, "takes", 0, "source"), "a\\b", "inside the target"),
        (("steps", 0, "edits", 2, "kind"), "Execute", "no edit is called"),
        (("steps", 0, "edits", 0, "more"), 1, "has no 'more'"),
        (("steps", 0, "edits", 1, "start"), "3", "stands where a int"),
        (("steps", 0, "lossless"), 1, "stands where a bool"),
        (("files",), {}, "lacks 'index.json'|lacks"),
        (("files", "serve.py", "bytes"), None, "stands where"),
        (("steps",), 3, "not iterable"),
        (("fix_plan",), 99, "version 99"),
    ],
)
def test_what_is_no_plan_of_ours_is_refused_in_words(tmp_path: Path, where: tuple[Any, ...], value: Any, word: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(changed(where, value)), "utf-8")
    with pytest.raises(Refusal, match=rf"plan\.json.*({word})"):
        read_plan(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "[" * 100_000, '{"fix_plan": 1}', "\x00"])
def test_any_other_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, "utf-8")
    with pytest.raises(Refusal, match=r"plan\.json"):
        read_plan(path)


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert text_of(PLAN) == text_of(plan_of(document(PLAN)))
