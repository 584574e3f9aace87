"""Which folder is a pipeline, which a lone model, which file an adapter; and no tree of files, however odd, raises."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtypecheck.api import scan
from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.files import Directory, Files, Memory, place
from dtypecheck.knowledge import Knowledge
from dtypecheck.read.header import (
    BROKEN_JSON,
    LFS_POINTER,
    MISSING_SHARD,
    OTHER_FORMAT,
    PATH_ESCAPE,
    TRUNCATED,
    UNREADABLE,
    WEIGHTS_MISSING,
)
from dtypecheck.read.layout import FOREIGN, READERS, Reader, Reading
from dtypecheck.read.shards import _WEIGHTS
from dtypecheck.subjects import Component, Pipeline, Problem
from dtypecheck.testing import lay_out, safetensors

KNOWN = Knowledge()


def shard(*keys: str, dtype: str = "F16") -> bytes:
    content, size = safetensors([(key, dtype, (2,)) for key in keys])
    return content + bytes(size - len(content))


def readings(files: Files) -> list[Reading]:
    return list(Reader(files, KNOWN).readings())


def pipelines(files: Files) -> list[Pipeline]:
    return [reading.pipeline for reading in readings(files) if reading.pipeline]


def problems(files: Files) -> list[Problem]:
    return [problem for reading in readings(files) for problem in reading.problems]


def one(files: Files) -> Pipeline:
    (pipeline,) = pipelines(files)
    return pipeline


def kinds(files: Files) -> list[str]:
    return sorted(problem.kind for problem in problems(files))


def example(text: str) -> Memory:
    return lay_out(text).files


def component(files: Files) -> Component:
    (found,) = one(files).components
    return found


W = "a.weight F16 4x4"
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
}
PIPELINE = f"""
    model_index.json: {json.dumps(INDEX)}
    vae/config.json: {{"_class_name": "AutoencoderKL"}}
    vae/diffusion_pytorch_model.safetensors: {W}
    vae/diffusion_pytorch_model.fp16.safetensors: {W}
    text_encoder/config.json: {{"architectures": ["CLIPTextModel"], "torch_dtype": "float16"}}
    text_encoder/model.safetensors: {W}
    scheduler/scheduler_config.json: {{"_class_name": "DDIMScheduler"}}
    text_encoder/notes.txt: text "hello"
"""


# what must be left alone


def test_a_pipeline_is_its_components_that_hold_weights() -> None:
    files = example(PIPELINE)
    pipeline = one(files)
    assert problems(files) == []
    assert (pipeline.path, pipeline.klass, pipeline.kind) == (".", "StableDiffusionPipeline", "pipeline")
    assert [(c.name, c.path, c.klass, c.family, c.role) for c in pipeline.components] == [
        ("vae", "vae", "AutoencoderKL", "diffusers", "vae"),
        ("text_encoder", "text_encoder", "CLIPTextModel", "transformers", "text_encoder"),
    ]
    assert [sorted(s.variant or "" for s in c.sets) for c in pipeline.components] == [["", "fp16"], [""]]
    declared = [c.declared for c in pipeline.components]
    assert declared[0] is None
    assert declared[1] is not None
    assert (declared[1].dtype, declared[1].where.at, declared[1].by) == (F16, "/torch_dtype", "declares")


@pytest.mark.parametrize(
    "value",
    [
        None,
        [None, None],
        ["diffusers", None],
        [],
        ["a"],
        ["a", "b", "c"],
        3,
        1.5,
        True,
        "text",
        {"a": ["b", "c"]},
        [1, 2],
        [["a"], ["b"]],
    ],
)
def test_values_of_a_model_index_that_are_no_component_are_let_be(value: Any) -> None:
    files = Memory(
        {"model_index.json": json.dumps({"_class_name": "X", "thing": value, "_private": ["diffusers", "Y"]}).encode()}
    )
    assert one(files).components == ()
    assert problems(files) == []


@pytest.mark.parametrize("first", [3, None, ["diffusers"], {"a": 1}, 1.5, "my_library", True])
def test_a_component_of_an_unknown_library_is_of_the_family_its_config_shows(first: Any) -> None:
    contents = {
        "model_index.json": json.dumps(
            {"_class_name": "X", "unet": [first, "MyNet"], "text_encoder": [first, "MyText"]}
        ).encode(),
        "unet/config.json": b'{"_class_name": "MyNet"}',
        "unet/diffusion_pytorch_model.safetensors": shard("a"),
        "text_encoder/config.json": b"{}",
        "text_encoder/model.safetensors": shard("a"),
    }
    assert [c.family for c in one(Memory(contents)).components] == ["diffusers", "transformers"]


@pytest.mark.parametrize(
    ("named", "klass"),
    [
        ("X", "X"),
        (["pipeline", "MyPipeline"], "MyPipeline"),
        ([], None),
        (None, None),
        (3, None),
        ({"a": 1}, None),
        ([["X"]], None),
        ([None], None),
    ],
)
def test_the_class_of_a_pipeline_may_be_a_list_with_its_module(named: Any, klass: str | None) -> None:
    assert one(Memory({"model_index.json": json.dumps({"_class_name": named}).encode()})).klass == klass


def test_a_pipeline_beside_another_and_one_below_are_each_read_once() -> None:
    text = "\n".join(f"{folder}/{line.strip()}" for folder in ("a", "b/c", "a/inner") for line in PIPELINE.strip().splitlines())
    files = example(text)
    assert sorted((p.path, p.klass, len(p.components)) for p in pipelines(files)) == [
        (path, "StableDiffusionPipeline", 2) for path in ("a", "a/inner", "b/c")
    ]
    assert problems(files) == []


def test_a_pipeline_that_is_a_component_of_another_is_read_as_both() -> None:
    files = example(
        """
        model_index.json: {"_class_name": "Outer", "prior": ["diffusers", "PriorTransformer"]}
        prior/model_index.json: {"_class_name": "Inner", "unet": ["diffusers", "UNet2DModel"]}
        prior/config.json: {"_class_name": "PriorTransformer"}
        prior/diffusion_pytorch_model.safetensors: a F16 2
        prior/unet/config.json: {"_class_name": "UNet2DModel"}
        prior/unet/diffusion_pytorch_model.safetensors: a F32 2
        """
    )
    assert [(p.path, [c.path for c in p.components]) for p in pipelines(files)] == [(".", ["prior"]), ("prior", ["prior/unet"])]
    assert problems(files) == []


def test_a_component_folder_alone_is_a_component() -> None:
    for prefix in ("", "vae/"):
        files = example(
            f'{prefix}config.json: {{"_class_name": "AutoencoderKL"}}\n{prefix}diffusion_pytorch_model.safetensors: {W}'
        )
        pipeline = one(files)
        (part,) = pipeline.components
        assert (pipeline.kind, pipeline.path, pipeline.klass) == ("component", prefix.rstrip("/") or ".", None)
        assert (part.name, part.klass, part.family, part.role) == (prefix.rstrip("/"), "AutoencoderKL", "diffusers", "vae")
        assert problems(files) == []


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
def test_a_transformers_folder_is_a_model_with_what_its_config_declares(key: str) -> None:
    part = component(example(f'config.json: {{"architectures": ["BertModel"], "{key}": "bfloat16"}}\nmodel.safetensors: {W}'))
    assert (part.klass, part.family) == ("BertModel", "transformers")
    assert part.declared is not None
    assert (part.declared.dtype, part.declared.where.line) == (BF16, 5)


def test_the_newer_key_of_two_declared_dtypes_wins() -> None:
    part = component(
        example(f'config.json: {{"model_type": "x", "torch_dtype": "float16", "dtype": "float32"}}\nmodel.safetensors: {W}')
    )
    assert part.declared is not None
    assert part.declared.dtype is F32


@pytest.mark.parametrize("said", ["auto", 16, None, ["float16"], {"a": 1}, ""])
def test_a_declared_dtype_that_names_none_declares_nothing(said: Any) -> None:
    contents = {"config.json": json.dumps({"model_type": "x", "dtype": said}).encode(), "model.safetensors": shard("a")}
    assert component(Memory(contents)).declared is None


@pytest.mark.parametrize("listed", [3, "BertModel", [], [None], [3], {"a": 1}, [["X"]], None, True])
def test_a_config_with_odd_architectures_names_no_class(listed: Any) -> None:
    contents = {"config.json": json.dumps({"model_type": "x", "architectures": listed}).encode(), "model.safetensors": shard("a")}
    assert component(Memory(contents)).klass is None


def test_a_folder_of_several_models_is_each_of_them() -> None:
    files = example(
        f"""
        bert/config.json: {{"architectures": ["BertModel"]}}
        bert/model.safetensors: {W}
        vae/config.json: {{"_class_name": "AutoencoderKL"}}
        vae/diffusion_pytorch_model.safetensors: {W}
        loras/one.safetensors: x.lora_down.weight F16 4x4; x.lora_up.weight F16 4x4
        loras/two.safetensors: x.lora_down.weight F16 4x4; x.lora_up.weight F16 4x4
        empty/config.json: {{"architectures": ["BertModel"]}}
        README.md: text "hello"
        """
    )
    assert [(p.path, p.kind) for p in pipelines(files)] == [
        ("bert", "model"),
        ("loras/one.safetensors", "adapter"),
        ("loras/two.safetensors", "adapter"),
        ("vae", "component"),
    ]
    assert problems(files) == []


def test_a_peft_folder_is_an_adapter() -> None:
    files = example(
        """
        adapter_config.json: {"peft_type": "LORA", "base_model_name_or_path": "x"}
        adapter_model.safetensors: base_model.model.x.lora_A.weight F32 4x4; base_model.model.x.lora_B.weight F32 4x4
        """
    )
    pipeline = one(files)
    assert (pipeline.kind, pipeline.path, [c.role for c in pipeline.components]) == (
        "adapter",
        "adapter_model.safetensors",
        ["lora"],
    )
    assert problems(files) == []


def test_an_adapter_beside_a_model_is_both() -> None:
    files = example(
        f"""
        config.json: {{"architectures": ["BertModel"]}}
        model.safetensors: {W}
        adapter_model.safetensors: x.lora_A.weight F32 4x4
        """
    )
    assert [p.kind for p in pipelines(files)] == ["model", "adapter"]


def test_weights_beside_a_model_index_are_single_files_of_their_own() -> None:
    files = example(PIPELINE + "\n    sd.safetensors: model.diffusion_model.input_blocks.0.0.weight F16 4; betas F32 4")
    assert [(p.path, p.kind) for p in pipelines(files)] == [(".", "pipeline"), ("sd.safetensors", "single-file")]
    assert problems(files) == []


def test_a_directory_and_a_dict_give_the_same_readings(tmp_path: Path) -> None:
    files = example(
        "\n".join(f"{folder}/{line.strip()}" for folder in ("a", "a-b", "a.c") for line in PIPELINE.strip().splitlines())
    )
    for entry in files.entries():
        path = tmp_path / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.read(entry.name))
    assert [entry.name for entry in Directory(tmp_path).entries()] == [entry.name for entry in files.entries()]
    assert readings(Directory(tmp_path)) == readings(files)


def test_what_a_training_leaves_behind_is_no_model() -> None:
    names = [
        "optimizer.bin",
        "optimizer.pt",
        "scheduler.pt",
        "training_args.bin",
        "rng_state_0.pth",
        "random_states_0.pt",
        "scaler.pt",
    ]
    files = Memory(dict.fromkeys(names, b"no pickle"))
    assert pipelines(files) == []
    assert problems(files) == []


def test_a_hub_cache_gives_each_snapshot_and_reads_a_shared_blob_once(tmp_path: Path) -> None:
    blob = "0123456789abcdef" * 4
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / blob).write_bytes(shard("a"))
    (tmp_path / "blobs" / "cfg").write_text('{"_class_name": "AutoencoderKL"}')
    for revision in ("1", "2"):
        folder = tmp_path / "snapshots" / revision / "vae"
        folder.mkdir(parents=True)
        (folder / "diffusion_pytorch_model.safetensors").symlink_to(f"../../../blobs/{blob}")
        (folder / "config.json").symlink_to("../../../blobs/cfg")
    reads = Counted(tmp_path)
    found = pipelines(reads)
    assert [p.path for p in found] == ["snapshots/1/vae", "snapshots/2/vae"]
    assert [p.components[0].sets[0].files[0].sha256 for p in found] == [blob, blob]
    assert reads.counts["snapshots/1/vae/diffusion_pytorch_model.safetensors"] == 1
    assert reads.counts["snapshots/2/vae/diffusion_pytorch_model.safetensors"] == 0


def test_a_broken_blob_is_told_under_each_of_its_names(tmp_path: Path) -> None:
    blob = "fedcba9876543210" * 4
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / blob).write_bytes(shard("a")[:-1])
    for revision in ("1", "2"):
        folder = tmp_path / "snapshots" / revision
        folder.mkdir(parents=True)
        (folder / "model.safetensors").symlink_to(f"../../blobs/{blob}")
    assert [(p.kind, p.where.path) for p in problems(Directory(tmp_path))] == [
        (TRUNCATED, "snapshots/1/model.safetensors"),
        (TRUNCATED, "snapshots/2/model.safetensors"),
    ]


class Counted:
    """A directory that counts how often each file was read."""

    def __init__(self, root: Path) -> None:
        self.files = Directory(root)
        self.label = ""
        self.counts: Counter[str] = Counter()
        self.entries = self.files.entries

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        self.counts[name] += 1
        return self.files.read(name, start, length)


# what is missing, foreign or broken


def test_a_component_without_its_folder_is_told_at_its_line() -> None:
    files = example('model_index.json: {"_class_name": "X", "unet": ["diffusers", "UNet2DModel"]}')
    (problem,) = problems(files)
    assert (problem.kind, problem.where.at, problem.where.line) == (WEIGHTS_MISSING, "/unet", 3)
    assert problem.detail == "unet: model_index.json names it, there is no folder unet/"
    assert [c.name for c in one(files).components] == ["unet"]


def test_a_component_without_weights_is_told_and_a_broken_one_is_not_told_twice() -> None:
    index = 'model_index.json: {"_class_name": "X", "unet": ["diffusers", "UNet2DModel"]}\n'
    assert [p.detail for p in problems(example(index + "unet/config.json: {}"))] == ["unet: no weights in unet/"]
    assert kinds(example(index + "unet/diffusion_pytorch_model.safetensors: lfs 99")) == [LFS_POINTER]
    shards = (
        index + 'unet/diffusion_pytorch_model.safetensors.index.json: {"weight_map": {"a": "gone-00001-of-00001.safetensors"}}'
    )
    assert kinds(example(shards)) == [MISSING_SHARD]


def test_a_lone_config_of_a_model_without_weights_is_told_only_as_the_target() -> None:
    assert kinds(example('config.json: {"architectures": ["BertModel"]}')) == [WEIGHTS_MISSING]
    assert kinds(example('sub/config.json: {"architectures": ["BertModel"]}')) == []
    assert kinds(example('config.json: {"some": "settings"}')) == []


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "/etc", "a/b", "a\\b", "C:", "a\0b", "vae/../../x"])
def test_a_component_that_is_no_folder_of_the_pipeline_is_told_and_not_followed(name: str) -> None:
    index = json.dumps({"_class_name": "X", name: ["diffusers", "UNet2DModel"]}).encode()
    files = Memory({"m/model_index.json": index, "x/config.json": b"{}", "m/a/b/diffusion_pytorch_model.safetensors": shard("a")})
    assert [p.kind for p in problems(files) if p.where.path == "m/model_index.json"] == [PATH_ESCAPE]
    assert [c.path for p in pipelines(files) if p.kind == "pipeline" for c in p.components] == []


@pytest.mark.parametrize("suffix", FOREIGN)
def test_files_of_other_frameworks_are_said_not_to_be_looked_at(suffix: str) -> None:
    index = '{"_class_name": "OnnxPipeline", "unet": ["diffusers", "OnnxRuntimeModel"]}'
    files = Memory({"model_index.json": index.encode(), f"unet/model{suffix}": b"x"})
    (problem,) = problems(files)
    assert (problem.kind, problem.where.path) == (OTHER_FORMAT, f"unet/model{suffix}")
    assert FOREIGN[suffix] in problem.detail


def test_an_openvino_model_is_told_once_and_its_bin_not_read_as_a_pickle() -> None:
    files = Memory({"unet/openvino_model.xml": b"<net>", "unet/openvino_model.bin": b"numbers", "unet/config.json": b"{}"})
    assert [(p.kind, p.where.path) for p in problems(files)] == [(OTHER_FORMAT, "unet/openvino_model.bin")]
    assert pipelines(files) == []


def test_flax_weights_beside_torch_weights_do_not_hide_them() -> None:
    files = example(
        f'config.json: {{"architectures": ["BertModel"]}}\nmodel.safetensors: {W}\nflax_model.msgpack: lfs 1\ntf_model.h5: lfs 1'
    )
    assert kinds(files) == [OTHER_FORMAT, OTHER_FORMAT]
    assert component(files).sets[0].main is F16


def test_settings_that_loaders_read_are_checked_and_other_json_is_not() -> None:
    broken = [
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/special_tokens_map.json",
        "generation_config.json",
    ]
    others = ["package.json", "tokenizer/vocab.json", "notes/merges.json"]
    index = {"_class_name": "X", "scheduler": ["diffusers", "DDIMScheduler"], "tokenizer": ["transformers", "CLIPTokenizer"]}
    files = Memory({"model_index.json": json.dumps(index).encode(), **dict.fromkeys((*broken, *others), b"{")})
    assert sorted(p.where.path for p in problems(files)) == sorted(broken)


def test_a_broken_model_index_is_told_once_and_the_folder_is_still_a_pipeline() -> None:
    files = Memory(
        {
            "model_index.json": b"{",
            "vae/config.json": b'{"_class_name": "AutoencoderKL"}',
            "vae/diffusion_pytorch_model.safetensors": shard("a"),
        }
    )
    assert kinds(files) == [BROKEN_JSON]
    assert [(p.path, p.kind) for p in pipelines(files)] == [(".", "pipeline"), ("vae", "component")]


def test_an_adapters_index_whose_shards_are_all_gone_is_told() -> None:
    files = example('adapter_model.safetensors.index.json: {"weight_map": {"a": "adapter_model-00001-of-00001.safetensors"}}')
    assert kinds(files) == [MISSING_SHARD]
    assert [p.path for p in pipelines(files)] == ["adapter_model.safetensors.index.json"]


def test_an_unreadable_file_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}')
    (tmp_path / "model.safetensors").write_bytes(shard("a"))
    (tmp_path / "closed.safetensors").write_bytes(shard("a"))
    if os.getuid() == 0:
        pytest.skip("root reads every file")
    (tmp_path / "closed.safetensors").chmod(0)
    assert [(p.kind, p.where.path) for p in problems(Directory(tmp_path))] == [(UNREADABLE, "closed.safetensors")]


def test_a_broken_link_is_told_and_not_also_as_missing_weights(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text('{"_class_name": "X", "unet": ["diffusers", "UNet2DModel"]}')
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").symlink_to("../blobs/gone")
    (problem,) = problems(Directory(tmp_path))
    assert (problem.kind, problem.detail) == (UNREADABLE, "the link points to nothing")


def test_a_folder_that_is_a_broken_link_is_told_once_in_any_order(tmp_path: Path) -> None:
    for model in ("a", "b"):
        (tmp_path / model).mkdir()
        (tmp_path / model / "model_index.json").write_text('{"_class_name": "X", "unet": ["diffusers", "UNet2DModel"]}')
        (tmp_path / model / "unet").symlink_to("../gone")
    assert [(p.kind, p.where.path) for p in problems(Directory(tmp_path))] == [(UNREADABLE, "a/unet"), (UNREADABLE, "b/unet")]


# names without a dot, on which diffusers stumbles


def test_files_and_folders_without_a_dot_are_noted_with_the_component() -> None:
    files = example(PIPELINE + '\n    vae/LICENSE: text "x"\n    vae/deep/er/x.txt: text "x"\n    vae/dotted.d/x.txt: text "x"')
    assert [c.undotted for c in one(files).components] == [("LICENSE", "deep"), ()]


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
