"""A component in another dtype: in place, in shards, as part of a pipeline."""

# ruff: noqa: E501 - a file of the notation is one line

from __future__ import annotations

from dataclasses import replace

import pytest

from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.edits import Remove, SetKey, Store, Take
from dtypecheck.engine import planned
from dtypecheck.fixing.convert import Wish, conversions
from dtypecheck.fixing.overlay import after
from dtypecheck.knowledge import Knowledge
from dtypecheck.loading import plan
from dtypecheck.read.layout import Reader
from dtypecheck.request import make
from dtypecheck.testing.files import lay_out

from .convert_cases import NEW, SHARDED, T5, VAE, converted, index_of, kinds, names, of_kind, one, read, stored, why

# in place


def test_in_place_every_float_is_cast_and_the_declared_dtype_follows(known: Knowledge) -> None:
    step = one(T5, Wish(BF16), known)
    files = after(lay_out(T5).files, step.edits)
    assert stored(files, "model.safetensors") == {
        "encoder.block.0.layer.1.DenseReluDense.wo.weight": "BF16",
        "encoder.final_layer_norm.weight": "BF16",
        "shared.weight": "BF16",
        "steps": "I64",
    }
    assert index_of(files, "config.json")["dtype"] == "bfloat16"
    assert step.change == "fp32 -> bf16, 3 tensors"
    assert (step.place, step.strategy, step.lossless, step.codes) == (".", "bf16", False, ())
    assert step.costs == ("config.json then declares bfloat16",)


def test_what_the_library_keeps_in_fp32_stays_fp32_and_is_told(known: Knowledge) -> None:
    step = one(T5, Wish(F16), known)
    files = after(lay_out(T5).files, step.edits)
    assert stored(files, "model.safetensors")["encoder.block.0.layer.1.DenseReluDense.wo.weight"] == "F32"
    assert stored(files, "model.safetensors")["shared.weight"] == "F16"
    assert step.change == "fp32 -> fp16, 2 tensors"
    assert "1 tensor in fp32: the library keeps wo in fp32" in "; ".join(step.costs)


def test_without_the_keep_list_all_is_cast(known: Knowledge) -> None:
    step = one(T5, Wish(F16, keep=False), known)
    assert set(stored(after(lay_out(T5).files, step.edits), "model.safetensors").values()) == {"F16", "I64"}


def test_bytes_before_and_after_are_those_of_the_changed_files(known: Knowledge) -> None:
    step = one(VAE, Wish(F16), known)
    files = lay_out(VAE).files
    sizes = {entry.name: entry.size for entry in after(files, step.edits).entries()}
    assert step.before == files.sizes["diffusion_pytorch_model.safetensors"]
    assert step.after == sizes["diffusion_pytorch_model.safetensors"] < step.before


def test_widening_is_lossless_and_narrowing_is_not(known: Knowledge) -> None:
    assert one(VAE.replace("F32", "F16"), Wish(F32), known).lossless
    assert not one(VAE.replace("F32", "F16"), Wish(BF16), known).lossless
    assert not one(VAE, Wish(F16), known).lossless


def test_what_is_in_the_wished_dtype_already_is_left_alone(known: Knowledge) -> None:
    no = why(VAE, Wish(F32), known)
    assert no.why.endswith("is already fp32")
    assert no.codes == ()


def test_weights_that_are_it_already_under_a_config_that_says_otherwise_get_only_the_config(known: Knowledge) -> None:
    step = one(T5.replace("F32", "BF16"), Wish(BF16), known)
    assert step.edits == (SetKey("config.json", "/dtype", '"bfloat16"'),)
    assert step.lossless


def test_both_spellings_of_the_declared_dtype_follow(known: Knowledge) -> None:
    text = T5.replace('"dtype": "float32"', '"dtype": "float32", "torch_dtype": "float16"')
    assert [edit.pointer for edit in of_kind(one(text, Wish(BF16), known), SetKey)] == ["/dtype", "/torch_dtype"]


def test_a_config_that_declares_nothing_gets_a_dtype_only_where_the_first_tensor_would_decide_wrongly(known: Knowledge) -> None:
    silent = T5.replace(', "dtype": "float32"', "")
    assert of_kind(one(silent, Wish(F16), known), SetKey) == [SetKey("config.json", "/dtype", '"float16"')]
    other = silent.replace("encoder.final_layer_norm", "aaa.final_layer_norm")
    assert of_kind(one(other, Wish(F16), known), SetKey) == []


def test_packed_floats_and_integers_stay_as_they_are(known: Knowledge) -> None:
    text = VAE.replace("encoder.conv_in.weight F32 8x4", "encoder.conv_in.weight F8_E4M3 8x4; n I64 2; ok BOOL 2")
    step = one(text, Wish(BF16), known)
    found = stored(after(lay_out(text).files, step.edits), "diffusion_pytorch_model.safetensors")
    assert found == {"decoder.conv_in.weight": "BF16", "encoder.conv_in.weight": "F8_E4M3", "n": "I64", "ok": "BOOL"}
    assert "fp8_e4m3 stays as it is" in "; ".join(step.costs)
    assert "no tensor that would be cast" in why(VAE.replace("F32", "F8_E4M3"), Wish(BF16), known).why


@pytest.mark.parametrize("method", ["bitsandbytes", "gptq"])
def test_a_quantised_component_is_refused_with_the_reason(method: str, known: Knowledge) -> None:
    text = T5.replace('"dtype"', f'"quantization_config": {{"quant_method": "{method}"}}, "dtype"')
    assert f"quantised ({method})" in why(text, Wish(F16), known).why


# shards


def test_shards_stay_as_they_are_and_the_index_tells_their_new_size(known: Knowledge) -> None:
    step = one(SHARDED, Wish(F16), known)
    assert kinds(step) == ["Store", "Store", "SetKey", "SetKey"]
    files = after(lay_out(SHARDED).files, step.edits)
    index = index_of(files, "diffusion_pytorch_model.safetensors.index.json")
    assert index["metadata"] == {"total_size": 96, "dtype": "float16", "by": "me"}
    assert index["weight_map"] == index_of(lay_out(SHARDED).files, "diffusion_pytorch_model.safetensors.index.json")["weight_map"]
    assert names(files) == names(lay_out(SHARDED).files)


def test_a_smaller_shard_size_packs_anew_and_takes_the_old_shards_away(known: Knowledge) -> None:
    step = one(SHARDED, Wish(F16, shard=40), known)
    files = after(lay_out(SHARDED).files, step.edits)
    index = index_of(files, "diffusion_pytorch_model.safetensors.index.json")
    assert index["weight_map"] == {
        f"{letter}.weight": f"diffusion_pytorch_model-0000{number}-of-00003.safetensors" for number, letter in enumerate("abc", 1)
    }
    assert [name for name in names(files) if "-of-" in name] == sorted(index["weight_map"].values())
    for key, name in index["weight_map"].items():
        assert stored(files, name) == {key: "F16"}
    assert [edit.path for edit in of_kind(step, Remove)] == [
        f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)
    ]


def test_a_larger_shard_size_makes_one_file_without_an_index(known: Knowledge) -> None:
    files = after(lay_out(SHARDED).files, one(SHARDED, Wish(F16, shard=10**9), known).edits)
    assert names(files) == ["config.json", "diffusion_pytorch_model.safetensors"]
    assert stored(files, "diffusion_pytorch_model.safetensors") == dict.fromkeys(("a.weight", "b.weight", "c.weight"), "F16")


def test_only_packing_anew_is_a_lossless_step(known: Knowledge) -> None:
    step = one(SHARDED, Wish(F32, shard=64), known)
    assert step.lossless
    assert step.change == "2 files -> 3 files"
    assert why(SHARDED, Wish(F32), known).why.endswith("already fp32")


def test_as_many_shards_of_another_cut_are_written_in_an_order_in_which_none_reads_what_is_gone(known: Knowledge) -> None:
    """From 2 + 1 tensors to 1 + 2: the second new shard reads the first old one, so it is written first."""
    text = SHARDED.replace("a.weight F32 4x4", "a.weight F32 4x8")
    step = one(text, Wish(F32, shard=128), known)
    files = after(lay_out(text).files, step.edits)
    assert [edit.path[-22] for edit in of_kind(step, Store)] == ["2", "1"]
    assert stored(files, "diffusion_pytorch_model-00001-of-00002.safetensors") == {"a.weight": "F32"}
    assert stored(files, "diffusion_pytorch_model-00002-of-00002.safetensors") == {"b.weight": "F32", "c.weight": "F32"}


def test_shards_that_would_each_read_what_the_other_writes_get_one_more(known: Knowledge) -> None:
    """From (a, big) and (c) to (a, c) and (big): each of two new files would be written over a source of the other."""
    text = """
config.json: {"_class_name": "UNet2DConditionModel"}
diffusion_pytorch_model.safetensors.index.json: {"metadata": {}, "weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors", "big": "diffusion_pytorch_model-00001-of-00002.safetensors", "c": "diffusion_pytorch_model-00002-of-00002.safetensors"}}
diffusion_pytorch_model-00001-of-00002.safetensors: a F32 4x4; big F32 64x4
diffusion_pytorch_model-00002-of-00002.safetensors: c F32 4x4
"""
    step = one(text, Wish(F32, shard=128), known)
    files = after(lay_out(text).files, step.edits)
    shards = [f"diffusion_pytorch_model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    assert [stored(files, name) for name in shards] == [{"a": "F32"}, {"c": "F32"}, {"big": "F32"}]
    assert index_of(files, "diffusion_pytorch_model.safetensors.index.json")["weight_map"] == {
        "a": shards[0],
        "big": shards[2],
        "c": shards[1],
    }


def test_an_index_without_metadata_or_with_a_wrong_map_is_written_anew(known: Knowledge) -> None:
    text = SHARDED.replace('"metadata": {"total_size": 192, "dtype": "float32", "by": "me"}, ', "")
    files = after(lay_out(text).files, one(text, Wish(F16), known).edits)
    assert index_of(files, "diffusion_pytorch_model.safetensors.index.json")["metadata"] == {"total_size": 96}


def test_missing_shards_are_refused_by_name(known: Knowledge) -> None:
    text = "\n".join(line for line in SHARDED.splitlines() if not line.startswith("diffusion_pytorch_model-00002"))
    assert "1 shards that are not there" in why(text, Wish(F16), known).why


# pipelines


PIPELINE = """
model_index.json: {"_class_name": "StableDiffusionPipeline", "text_encoder": ["transformers", "T5EncoderModel"], "vae": ["diffusers", "AutoencoderKL"]}
""" + "".join(f"{folder}/{line}\n" for folder, text in (("text_encoder", T5), ("vae", VAE)) for line in text.strip().splitlines())


def test_a_pipeline_has_a_step_for_each_component_or_for_the_wished_ones(known: Knowledge) -> None:
    steps, refused = converted(PIPELINE, Wish(BF16), known)
    assert [step.place for step in steps] == ["text_encoder", "vae"]
    assert refused == ()
    (vae,), _ = converted(PIPELINE, Wish(BF16, components=("vae",)), known)
    assert [edit.path for edit in vae.edits] == ["vae/diffusion_pytorch_model.safetensors"]
    assert "no component 'unet'; there is text_encoder, vae" in why(PIPELINE, Wish(BF16, components=("unet",)), known).why


def test_the_plan_after_the_conversion_loads_what_was_wished(known: Knowledge) -> None:
    for dtype in (F16, BF16):
        steps, _ = converted(PIPELINE, Wish(dtype), known)
        files = after(lay_out(PIPELINE).files, [edit for step in steps for edit in step.edits])
        (again,) = planned(files, make(None, None, None, NEW, known), known)
        text_encoder = again.named("text_encoder")
        assert text_encoder is not None
        assert text_encoder.loads().dtype is dtype
        assert [problem for reading in Reader(files, known).readings() for problem in reading.problems] == []


def test_an_unplanned_pipeline_is_converted_as_well(known: Knowledge) -> None:
    pipeline, files = read(VAE, known)
    bare = replace(pipeline, components=tuple(replace(c, load=None) for c in pipeline.components))
    assert conversions(bare, files, Wish(F16), known)[0] == conversions(pipeline, files, Wish(F16), known)[0]
    assert plan(pipeline, pipeline.request, known).components[0].loads().chosen


def test_edits_never_leave_the_folder_whatever_an_index_names(known: Knowledge) -> None:
    text = SHARDED.replace('"c.weight": "diffusion_pytorch_model-00002', '"c.weight": "../evil-00002')
    steps, _ = converted(text, Wish(F16, variant="fp16"), known)
    paths = [edit.path for step in steps for edit in step.edits]
    assert not [path for path in paths if ".." in path or path.startswith("/")]


def test_a_take_of_the_kept_parts_stands_in_front_of_the_rest(known: Knowledge) -> None:
    (store,) = of_kind(one(T5, Wish(F16), known), Store)
    assert store.takes == (Take("model.safetensors", "wo", "F32"), Take("model.safetensors", "", "F16"))
