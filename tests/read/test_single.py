"""Single files told by their keys: every row of layouts.toml fires, near misses do not, no tensor is counted twice or lost."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dtypecheck.dtypes import BF16, F16, F32, I64, DType
from dtypecheck.files import place
from dtypecheck.knowledge import Knowledge
from dtypecheck.read.layout import Reader
from dtypecheck.read.single import components, recognise, rest
from dtypecheck.subjects import Component, Pipeline, Stock, Tensors, WeightFile

SDXL = "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias"
REFINER = "conditioner.embedders.0.model.transformer.resblocks.9.mlp.c_proj.bias"
UNET = "model.diffusion_model.input_blocks.0.0.weight"
VAE = ("encoder.conv_in.weight", "decoder.conv_out.weight")

ROWS: list[tuple[str, tuple[str, ...]]] = [
    ("lora", ("lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight", "lora_unet_x.alpha")),
    ("lora", ("transformer.x.lora_A.weight", "transformer.x.lora_B.weight")),
    ("lora", ("unet.x.lora.down.weight", "unet.x.lora.up.weight")),
    ("lora", ("base_model.model.x.lora_A.default.weight", "base_model.model.x.lora_B.default.weight", "note")),
    ("lora", ("unet.x.processor.to_q_lora.down.weight", "unet.x.processor.to_q_lora.up.weight")),
    ("lora", ("a.hada_w1_a", "a.hada_w1_b", "a.hada_w2_a", "a.hada_w2_b", "a.alpha")),
    ("lora", ("a.lokr_w1", "a.lokr_w2_a", "a.lokr_w2_b", "a.alpha", "a.dora_scale")),
    ("lora", ("a.diff", "a.diff_b")),
    ("textual-inversion", ("emb_params",)),
    ("textual-inversion", ("string_to_param.*",)),
    ("textual-inversion", ("<cat-toy>",)),
    ("textual-inversion", ("clip_l", "clip_g")),
    ("ip-adapter", ("image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight")),
    ("sdxl-refiner", (UNET, REFINER)),
    ("sdxl", (UNET, SDXL, REFINER.replace("model.transformer.resblocks.9", "x"))),
    ("sdxl", (UNET, "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight")),
    ("sd3", ("model.diffusion_model.joint_blocks.0.context_block.adaLN_modulation.1.bias",)),
    ("sd3", ("joint_blocks.0.context_block.adaLN_modulation.1.bias",)),
    ("flux2", ("single_stream_modulation.lin.weight", "double_blocks.0.img_attn.norm.key_norm.scale")),
    ("chroma", ("distilled_guidance_layer.in_proj.bias", "double_blocks.0.img_attn.norm.key_norm.scale")),
    ("flux", ("double_blocks.0.img_attn.norm.key_norm.scale",)),
    ("flux", ("model.diffusion_model.double_blocks.0.img_attn.norm.key_norm.weight",)),
    ("ltx-video", ("model.diffusion_model.patchify_proj.weight",)),
    ("wan-vae", ("decoder.middle.0.residual.0.gamma", "encoder.conv1.weight", "decoder.conv1.weight")),
    ("wan", ("head.modulation",)),
    ("hunyuan-video", ("txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias",)),
    ("z-image", ("layers.0.adaLN_modulation.0.weight", "cap_embedder.0.weight")),
    ("lumina2", ("cap_embedder.0.weight",)),
    ("controlnet", ("control_model.time_embed.0.weight",)),
    ("controlnet", ("controlnet_cond_embedding.conv_in.weight",)),
    ("controlnet", ("input_hint_block.0.weight",)),
    ("controlnet", ("controlnet_x_embedder.weight",)),
    ("sd2", (UNET, "cond_stage_model.model.transformer.resblocks.0.ln_1.weight")),
    ("sd2", (UNET, "cond_stage_model.model.token_embedding.weight")),
    ("sd1", (UNET, "cond_stage_model.transformer.text_model.embeddings.position_ids")),
    ("sd1", ("model.diffusion_model.output_blocks.11.0.skip_connection.weight",)),
    ("bundle", ("model.diffusion_model.something.new", "vae.decoder.x")),
    ("vae", VAE),
    ("vae", tuple(f"first_stage_model.{key}" for key in VAE)),
    ("vae", ("encoder.conv1.weight", "decoder.conv1.weight")),
]


def file_of(*keys: str, dtypes: list[DType] | None = None) -> WeightFile:
    tensors = Tensors(keys, dtypes or [F16] * len(keys), [(2,)] * len(keys))
    return WeightFile("model.safetensors", "safetensors", 100, tensors.stock(), tensors, sha256="a" * 64)


def split(file: WeightFile, known: Knowledge) -> tuple[Component, ...]:
    return components(file, recognise(file, known))


def keys_of(part: Component) -> list[str]:
    return [tensor.key for weights in part.sets for _, tensor in weights.tensors()]


# what must be left alone


@pytest.mark.parametrize(
    "keys",
    [
        (),
        ("a.weight", "a.bias"),
        ("double_blocks.0.img_attn.norm.query_norm.scale",),
        ("joint_blocks_0_context_block_adaLN_modulation_1_bias",),
        ("my.head.modulation",),
        ("encoder.conv_in.weight",),
        ("x.encoder.conv_in.weight", "x.decoder.conv_out.weight"),
        ("a.lora_down.weight", "a.weight", "b.weight", "c.weight"),
        ("emb_params", *(f"{n}.weight" for n in range(20))),
        ("model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "lm_head.weight"),
        ("diffusion_model.x", "first_stage_model.y"),
        ("image_projection.weight", "ip_adapters.0"),
    ],
)
def test_keys_of_no_known_layout_are_plain_weights(known: Knowledge, keys: tuple[str, ...]) -> None:
    layout = recognise(file_of(*keys), known)
    assert (layout.name, layout.kind, layout.pipeline) == ("weights", "weights", None)


def test_plain_weights_are_one_component_with_the_whole_file(known: Knowledge) -> None:
    file = file_of("a.weight", "b.weight")
    (part,) = split(file, known)
    assert (part.name, part.klass, part.role, part.family, keys_of(part)) == (
        "",
        None,
        "other",
        "single-file",
        ["a.weight", "b.weight"],
    )
    assert part.sets[0].files[0].sha256 == file.sha256
    assert rest(file, (part,)) == ()


def test_an_unread_file_has_no_layout_and_is_left_whole(known: Knowledge) -> None:
    file = WeightFile("m", "safetensors", 10, trouble="truncated")
    assert recognise(file, known).kind == "weights"
    assert rest(file, ()) == (file,)


# every row


@pytest.mark.parametrize(("name", "keys"), ROWS, ids=lambda value: value if isinstance(value, str) else value[0])
def test_every_row_is_recognised_by_its_keys_and_the_first_that_fits_wins(
    known: Knowledge, name: str, keys: tuple[str, ...]
) -> None:
    layout = recognise(file_of(*keys), known)
    assert (layout.name, layout.kind) == (name, known.row("layouts", name)["kind"])
    assert layout.pipeline == known.row("layouts", name).get("pipeline")
    assert recognise(file_of(*reversed(keys)), known) == layout


def test_every_row_of_the_table_has_keys_here(known: Knowledge) -> None:
    assert {name for name, _ in ROWS} == set(known.names("layouts"))


def test_every_pattern_of_the_table_is_a_regular_expression_and_every_part_whole(known: Knowledge) -> None:
    for name, row in known.all("layouts"):
        for pattern in (*row.get("all", ()), *row.get("any", ()), row.get("most", "")):
            re.compile(pattern)
        assert any(word in row for word in ("all", "any", "most")), name
        assert all({"name", "prefix", "role"} <= part.keys() for part in row.get("parts", ())), name
        assert all({"name", "klass", "role"} <= row["bare"].keys() for _ in range("bare" in row)), name
        assert row["why"], name
        assert row["source"], name


@pytest.mark.parametrize("name", ["sdxl", "sdxl-refiner", "sd1", "sd2", "sd3", "flux", "bundle"])
def test_every_part_of_a_checkpoint_is_a_component_by_its_prefix(known: Knowledge, name: str) -> None:
    first = next(keys for row, keys in ROWS if row == name)
    row = known.row("layouts", name)
    keys = [*first, *(f"{part['prefix']}added" for part in row["parts"] if f"{part['prefix']}added" not in first), "outside"]
    parts = {part.name: part for part in split(file_of(*keys), known)}
    for part in row["parts"]:
        found = parts[part["name"]]
        assert f"{part['prefix']}added" in keys_of(found)
        assert found.role == part["role"]
        assert found.klass == part.get("klass")
        if "config" in part:
            assert found.config is not None
            assert found.config.data == part["config"]
    assert set(parts) == {part["name"] for part in row["parts"]} | ({row["bare"]["name"]} if "bare" in row else set())


def test_a_bare_denoiser_is_the_component_the_row_names(known: Knowledge) -> None:
    (part,) = split(file_of("double_blocks.0.img_attn.norm.key_norm.scale", "img_in.weight"), known)
    assert (part.name, part.klass, part.role) == ("transformer", "FluxTransformer2DModel", "denoiser")


def test_a_part_knows_no_digest_and_only_its_own_stock(known: Knowledge) -> None:
    file = file_of(UNET, "first_stage_model.x", "first_stage_model.y", "betas", dtypes=[F32, F16, F16, F32])
    parts = {part.name: part for part in split(file, known)}
    assert {name: {d.name: s.tensors for d, s in part.sets[0].stock.items()} for name, part in parts.items()} == {
        "unet": {"F32": 1},
        "vae": {"F16": 2},
    }
    assert all(part.sets[0].files[0].sha256 is None for part in parts.values())


def test_what_no_component_takes_is_left_as_the_rest_of_the_file(known: Knowledge) -> None:
    file = file_of(UNET, "betas", "first_stage_model.x", "cond", dtypes=[F16, F32, F16, I64])
    (left,) = rest(file, split(file, known))
    assert left.tensors is not None
    assert list(left.tensors.keys) == ["betas", "cond"]
    assert {dtype.name: stock.tensors for dtype, stock in left.stock.items()} == {"F32": 1, "I64": 1}


@pytest.mark.parametrize(("name", "keys"), ROWS, ids=lambda value: value if isinstance(value, str) else value[0])
def test_no_tensor_is_lost_or_counted_twice(known: Knowledge, name: str, keys: tuple[str, ...]) -> None:
    file = file_of(*keys, "outside.one", "first_stage_model.outside", dtypes=[F16] * len(keys) + [F32, F16])
    parts = split(file, known)
    taken = [key for part in parts for key in keys_of(part)]
    left = [key for found in rest(file, parts) for key in (found.tensors.keys if found.tensors else ())]
    assert sorted([*taken, *left]) == sorted([*keys, "outside.one", "first_stage_model.outside"])


# real ones


def read(path: Path, known: Knowledge) -> Pipeline:
    (pipeline,) = [reading.pipeline for reading in Reader(place(path), known).readings() if reading.pipeline]
    return pipeline


@pytest.mark.parametrize(
    ("case", "klass", "stored"),
    [
        ("sdxl-single-file", "StableDiffusionXLPipeline", {"unet": F16, "vae": F16, "text_encoder": F16, "text_encoder_2": F16}),
        ("sd15-single-file-mixed", "StableDiffusionPipeline", {"unet": F32, "vae": F16, "text_encoder": F32, "ema": F32}),
    ],
)
def test_the_checkpoints_of_the_fixtures_split_into_their_components(
    cases: Path, known: Knowledge, case: str, klass: str, stored: dict[str, DType]
) -> None:
    pipeline = read(cases / case, known)
    assert (pipeline.kind, pipeline.klass) == ("single-file", klass)
    assert {part.name: part.sets[0].main for part in pipeline.components} == stored
    held = sum(stock.tensors for part in (*pipeline.components, *pipeline.loose) for stock in stocks(part))
    (file,) = (path for path in (cases / case).iterdir() if path.suffix == ".safetensors")
    assert held == header_count(file)


@pytest.mark.parametrize(
    ("case", "kind", "dtype"),
    [("lora-sdxl", "lora", F16), ("lora-flux-diffusers", "lora", BF16), ("textual-inversion", "embedding", F32)],
)
def test_the_adapters_of_the_fixtures_are_adapters(cases: Path, known: Knowledge, case: str, kind: str, dtype: DType) -> None:
    pipeline = read(cases / case, known)
    assert pipeline.kind == "adapter"
    (part,) = pipeline.components
    assert (part.family, part.role, part.sets[0].main) == ("adapter", kind, dtype)


@pytest.mark.shared
def test_a_real_embedding_is_an_adapter(shared_data: Path, known: Knowledge) -> None:
    pipeline = read(shared_data / "weights" / "sd15_textual_inversion.safetensors", known)
    assert (pipeline.kind, [part.role for part in pipeline.components]) == ("adapter", ["embedding"])


def stocks(part: Component | WeightFile) -> list[Stock]:
    files = [part] if isinstance(part, WeightFile) else [file for weights in part.sets for file in weights.files]
    return [stock for file in files for stock in file.stock.values()]


def header_count(path: Path) -> int:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return len(header) - ("__metadata__" in header)
