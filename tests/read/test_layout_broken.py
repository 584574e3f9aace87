"""What is missing, foreign or broken in a folder of models is told once, at its place, and hides nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dtypecheck.dtypes import F16
from dtypecheck.files import Directory, Files, Memory
from dtypecheck.read.header import BROKEN_JSON, LFS_POINTER, MISSING_SHARD, OTHER_FORMAT, PATH_ESCAPE, UNREADABLE, WEIGHTS_MISSING
from dtypecheck.read.layout import FOREIGN
from dtypecheck.testing import lay_out

from .laid_out import PIPELINE, W, component, example, one, pipelines, problems, readings, shard


def kinds(files: Files) -> list[str]:
    return sorted(problem.kind for problem in problems(files))


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


def test_what_is_wrong_in_one_folder_is_told_of_no_other_model() -> None:
    text = """
    a/x.safetensors: some.weight F16 8
    a/generation_config.json: text "{"
    b/config.json: {"architectures": ["CLIPTextModel"]}
    b/model.safetensors: final_layer_norm.weight F16 8
    b/generation_config.json: text "{"
    """
    told = {
        reading.pipeline.path if reading.pipeline else "": [problem.where.path for problem in reading.problems]
        for reading in readings(lay_out(text).files)
    }
    assert told == {"a/x.safetensors": [], "b": ["b/generation_config.json"], "": ["a/generation_config.json"]}


def test_files_and_folders_without_a_dot_are_noted_with_the_component() -> None:
    files = example(PIPELINE + '\n    vae/LICENSE: text "x"\n    vae/deep/er/x.txt: text "x"\n    vae/dotted.d/x.txt: text "x"')
    assert [c.undotted for c in one(files).components] == [("LICENSE", "deep"), ()]
