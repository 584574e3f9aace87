"""A conversion to a variant's files beside the plain ones."""

from __future__ import annotations

import pytest

from dtypecheck.dtypes import BF16, F16
from dtypecheck.edits import Store
from dtypecheck.engine import planned
from dtypecheck.fixing.convert import Wish
from dtypecheck.fixing.overlay import after
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import make
from dtypecheck.testing.files import lay_out

from .convert_cases import NEW, SHARDED, T5, VAE, index_of, kinds, names, of_kind, one, stored, why


def test_a_variant_is_written_beside_and_nothing_is_lost(known: Knowledge) -> None:
    step = one(VAE, Wish(F16, variant="fp16"), known)
    files = after(lay_out(VAE).files, step.edits)
    assert names(files) == ["config.json", "diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"]
    assert set(stored(files, "diffusion_pytorch_model.fp16.safetensors").values()) == {"F16"}
    assert set(stored(files, "diffusion_pytorch_model.safetensors").values()) == {"F32"}
    assert step.lossless
    assert step.before == 0
    assert step.change == "fp32 -> fp16, 2 tensors, as the variant fp16"


def test_a_sharded_variant_has_the_names_that_loaders_look_for(known: Knowledge) -> None:
    step = one(SHARDED, Wish(F16, variant="fp16"), known)
    files = after(lay_out(SHARDED).files, step.edits)
    new = set(names(files)) - set(names(lay_out(SHARDED).files))
    index = "diffusion_pytorch_model.safetensors.index.fp16.json"
    shards = {f"diffusion_pytorch_model.fp16-0000{number}-of-00002.safetensors" for number in (1, 2)}
    assert new == shards | {index}
    assert set(index_of(files, index)["weight_map"].values()) == shards
    assert index_of(files, index)["metadata"] == {"total_size": 96, "dtype": "float16", "by": "me"}
    (again,) = planned(files, make("float16", "fp16", None, NEW, known), known)
    assert again.components[0].loads().failure is None
    assert again.components[0].loads().variant == "fp16"


def test_the_config_stays_and_what_transformers_then_loads_is_told(known: Knowledge) -> None:
    step = one(T5, Wish(BF16, variant="bf16"), known)
    assert kinds(step) == ["Store"]
    assert "declares float32: without torch_dtype transformers 5 loads the variant in fp32" in "; ".join(step.costs)


def test_a_variant_of_this_name_is_replaced_shards_index_and_all(known: Knowledge) -> None:
    old = SHARDED.replace("-0000", ".fp16-0000").replace("index.json", "index.fp16.json").replace("F32", "F16")
    text = SHARDED + old.replace('config.json: {"_class_name": "UNet2DConditionModel"}\n', "")
    step = one(text, Wish(F16, variant="fp16", shard=10**9), known)
    files = after(lay_out(text).files, step.edits)
    assert [name for name in names(files) if "fp16" in name] == ["diffusion_pytorch_model.fp16.safetensors"]
    assert [name for name in names(files) if "fp16" not in name] == names(lay_out(SHARDED).files)
    assert "replaces 3 files that are there" in "; ".join(step.costs)
    assert not step.lossless


def test_the_legacy_spelling_of_a_variant_goes_too(known: Knowledge) -> None:
    old = SHARDED.replace("safetensors.index.json", "safetensors.fp16.index.json").replace("F32", "F16")
    old = old.replace("-of-00002.safetensors", "-of-00002.fp16.safetensors")
    text = SHARDED + old.replace('config.json: {"_class_name": "UNet2DConditionModel"}\n', "")
    step = one(text, Wish(F16, variant="fp16"), known)
    left = names(after(lay_out(text).files, step.edits))
    assert "diffusion_pytorch_model.safetensors.fp16.index.json" not in left
    assert "diffusion_pytorch_model-00001-of-00002.fp16.safetensors" not in left
    assert "diffusion_pytorch_model.safetensors.index.fp16.json" in left


def test_shards_under_a_legacy_index_are_cast_in_place_under_their_names(known: Knowledge) -> None:
    text = SHARDED.replace("safetensors.index.json", "safetensors.fp16.index.json").replace("F32", "BF16")
    text = text.replace("-of-00002.safetensors", "-of-00002.fp16.safetensors")
    step = one(text, Wish(F16), known, variant="fp16")
    files = after(lay_out(text).files, step.edits)
    assert names(files) == names(lay_out(text).files)
    assert index_of(files, "diffusion_pytorch_model.safetensors.fp16.index.json")["metadata"]["dtype"] == "float16"
    assert stored(files, "diffusion_pytorch_model-00002-of-00002.fp16.safetensors") == {"c.weight": "F16"}


@pytest.mark.parametrize("variant", ["fp16", "fp32", "../x", "a.b", "a/b", "", "index", "safetensors", "fp16-00001-of-00002"])
def test_a_variant_that_names_another_dtype_or_is_no_name_is_refused_with_an_offer(variant: str, known: Knowledge) -> None:
    assert why(VAE, Wish(BF16, variant=variant), known).offers == ("--as-variant bf16",)


def test_a_name_that_is_no_dtype_is_a_variant_like_any_other(known: Knowledge) -> None:
    step = one(VAE, Wish(BF16, variant="small"), known)
    assert [edit.path for edit in of_kind(step, Store)] == ["diffusion_pytorch_model.small.safetensors"]


def test_a_variant_in_the_dtype_that_the_plain_files_have_is_refused_as_a_copy(known: Knowledge) -> None:
    assert "would be a copy" in why(VAE.replace("F32", "F16"), Wish(F16, variant="fp16"), known).why


def test_a_variant_stored_in_another_dtype_than_it_is_named_after_is_cast_in_place(known: Knowledge) -> None:
    text = VAE.replace("model.safetensors", "model.fp16.safetensors")
    step = one(text, Wish(F16), known, variant="fp16")
    assert [edit.path for edit in of_kind(step, Store)] == ["diffusion_pytorch_model.fp16.safetensors"]
    no = why(text, Wish(BF16), known, variant="fp16")
    assert no.offers == ("--as-variant bf16",)
    assert "would then hold bf16" in no.why


def test_a_variant_is_made_of_another_one_where_there_are_no_plain_files(known: Knowledge) -> None:
    text = VAE.replace("model.safetensors", "model.fp32.safetensors")
    step = one(text, Wish(BF16, variant="bf16"), known)
    assert of_kind(step, Store)[0].sources == ("diffusion_pytorch_model.fp32.safetensors",)
