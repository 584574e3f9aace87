"""Weight files of a folder put together: every name that diffusers and transformers write, and indexes that lie."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtypecheck.dtypes import BF16, F16
from dtypecheck.files import Memory
from dtypecheck.read.header import EXTRA_SHARD, MISSING_SHARD, PATH_ESCAPE
from dtypecheck.read.jsons import read_config
from dtypecheck.read.shards import Folder, weight_sets
from dtypecheck.read.weights import read_safetensors
from dtypecheck.subjects import Config, Problem, WeightFile
from dtypecheck.testing import safetensors


def shard(*keys: str, dtype: str = "F16") -> bytes:
    content, size = safetensors([(key, dtype, (2,)) for key in keys])
    return content + bytes(size - len(content))


def index(weight_map: Any, **metadata: Any) -> bytes:
    return json.dumps({"metadata": metadata, "weight_map": weight_map}).encode()


def found(contents: dict[str, bytes], folder: str = "unet") -> Folder:
    """The weight sets of a folder whose files are laid out in memory; the names are bare."""
    prefix = folder + "/" if folder else ""
    files = Memory({prefix + name: content for name, content in contents.items()})
    entries = {entry.name[len(prefix) :]: entry for entry in files.entries()}

    def weights(entry: Any) -> WeightFile:
        header = read_safetensors(files, entry)
        tensors = header.tensors
        stock = tensors.stock() if tensors else {}
        return WeightFile(entry.name, header.format, entry.size, stock, tensors, trouble=None if tensors else "truncated")

    def config(entry: Any) -> Config | None:
        return read_config(files, entry)[0]

    return weight_sets(folder, entries, weights, config)


def only(problems: list[Problem]) -> Problem:
    (problem,) = problems
    assert problem.detail.isprintable()
    return problem


MAP = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
SHARDS = {"model-00001-of-00002.safetensors": shard("a"), "model-00002-of-00002.safetensors": shard("b")}
WHOLE = {"model.safetensors.index.json": index(MAP), **SHARDS}


# what must be left alone


@pytest.mark.parametrize("folder", ["", "unet", "a/b"])
def test_an_index_with_its_shards_is_one_set_without_a_problem(folder: str) -> None:
    result = found(WHOLE, folder)
    (chosen,) = result.sets
    prefix = folder + "/" if folder else ""
    assert result.problems == []
    assert result.used == set(WHOLE)
    assert (chosen.format, chosen.stem, chosen.variant, chosen.spelling, chosen.missing) == (
        "safetensors",
        "model",
        None,
        "usual",
        (),
    )
    assert chosen.index == f"{prefix}model.safetensors.index.json"
    assert [file.path for file in chosen.files] == [prefix + name for name in SHARDS]
    assert [tensor.key for _, tensor in chosen.tensors()] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("model.safetensors", ("safetensors", "model", None)),
        ("model.fp16.safetensors", ("safetensors", "model", "fp16")),
        ("model.my-variant.safetensors", ("safetensors", "model", "my-variant")),
        ("pytorch_model.bin", ("bin", "pytorch_model", None)),
        ("pytorch_model.fp16.bin", ("bin", "pytorch_model", "fp16")),
        ("diffusion_pytorch_model.safetensors", ("safetensors", "diffusion_pytorch_model", None)),
        ("diffusion_pytorch_model.bf16.safetensors", ("safetensors", "diffusion_pytorch_model", "bf16")),
        ("diffusion_pytorch_model.non_ema.bin", ("bin", "diffusion_pytorch_model", "non_ema")),
        ("adapter_model.safetensors", ("safetensors", "adapter_model", None)),
        ("adapter_model.bin", ("bin", "adapter_model", None)),
        ("pytorch_lora_weights.safetensors", ("safetensors", "pytorch_lora_weights", None)),
    ],
)
def test_single_files_are_known_by_stem_variant_and_format(name: str, key: tuple[str, str, str | None]) -> None:
    result = found({name: shard("a")})
    (chosen,) = result.sets
    assert (chosen.format, chosen.stem, chosen.variant) == key
    assert (chosen.index, chosen.spelling, result.used, result.problems) == (None, "usual", {name}, [])


@pytest.mark.parametrize(
    "name",
    [
        "flux1-dev.safetensors",
        "model.gguf",
        "my_model.safetensors",
        "model_fp16.safetensors",
        "model.safetensors.bak",
        "model.fp16.x.y.bin",
        "model-1-of-2.safetensors",
        "modelsafetensors",
        "config.json",
        "model.index.json",
        "model.safetensors.json",
        "optimizer.bin",
        "model.safetensors.index.json.tmp",
        "tf_model.h5",
        "xmodel.safetensors",
    ],
)
def test_other_names_are_left_to_others(name: str) -> None:
    assert found({name: shard("a")}) == Folder()


INDEXED = [
    ("model.safetensors.index.json", "model-0000{}-of-00002.safetensors", None, "usual"),
    ("model.safetensors.index.fp16.json", "model.fp16-0000{}-of-00002.safetensors", "fp16", "usual"),
    ("diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model-0000{}-of-00002.safetensors", None, "usual"),
    (
        "diffusion_pytorch_model.safetensors.index.fp16.json",
        "diffusion_pytorch_model.fp16-0000{}-of-00002.safetensors",
        "fp16",
        "usual",
    ),
    (
        "diffusion_pytorch_model.safetensors.index.fp16.json",
        "diffusion_pytorch_model-0000{}-of-00002.fp16.safetensors",
        "fp16",
        "usual",
    ),
    (
        "diffusion_pytorch_model.safetensors.fp16.index.json",
        "diffusion_pytorch_model-0000{}-of-00002.fp16.safetensors",
        "fp16",
        "legacy",
    ),
    (
        "diffusion_pytorch_model.fp16.safetensors.index.json",
        "diffusion_pytorch_model.fp16-0000{}-of-00002.safetensors",
        "fp16",
        "unread",
    ),
    ("model.fp16.safetensors.index.json", "model-0000{}-of-00002.fp16.safetensors", "fp16", "unread"),
    ("adapter_model.safetensors.index.json", "adapter_model-0000{}-of-00002.safetensors", None, "usual"),
]


@pytest.mark.parametrize(("name", "pattern", "variant", "spelling"), INDEXED)
def test_every_spelling_of_an_index_is_known_with_its_variant(
    name: str, pattern: str, variant: str | None, spelling: str
) -> None:
    shards = [pattern.format(1), pattern.format(2)]
    result = found({name: index(dict(zip("ab", shards, strict=True))), shards[0]: shard("a"), shards[1]: shard("b")})
    (chosen,) = result.sets
    assert (chosen.variant, chosen.spelling, chosen.missing, result.problems) == (variant, spelling, (), [])
    assert len(chosen.files) == 2


@pytest.mark.parametrize(("name", "pattern", "variant", "spelling"), INDEXED)
def test_shards_that_no_index_names_are_extra_beside_one_with_their_variant(
    name: str, pattern: str, variant: str, spelling: str
) -> None:
    result = found({name: index({"a": pattern.format(1)}), pattern.format(1): shard("a"), pattern.format(2): shard("b")})
    assert len(result.sets) == 1
    problem = only(result.problems)
    assert (problem.kind, problem.where.path) == (EXTRA_SHARD, f"unet/{pattern.format(2)}")
    assert problem.against is not None
    assert problem.against.path == f"unet/{name}"
    assert f"1 shard ({len(shard('b'))} bytes)" in problem.detail


def test_plain_files_variants_and_indexes_stand_side_by_side() -> None:
    result = found(
        {**WHOLE, "model.fp16.safetensors": shard("a", "b"), "model.safetensors": shard("a"), "notes.safetensors": shard("x")}
    )
    assert sorted((s.variant or "", s.index or "", len(s.files)) for s in result.sets) == [
        ("", "", 1),
        ("", "unet/model.safetensors.index.json", 2),
        ("fp16", "", 1),
    ]
    assert "notes.safetensors" not in result.used


def test_the_dtype_that_an_index_says_is_kept() -> None:
    says = [
        found({**WHOLE, "model.safetensors.index.json": index(MAP, dtype=word)}).sets[0].says
        for word in ("bfloat16", "F16", "wide", 3, None)
    ]
    assert says == [BF16, F16, None, None, None]


# indexes that lie


def test_a_missing_shard_is_named() -> None:
    result = found({name: content for name, content in WHOLE.items() if "00002-of" not in name})
    problem = only(result.problems)
    assert problem.kind == MISSING_SHARD
    assert problem.detail == "1 of 2 shards that the index names are not there: model-00002-of-00002.safetensors"
    assert result.sets[0].missing == ("model-00002-of-00002.safetensors",)


def test_of_many_missing_shards_three_are_named() -> None:
    result = found({"model.safetensors.index.json": index({str(n): f"model-{n:05}-of-00009.safetensors" for n in range(1, 10)})})
    assert only(result.problems).detail.endswith("model-00003-of-00009.safetensors and 6 more")
    assert len(result.sets[0].missing) == 9


def test_shards_without_an_index_are_told_with_the_name_it_should_have() -> None:
    result = found(SHARDS)
    problem = only(result.problems)
    assert problem.kind == MISSING_SHARD
    assert "2 shards without an index" in problem.detail
    assert "model.safetensors.index.json" in problem.detail
    assert [(s.spelling, len(s.files)) for s in result.sets] == [("unread", 2)]
    variant = found({name.replace("model-", "model.fp16-"): content for name, content in SHARDS.items()})
    assert "model.safetensors.index.fp16.json" in only(variant.problems).detail


def test_an_index_of_another_variant_does_not_take_the_shards() -> None:
    result = found({**WHOLE, "model.fp16-00001-of-00001.safetensors": shard("a")})
    assert "without an index" in only(result.problems).detail


ESCAPES = [
    "../x.safetensors",
    "/etc/passwd",
    "a/../../x",
    "..",
    "C:\\x.safetensors",
    "C:x.safetensors",
    "..\\x.safetensors",
    "a\0.safetensors",
    "sub/model.safetensors",
    "",
    ".",
    "//host/share.safetensors",
    "~/../x.safetensors",
]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_name_that_leaves_the_folder_is_told_and_never_read(name: str) -> None:
    contents = {**WHOLE, "model.safetensors.index.json": index({**MAP, "c": name})}
    result = found(contents)
    problem = only(result.problems)
    assert (problem.kind, problem.where.at, problem.where.line) == (PATH_ESCAPE, "/weight_map", 1)
    assert len(result.sets[0].files) == 2


@given(st.text(max_size=20))
def test_whatever_an_index_names_nothing_outside_is_read(name: str) -> None:
    files = found({"model.safetensors.index.json": index({"a": name})}).sets[0].files
    assert files == ()


@pytest.mark.parametrize("name", ["config.json", "model_index.json", "README.md", "weights", "model.safetensors.index.json"])
def test_a_shard_that_is_no_weight_file_is_told_and_not_read(name: str) -> None:
    result = found({name: b"{}", "model.safetensors.index.json": index({"a": name})})
    problem = only(result.problems)
    assert (problem.kind, problem.detail) == (MISSING_SHARD, f"it names '{name}' as a shard, which is no weight file by its name")


@pytest.mark.parametrize("weight_map", [None, [], {}, "model.safetensors", 3, {"a": 1}, {"a": None, "b": ["x"]}, [["a", "b"]]])
def test_an_index_without_a_usable_weight_map_is_told(weight_map: Any) -> None:
    result = found({**WHOLE, "model.safetensors.index.json": index(weight_map)})
    assert [problem.detail for problem in result.problems if "index names no shard" in problem.detail]
    assert "model.safetensors.index.json" in result.used


def test_an_index_that_is_broken_json_makes_no_set_and_is_used_up() -> None:
    result = found({"model.safetensors.index.json": b"{", "model.safetensors": shard("a")})
    assert [s.index for s in result.sets] == [None]
    assert "model.safetensors.index.json" in result.used


def test_tensors_that_a_shard_lacks_are_told_once_a_shard() -> None:
    weight_map = {**MAP, "c": MAP["a"], "d": MAP["a"], "e": MAP["b"]}
    result = found({**WHOLE, "model.safetensors.index.json": index(weight_map)})
    assert [(p.kind, p.where.at) for p in result.problems] == [(MISSING_SHARD, "c"), (MISSING_SHARD, "e")]
    assert result.problems[0].detail == f"the index puts 2 tensors into {MAP['a']} that it does not hold, the first is c"
    assert result.problems[0].against is not None
    assert result.problems[0].against.path == f"unet/{MAP['a']}"


def test_a_shard_that_cannot_be_read_is_not_also_told_to_lack_tensors() -> None:
    result = found({**WHOLE, MAP["a"]: b"\r\n"})
    assert result.problems == []
    assert [file.trouble is None for file in result.sets[0].files] == [False, True]


def test_names_of_shards_cannot_write_to_a_terminal() -> None:
    for name in ("\x1b[2J.safetensors", "\ud800.safetensors", "../\x1b]0;x\x07"):
        result = found({"model.safetensors.index.json": index({"a": name})})
        only(result.problems)
