"""Which folder is a pipeline, which a lone model, which file an adapter."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.files import Directory, Memory
from dtypecheck.read.header import TRUNCATED

from .laid_out import PIPELINE, W, component, example, one, pipelines, problems, readings, shard


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
