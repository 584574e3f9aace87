"""No tree of files, however odd, raises; and the real ones are read as what they are."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtypecheck.api import scan
from dtypecheck.files import Directory, Memory, place
from dtypecheck.read.header import BROKEN_JSON, LFS_POINTER, TRUNCATED
from dtypecheck.read.layout import READERS, Reading
from dtypecheck.read.shards import _WEIGHTS

from .laid_out import pipelines, problems, readings, shard

# any tree


names = st.sampled_from(
    [
        "model_index.json",
        "config.json",
        "model.safetensors",
        "model.fp16.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "adapter_model.safetensors",
        "adapter_config.json",
        "diffusion_pytorch_model.safetensors",
        "x.safetensors",
        "x.gguf",
        "x.ckpt",
        "x.onnx",
        "model-00001-of-00002.safetensors",
        "LICENSE",
        "x.SAFETENSORS",
        "openvino_model.bin",
    ]
)

scalars = st.one_of(st.none(), st.integers(), st.text(max_size=5), st.just("float16"), st.just("diffusers"), st.just("../x"))

jsons = st.dictionaries(
    st.sampled_from(
        [
            "_class_name",
            "architectures",
            "dtype",
            "weight_map",
            "metadata",
            "vae",
            "unet",
            "quantization_config",
            "../x",
            "",
            "a/b",
        ]
    ),
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=5
    ),
    max_size=4,
)

contents = st.one_of(
    st.binary(max_size=30),
    jsons.map(lambda data: json.dumps(data).encode()),
    st.lists(st.sampled_from(["a.weight", "a.lora_down.weight", "emb_params"]), max_size=2, unique=True).map(
        lambda keys: shard(*keys)
    ),
)

trees = st.dictionaries(st.tuples(st.sampled_from(["", "vae/", "unet/", "a/vae/"]), names).map("".join), contents, max_size=7)


@settings(max_examples=150, deadline=None)
@given(trees)
def test_no_tree_raises_and_each_weight_file_is_read_or_told(tree: dict[str, bytes]) -> None:
    files = Memory(tree)
    found = readings(files)
    seen = {file.path for r in found if r.pipeline for c in r.pipeline.components for s in c.sets for file in s.files}
    seen |= {file.path for r in found if r.pipeline for file in r.pipeline.loose}
    told = {problem.where.path for r in found for problem in r.problems}
    index = {name.rpartition("/")[0] for name in tree if name.endswith(".index.json")}
    for name in tree:
        if (
            name.endswith(("x.safetensors", "x.gguf"))
            and name.rpartition("/")[0] not in index
            and not any(n.endswith("model_index.json") for n in tree)
        ):
            assert name in seen | told


def test_every_suffix_that_an_index_may_name_has_a_reader() -> None:
    assert set(_WEIGHTS) <= set(READERS)


def test_two_thousand_empty_folders_and_two_thousand_models_are_walked_soon(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"empty{number}" / "deeper").mkdir(parents=True)
    start = time.process_time()
    assert readings(Directory(tmp_path)) == [Reading(None)]
    contents: dict[str, bytes] = {}
    for number in range(2000):
        contents[f"m{number}/model_index.json"] = b'{"_class_name": "X", "unet": ["diffusers", "UNet2DModel"]}'
        contents[f"m{number}/unet/diffusion_pytorch_model.safetensors"] = SMALL
        contents[f"m{number}/other/notes.txt"] = b""
    assert len(pipelines(Memory(contents))) == 2000
    assert time.process_time() - start < 5


SMALL = shard("a")


# real trees


def expected(shared_data: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((shared_data / "headers" / "INDEX.json").read_text())
    return found


@pytest.mark.shared
def test_the_real_model_trees_read_without_an_exception_and_with_true_dtypes(shared_data: Path, shared_tree: Path) -> None:
    folders = sorted(path for path in shared_tree.iterdir() if path.is_dir())
    assert len(folders) == 51
    held: dict[tuple[str, str], dict[str, int]] = {}
    for folder in folders:
        report = scan(folder)
        held |= {(folder.name, file.path): {dtype.name: count for dtype, count in file.dtypes.items()} for file in report.files}
        assert not [finding for finding in report.findings if finding.code in ("DT001", "DT004")], folder
    sure = [record for record in expected(shared_data) if not record["uncertain"]]
    assert len(sure) > 100
    wrong = {
        (r["repo"], r["path"]): held.get((r["repo"], r["path"])) for r in sure if held.get((r["repo"], r["path"])) != r["dtypes"]
    }
    assert wrong == {}


MALFORMED = {
    "crlf_2_bytes.safetensors": (TRUNCATED, "2 bytes, where a header's length alone takes 8"),
    "lfs_pointer.bin": (LFS_POINTER, "a Git-LFS pointer, not the weights (334,707,217 bytes)"),
    "lfs_pointer.safetensors": (LFS_POINTER, "a Git-LFS pointer, not the weights (334,643,276 bytes)"),
    "truncated_sdxl_lora.safetensors": (TRUNCATED, "cut short: 400,000 bytes, its header describes 23,401,064 (1 % is there)"),
    "two_json_objects.model.safetensors.index.json": (BROKEN_JSON, "the marks of a merge conflict are in it"),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", MALFORMED)
def test_each_accident_from_the_wild_is_one_clear_problem(shared_data: Path, name: str) -> None:
    (problem,) = problems(place(shared_data / "malformed" / name))
    assert (problem.kind, problem.detail, problem.where.path) == (*MALFORMED[name], name)


@pytest.mark.shared
def test_every_config_with_a_merge_conflict_is_told_once(shared_data: Path) -> None:
    root = shared_data / "malformed" / "merge_conflict_model"
    marked = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.json") if b"<<<<<<<" in path.read_bytes())
    told = [problem for problem in problems(place(root)) if problem.kind == BROKEN_JSON]
    assert len(marked) > 3
    assert sorted(problem.where.path for problem in told) == marked
    assert {problem.detail for problem in told} == {"the marks of a merge conflict are in it"}
    for problem in told:
        assert problem.where.line
        assert (root / problem.where.path).read_text().split("\n")[problem.where.line - 1].startswith("<<<<<<<")


@pytest.mark.shared
def test_nothing_of_the_accidents_is_left_out(shared_data: Path) -> None:
    assert {path.name for path in (shared_data / "malformed").iterdir()} == {*MALFORMED, "merge_conflict_model"}
