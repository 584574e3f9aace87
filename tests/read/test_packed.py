"""Quantised weights: told by the config first, else by the keys a packing leaves; plain weights are never taken for packed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.dtypes import BF16, F16, F32, DType
from dtypecheck.files import place
from dtypecheck.findings import Where
from dtypecheck.knowledge import Knowledge
from dtypecheck.read.layout import Reader
from dtypecheck.read.packed import quantised
from dtypecheck.subjects import Claim, Config, Quantised, Tensors, WeightFile, WeightSet


def weights(*keys: str) -> list[WeightSet]:
    tensors = Tensors(keys, [F16] * len(keys), [(2,)] * len(keys))
    return [
        WeightSet("safetensors", "model", None, (WeightFile("model.safetensors", "safetensors", 100, tensors.stock(), tensors),))
    ]


def config(data: dict[str, Any]) -> Config:
    return Config("config.json", data, json.dumps(data, indent=1))


def method(*keys: str) -> str | None:
    found = quantised(None, weights(*keys))
    return found.method if found else None


# what must be left alone


@pytest.mark.parametrize(
    "keys",
    [
        (),
        ("down.weight", "down.bias"),
        ("scale", "scales", "absmax", "g_idx_table", "SCB", "weight_scale_map", "xscaled_fp8"),
        ("proj_down.weight", "g_idx.weight", "qzeros.bias", "SCB.weight", "weight_scale.weight", "smooth_factor.bias"),
        ("encoder.layer_scale1.lambda1", "norm.scale", "norm1.scale", "attn.logit_scale", "input_scales", "x.input_scaler"),
        ("a.lora_down.weight", "a.lora_up.weight", "a.alpha", "a.dora_scale"),
        (
            "blocks.0.quant_map_size",
            "quant_state.bitsandbytes__nf4.x",
            "first_stage_model.quant_conv.weight",
            "post_quant_conv.bias",
        ),
        ("logit_scale", "text_model.weight_data", "betas", "alphas_cumprod"),
        ("a.g_idx.b", "scb", "a.scb", "b.SCBX"),
    ],
)
def test_plain_weights_are_not_packed(keys: tuple[str, ...]) -> None:
    assert method(*keys) is None


@pytest.mark.parametrize(
    "data",
    [{}, {"quantization_config": None}, {"quantization_config": "gptq"}, {"quantization_config": []}, {"quantization": {}}],
)
def test_a_config_that_says_nothing_of_packing_leaves_it_to_the_keys(data: dict[str, Any]) -> None:
    assert quantised(config(data), weights("a.weight")) is None
    found = quantised(config(data), weights("a.qzeros"))
    assert found is not None
    assert found.method == "awq"


# by keys alone


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("bitsandbytes_4bit", ("q.weight", "q.weight.absmax", "q.weight.quant_map", "q.weight.quant_state.bitsandbytes__nf4")),
        ("bitsandbytes_4bit", ("q.weight", "q.weight.absmax", "q.weight.nested_absmax", "q.weight.nested_quant_map")),
        ("bitsandbytes_4bit", ("q.weight", "q.weight.quant_state.bitsandbytes__fp4")),
        ("bitsandbytes_8bit", ("q.weight", "q.SCB")),
        ("bitsandbytes_8bit", ("q.weight", "q.weight_format")),
        ("gptq", ("q.qweight", "q.qzeros", "q.scales", "q.g_idx")),
        ("gptq", ("q.g_idx", "q.qweight", "q.qzeros", "q.scales")),
        ("awq", ("q.qweight", "q.qzeros", "q.scales")),
        ("nunchaku", ("q.qweight", "q.wscales", "q.smooth_factor", "q.proj_down", "q.proj_up")),
        ("fp8", ("q.weight", "q.weight_scale")),
        ("fp8", ("q.weight", "q.weight_scale_inv")),
        ("fp8", ("q.weight", "q.weight_scale_2", "q.input_scale")),
        ("fp8", ("scaled_fp8", "q.weight", "q.scale_weight")),
        ("fp8", ("q.weight", "q.scale_input")),
        ("quanto", ("q.weight._data", "q.weight._scale")),
    ],
)
def test_every_packing_is_known_by_its_keys_in_any_order(name: str, keys: tuple[str, ...]) -> None:
    assert method("a.weight", *keys, "z.bias") == name
    assert method(*reversed(keys)) == name


def test_the_place_is_the_first_key_that_shows_it() -> None:
    assert quantised(None, weights("a.weight", "a.qzeros", "a.g_idx", "b.g_idx")) == Quantised(
        "gptq", Where("model.safetensors", "a.g_idx")
    )


def test_files_whose_columns_were_not_kept_say_nothing() -> None:
    assert quantised(None, [WeightSet("safetensors", "model", None, (WeightFile("m", "safetensors", 1),))]) is None


# by config


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
        ({"quant_method": "AWQ"}, "awq"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes_4bit"),
        ({"quant_method": "bitsandbytes", "_load_in_4bit": True, "load_in_8bit": False}, "bitsandbytes_4bit"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True, "load_in_4bit": False}, "bitsandbytes_8bit"),
        ({"quant_method": "bitsandbytes"}, "bitsandbytes"),
        ({"load_in_4bit": True}, "bitsandbytes_4bit"),
        ({"load_in_8bit": True}, "bitsandbytes_8bit"),
        ({"quant_method": "fbgemm_fp8"}, "fbgemm_fp8"),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors"),
        ({"quant_method": "torchao", "quant_type": "int8wo"}, "torchao"),
        ({"quant_method": "quanto", "weights_dtype": "int8"}, "quanto"),
        ({"quant_type": "float8wo_e4m3"}, "float8wo_e4m3"),
        ({"quant_algo": "FP8"}, "fp8"),
        ({}, "unknown"),
        ({"quant_method": None}, "unknown"),
        ({"quant_method": ["gptq"]}, "['gptq']"),
        ({"quant_method": 8}, "8"),
    ],
)
def test_every_method_is_told_by_the_config(section: dict[str, Any], name: str) -> None:
    found = quantised(config({"a": 1, "quantization_config": section}), weights("a.weight"))
    assert found is not None
    assert (found.method, found.where) == (name, Where("config.json", "/quantization_config", 3))


def test_the_config_wins_over_the_keys() -> None:
    found = quantised(config({"quantization_config": {"quant_method": "fbgemm_fp8"}}), weights("a.qzeros", "a.g_idx"))
    assert found is not None
    assert found.method == "fbgemm_fp8"


def test_the_older_section_of_compressed_tensors_is_read() -> None:
    found = quantised(config({"compression_config": {"quant_method": "compressed-tensors"}}), [])
    assert found == Quantised("compressed-tensors", Where("config.json"))


@pytest.mark.parametrize(
    ("key", "word", "dtype"),
    [
        ("bnb_4bit_compute_dtype", "bfloat16", BF16),
        ("bnb_4bit_compute_dtype", "torch.float16", F16),
        ("compute_dtype", "float32", F32),
        ("torch_dtype", "bfloat16", BF16),
        ("bnb_4bit_compute_dtype", "wide", None),
        ("bnb_4bit_compute_dtype", None, None),
        ("compute_dtype", 16, None),
        ("compute_dtype", ["float16"], None),
    ],
)
def test_the_dtype_it_computes_in_is_what_the_config_says(key: str, word: Any, dtype: DType | None) -> None:
    found = quantised(config({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True, key: word}}), [])
    assert found is not None
    wanted = Claim(dtype, Where("config.json", f"/quantization_config/{key}", 5), "declares") if dtype else None
    assert found.compute == wanted


@pytest.mark.parametrize(
    ("case", "by_config", "by_keys"),
    [
        ("gptq-llama", "gptq", "gptq"),
        ("bnb-nf4", "bitsandbytes_4bit", "bitsandbytes_4bit"),
        ("fp8-scaled", "fbgemm_fp8", "fp8"),
        ("llama-small", None, None),
        ("bert-f32", None, None),
    ],
)
def test_the_whole_models_are_told_with_their_config_and_without(
    cases: Path, known: Knowledge, case: str, by_config: str | None, by_keys: str | None
) -> None:
    (reading, *_) = Reader(place(cases / case), known).readings()
    assert reading.pipeline is not None
    (component,) = reading.pipeline.components
    assert (component.quantised.method if component.quantised else None) == by_config
    bare = quantised(None, component.sets)
    assert (bare.method if bare else None) == by_keys
