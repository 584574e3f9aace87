"""The records: what they add up to, and that a walk meets each of them once."""

from __future__ import annotations

import pytest

from dtypecheck.dtypes import BF16, F16, F32, I64, U8, DType
from dtypecheck.findings import Where
from dtypecheck.subjects import (
    Component,
    Config,
    Load,
    Pipeline,
    Request,
    Stock,
    Tensor,
    Tensors,
    WeightFile,
    WeightSet,
    add_stocks,
    pointer,
    walk,
)


def file(path: str, *tensors: tuple[str, DType, tuple[int, ...]]) -> WeightFile:
    columns = Tensors(*map(list, zip(*tensors, strict=True))) if tensors else Tensors()
    return WeightFile(path, "safetensors", 100, columns.stock(), columns, {"format": "pt"}, "a" * 64)


def weights(*files: WeightFile, index: str | None = None) -> WeightSet:
    return WeightSet("safetensors", "model", None, files, index)


ONE = file("unet/a.safetensors", ("x", F16, (2, 3)), ("y", F32, ()), ("z", I64, (4,)))
TWO = file("unet/b.safetensors", ("v", F16, (10,)), ("w", F32, (0, 5)))


def test_columns_iterate_and_take_as_tensors() -> None:
    assert ONE.tensors is not None
    assert list(ONE.tensors) == [Tensor("x", F16, (2, 3)), Tensor("y", F32, ()), Tensor("z", I64, (4,))]
    assert [t.elements for t in ONE.tensors] == [6, 1, 4]
    assert list(ONE.tensors.take([2, 0])) == [Tensor("z", I64, (4,)), Tensor("x", F16, (2, 3))]
    assert (len(ONE.tensors), len(ONE.tensors.take([]))) == (3, 0)


def test_a_stock_counts_tensors_parameters_and_bytes_the_most_bytes_first() -> None:
    assert list(ONE.stock.items()) == [(I64, Stock(1, 4, 32)), (F16, Stock(1, 6, 12)), (F32, Stock(1, 1, 4))]
    assert Tensors().stock() == {}
    assert add_stocks([ONE.stock, TWO.stock]) == {I64: Stock(1, 4, 32), F16: Stock(2, 16, 32), F32: Stock(2, 1, 4)}
    assert list(add_stocks([ONE.stock, TWO.stock])) == [F16, I64, F32]


@pytest.mark.parametrize(
    ("tensors", "main"),
    [
        ([], None),
        ([("a", U8, (9,))], None),
        ([("a", F16, (4,)), ("b", F32, (3,))], F16),
        ([("a", F16, (3,)), ("b", F32, (4,))], F32),
        ([("a", F16, (3,)), ("b", F32, (3,))], F32),
        ([("a", I64, (99,)), ("b", BF16, (1,))], BF16),
    ],
)
def test_the_main_dtype_is_that_of_most_floating_parameters(
    tensors: list[tuple[str, DType, tuple[int, ...]]], main: DType | None
) -> None:
    assert weights(file("m", *tensors)).main is main


def test_a_weight_set_adds_its_files_and_stands_at_its_index() -> None:
    both = weights(ONE, TWO, index="unet/model.safetensors.index.json")
    assert both.nbytes == 32 + 32 + 4
    assert both.where == Where("unet/model.safetensors.index.json")
    assert [(f.path, t.key) for f, t in both.tensors()] == [("unet/a.safetensors", k) for k in "xyz"] + [
        ("unet/b.safetensors", k) for k in "vw"
    ]
    assert (weights(ONE).where, weights().where, weights().main) == (Where("unet/a.safetensors"), Where(""), None)


def test_a_light_file_keeps_its_stock_and_says_nothing_of_tensors() -> None:
    light = ONE.light()
    assert (light.stock, light.tensors, dict(light.metadata), light.sha256) == (ONE.stock, None, {}, ONE.sha256)
    assert list(weights(light).tensors()) == []


def test_a_components_place_is_its_config_else_its_weights_else_its_folder() -> None:
    bare = Component("unet", "unet", None, "diffusers", "denoiser")
    assert bare.where == Where("unet")
    assert Component("unet", "unet", None, "diffusers", "denoiser", sets=(weights(ONE),)).where == Where("unet/a.safetensors")
    assert Component(
        "unet", "unet", None, "diffusers", "denoiser", Config("unet/config.json", {}), (weights(ONE),)
    ).where == Where("unet/config.json")
    assert [Component(n, p, k, "", "").label for n, p, k in (("a", "b", "c"), ("", "b", "c"), ("", "", "c"), ("", "", None))] == [
        "a",
        "b",
        "c",
        "model",
    ]
    assert bare.loads() == Load(None)
    loaded = Component(
        "unet", "unet", None, "diffusers", "denoiser", load=Load(F16, counts={F16: 3, F32: 2}, chosen=weights(ONE))
    )
    assert (loaded.loads().nbytes, loaded.loaded_from) == (14, Where("unet/a.safetensors", "unet"))
    assert bare.loaded_from == bare.where


def test_a_walk_meets_the_pipeline_then_each_component_with_its_files() -> None:
    unet = Component("unet", "unet", None, "diffusers", "denoiser", sets=(weights(ONE, TWO),))
    vae = Component("vae", "vae", None, "diffusers", "vae")
    lora = Component("", "l", None, "adapter", "lora", sets=(weights(TWO),))
    pipeline = Pipeline(".", "X", "pipeline", (unet, vae), (lora,))
    assert list(walk(pipeline)) == [pipeline, unet, ONE, TWO, vae, lora, TWO]
    assert all(part.pipeline is pipeline for part in (unet, vae, lora))
    assert (pipeline.of_role("vae", "denoiser"), pipeline.named("vae"), pipeline.named("x")) == ((unet, vae), vae, None)


def test_a_light_pipeline_holds_no_columns_and_no_config_but_the_same_counts() -> None:
    config = Config("unet/config.json", {"a": 1}, '{"a": 1}')
    chosen = weights(ONE)
    unet = Component("unet", "unet", None, "diffusers", "denoiser", config, (weights(TWO), chosen), load=Load(F16, chosen=chosen))
    light = Pipeline(".", "X", "pipeline", (unet,), config=config, loose=(TWO,)).light()
    (part,) = light.components
    assert not [tensor for s in (*part.sets, part.loads().chosen) if s for tensor in s.tensors()]
    assert [s.stock for s in part.sets] == [s.stock for s in unet.sets]
    assert part.loads().chosen == part.sets[1]
    assert part.pipeline is light
    assert light.loose[0].tensors is None
    assert part.config is not None
    assert (part.config.path, dict(part.config.data), part.config.text) == ("unet/config.json", {}, "")


def test_a_request_answers_for_each_component_and_reads_as_typed() -> None:
    request = Request(
        {"": F16, "vae": F32}, libraries=(("diffusers", "0.42.1", "installed"), ("transformers", "5.0.0rc1", "asked for"))
    )
    assert (request.dtype_for("vae"), request.dtype_for("unet"), Request().dtype_for("unet")) == (F32, F16, None)
    assert (str(request), str(Request()), str(Request({"": BF16}))) == ("fp16, vae=fp32", "no dtype", "bf16")
    assert (request.version("diffusers"), request.version("transformers"), request.version("torch")) == (
        (0, 42, 1),
        (5, 0, 0),
        (),
    )


def test_a_pointer_escapes_what_rfc_6901_escapes() -> None:
    assert (pointer("a", "b"), pointer("a/b", "~1"), pointer(""), pointer()) == ("/a/b", "/a~1b/~01", "/", "")
