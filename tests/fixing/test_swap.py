"""Another VAE in the place of one: every difference is named, the edits are exact, and the hub is only asked when it must be."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from dtypecheck.edits import Bring, Remove, SetKey
from dtypecheck.engine import planned, scan
from dtypecheck.files import Directory
from dtypecheck.fixing.overlay import after
from dtypecheck.fixing.swap import no_vae, swap
from dtypecheck.fixplan import Refused, Step
from dtypecheck.knowledge import Knowledge
from dtypecheck.subjects import Request

SDXL = {"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.13025, "block_out_channels": [8, 16]}
SHAPES = {"decoder.conv_in.weight": (16, 4, 3, 3), "decoder.mid_block.attentions.0.to_q.weight": (16, 16)}
WEIGHTS = "diffusion_pytorch_model.safetensors"


def vae(folder: Path, config: Mapping[str, Any] = SDXL, shapes: Mapping[str, tuple[int, ...]] = SHAPES, seed: int = 1) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    numbers = np.random.default_rng(seed)
    save_file({key: numbers.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()}, folder / WEIGHTS)
    return folder


def model(root: Path, klass: str = "StableDiffusionXLPipeline", config: Mapping[str, Any] = SDXL) -> Path:
    """A pipeline of a VAE and a U-Net."""
    vae(root / "vae", config)
    (root / "unet").mkdir()
    (root / "unet" / "config.json").write_text('{"_class_name": "UNet2DConditionModel"}')
    save_file({"conv_in.weight": np.ones((4, 4), np.float32)}, root / "unet" / WEIGHTS)
    index = {"_class_name": klass, "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", config["_class_name"]]}
    (root / "model_index.json").write_text(json.dumps(index, indent=2))
    return root


def swapped(root: Path, origin: str | Path, known: Knowledge) -> Step | Refused:
    files = Directory(root)
    pipeline = next(iter(planned(files, Request(), known)))
    part = pipeline.named("vae")
    assert part is not None
    return swap(pipeline, part, origin, files, known)


def test_a_local_folder_brings_config_and_weights(tmp_path: Path, known: Knowledge) -> None:
    root, other = model(tmp_path / "m"), vae(tmp_path / "other", {**SDXL, "force_upcast": False}, seed=2)
    step = swapped(root, other, known)
    assert isinstance(step, Step)
    digests = {name: hashlib.sha256((other / name).read_bytes()).hexdigest() for name in (WEIGHTS, "config.json")}
    assert step.edits == tuple(Bring(f"vae/{name}", str(other / name), digest) for name, digest in digests.items())
    assert (step.place, step.lossless, step.strategy) == ("vae", False, "swap-vae")
    assert step.change == f"vae (AutoencoderKL) -> {other}"
    assert step.before == sum((root / "vae" / name).stat().st_size for name in digests)
    assert step.after == sum((other / name).stat().st_size for name in digests)
    there = after(Directory(root), step.edits)
    assert there.read(f"vae/{WEIGHTS}") == (other / WEIGHTS).read_bytes()
    assert scan(there, Request(), known).findings == scan(Directory(root), Request(), known).findings


def test_every_set_of_old_weights_goes_and_a_variant_stays_where_the_dtype_fits(tmp_path: Path, known: Knowledge) -> None:
    root, other = model(tmp_path / "m"), vae(tmp_path / "other")
    folder = root / "vae"
    for name in ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.fp32.safetensors"):
        (folder / name).write_bytes((folder / WEIGHTS).read_bytes())
    shards = ("diffusion_pytorch_model.bf16-00001-of-00001.safetensors", "diffusion_pytorch_model.safetensors.index.bf16.json")
    (folder / shards[0]).write_bytes((folder / WEIGHTS).read_bytes())
    (folder / shards[1]).write_text(json.dumps({"weight_map": dict.fromkeys(SHAPES, shards[0])}))
    (folder / "README.md").write_text("stays")
    step = swapped(root, other, known)
    assert isinstance(step, Step)
    gone = [edit.path for edit in step.edits if isinstance(edit, Remove)]
    assert gone == sorted(f"vae/{name}" for name in ("diffusion_pytorch_model.fp16.safetensors", *shards))
    brought = [edit.path for edit in step.edits if isinstance(edit, Bring)]
    assert brought == ["vae/diffusion_pytorch_model.fp32.safetensors", f"vae/{WEIGHTS}", "vae/config.json"]
    assert "without the variant fp16" in "; ".join(step.costs)
    assert "without the variant bf16" in "; ".join(step.costs)
    assert "fp32" not in "; ".join(step.costs)


def test_a_variant_of_the_new_weights_takes_the_place_of_the_old_one(tmp_path: Path, known: Knowledge) -> None:
    root, other = model(tmp_path / "m"), vae(tmp_path / "other")
    half = "diffusion_pytorch_model.fp16.safetensors"
    (root / "vae" / half).write_bytes((root / "vae" / WEIGHTS).read_bytes())
    save_file({key: np.zeros(shape, np.float16) for key, shape in SHAPES.items()}, other / half)
    step = swapped(root, other, known)
    assert isinstance(step, Step)
    origins = {edit.path: edit.origin for edit in step.edits if isinstance(edit, Bring)}
    assert origins[f"vae/{half}"] == str(other / half)
    assert "without" not in "; ".join(step.costs)


@pytest.mark.parametrize(
    ("config", "shapes", "says"),
    [
        ({**SDXL, "latent_channels": 16}, SHAPES, "latent_channels 16, this pipeline's VAE has 4"),
        ({**SDXL, "scaling_factor": 0.18215}, SHAPES, "scaling_factor 0.18215, this pipeline's VAE has 0.13025"),
        ({key: v for key, v in SDXL.items() if key != "scaling_factor"}, SHAPES, "scaling_factor 0.18215, this pipeline's"),
        ({**SDXL, "shift_factor": 0.1}, SHAPES, "shift_factor 0.1, this pipeline's VAE has none"),
        ({**SDXL, "block_out_channels": [8, 32]}, SHAPES, "block_out_channels [8, 32], this pipeline's VAE has [8, 16]"),
        (
            SDXL,
            {**SHAPES, "decoder.conv_in.weight": (16, 8, 3, 3)},
            "decoder.conv_in.weight is 16x8x3x3, this pipeline's VAE has 16x4x3x3",
        ),
        (SDXL, {"decoder.conv_in.weight": (16, 4, 3, 3)}, "it lacks decoder.mid_block.attentions.0.to_q.weight"),
        (SDXL, {**SHAPES, "extra.weight": (2,)}, "it has extra.weight, which this pipeline's VAE has not"),
        (
            {**SDXL, "_class_name": "AutoencoderKLWan"},
            SHAPES,
            "its class is AutoencoderKLWan, StableDiffusionXLPipeline is made for AutoencoderKL",
        ),
    ],
)
def test_every_difference_is_named(
    config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], says: str, tmp_path: Path, known: Knowledge
) -> None:
    refused = swapped(model(tmp_path / "m"), vae(tmp_path / "other", config, shapes), known)
    assert isinstance(refused, Refused)
    assert says in refused.why


def test_all_differences_are_named_together(tmp_path: Path, known: Knowledge) -> None:
    other = vae(tmp_path / "other", {**SDXL, "latent_channels": 16, "scaling_factor": 1.5}, {"a": (2,)})
    refused = swapped(model(tmp_path / "m"), other, known)
    assert isinstance(refused, Refused)
    assert refused.why.count(";") == 4


def test_old_names_of_attention_layers_are_the_same_layers(tmp_path: Path, known: Knowledge) -> None:
    old = {"decoder.conv_in.weight": (16, 4, 3, 3), "decoder.mid_block.attentions.0.query.weight": (16, 16, 1, 1)}
    assert isinstance(swapped(model(tmp_path / "m"), vae(tmp_path / "other", SDXL, old), known), Step)


def test_a_preview_vae_of_another_class_is_taken_where_the_pipeline_takes_it_and_only_by_name(
    tmp_path: Path, known: Knowledge
) -> None:
    tiny = {"_class_name": "AutoencoderTiny", "latent_channels": 4, "encoder_block_out_channels": [8, 8]}
    other = vae(tmp_path / "tiny", tiny, {"decoder.layers.0.weight": (4, 4)})
    step = swapped(model(tmp_path / "m"), other, known)
    assert isinstance(step, Step)
    assert SetKey("model_index.json", "/vae", '["diffusers", "AutoencoderTiny"]') in step.edits
    assert "preview quality" in "; ".join(step.costs)
    elsewhere = swapped(model(tmp_path / "n", "StableDiffusionUpscalePipeline"), other, known)
    assert isinstance(elsewhere, Refused)
    assert "its class is AutoencoderTiny" in elsewhere.why
    deep = vae(tmp_path / "deep", {**tiny, "encoder_block_out_channels": [8] * 4}, {"decoder.layers.0.weight": (4, 4)})
    refused = swapped(model(tmp_path / "p"), deep, known)
    assert isinstance(refused, Refused)
    assert "it halves a side 3 times, this pipeline's VAE 1 times" in refused.why
    wide = vae(tmp_path / "wide", {**tiny, "latent_channels": 16}, {"decoder.layers.0.weight": (4, 4)})
    refused = swapped(model(tmp_path / "o"), wide, known)
    assert isinstance(refused, Refused)
    assert "latent_channels 16, this pipeline's VAE has 4" in refused.why


@pytest.mark.parametrize("what", ["missing", "empty", "text encoder", "damaged", "a pickle"])
def test_a_folder_that_is_no_vae_is_refused_by_name(what: str, tmp_path: Path, known: Knowledge) -> None:
    other = tmp_path / "other"
    if what != "missing":
        vae(other)
    if what == "empty":
        (other / WEIGHTS).unlink()
    if what == "text encoder":
        (other / "config.json").write_text('{"architectures": ["CLIPTextModel"]}')
    if what == "damaged":
        (other / WEIGHTS).write_bytes((other / WEIGHTS).read_bytes()[:-3])
    if what == "a pickle":
        (other / WEIGHTS).rename(other / "diffusion_pytorch_model.bin")
    refused = swapped(model(tmp_path / "m"), other, known)
    assert isinstance(refused, Refused)
    assert str(other) in refused.why or WEIGHTS in refused.why


def test_the_known_one_comes_out_of_the_cache_of_the_hub_without_any_library(
    tmp_path: Path, known: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    place = tmp_path / "hub" / "models--madebyollin--sdxl-vae-fp16-fix"
    vae(place / "snapshots" / "older", seed=3)
    cached = vae(place / "snapshots" / "abc", seed=4)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    for origin in ("", "sdxl_fp16_fix", "madebyollin/sdxl-vae-fp16-fix"):
        root = model(tmp_path / f"m{origin.replace('/', '-')}")
        step = swapped(root, origin, known)
        assert isinstance(step, Step)
        assert {edit.origin for edit in step.edits if isinstance(edit, Bring)} == {
            str(cached / WEIGHTS),
            str(cached / "config.json"),
        }
        assert "images differ slightly" in "; ".join(step.costs)


def test_files_of_the_cache_are_brought_from_where_its_links_lead(
    tmp_path: Path, known: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    place = tmp_path / "hub" / "models--madebyollin--sdxl-vae-fp16-fix"
    blobs = vae(place / "blobs", seed=2)
    (place / "snapshots" / "abc").mkdir(parents=True)
    for name in (WEIGHTS, "config.json"):
        (place / "snapshots" / "abc" / name).symlink_to(f"../../blobs/{name}")
    step = swapped(model(tmp_path / "m"), "", known)
    assert isinstance(step, Step)
    assert {Path(edit.origin).parent for edit in step.edits if isinstance(edit, Bring)} == {blobs}


def test_what_to_install_or_download_is_said_where_nothing_can_fetch(
    tmp_path: Path, known: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    refused = swapped(model(tmp_path / "m"), "", known)
    assert isinstance(refused, Refused)
    assert refused.why.startswith("madebyollin/sdxl-vae-fp16-fix is not in the cache of the hub")
    assert refused.offers[0] == "pip install huggingface_hub"
    assert "https://huggingface.co/madebyollin/sdxl-vae-fp16-fix" in refused.offers[1]


@pytest.mark.parametrize(
    "how", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_ENDPOINT": "https://no-such-host.invalid"}]
)
def test_a_hub_that_cannot_be_reached_is_a_refusal_that_says_what_to_download(how: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    code = (
        "from dtypecheck.fixing.swap.given import fetched; from dtypecheck.fixing.refusal import Refusal\n"
        "try: fetched('madebyollin/sdxl-vae-fp16-fix')\n"
        "except Refusal as r: print(r); print(r.offers[0])"
    )
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    env = {**kept, "HF_HUB_CACHE": str(tmp_path), **how}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=15)
    assert done.stderr == ""
    assert done.stdout.startswith("madebyollin/sdxl-vae-fp16-fix is not in the cache of the hub, and cannot be fetched: "), done
    assert "download config.json and diffusion_pytorch_model.safetensors" in done.stdout.splitlines()[1]


def test_an_unknown_name_is_refused_with_those_that_are_known(tmp_path: Path, known: Knowledge) -> None:
    refused = swapped(model(tmp_path / "m"), "sdxl_vae", known)
    assert isinstance(refused, Refused)
    assert {"--swap sdxl_fp16_fix", "--swap taesd"} <= set(refused.offers)


def test_no_replacement_is_known_for_settings_that_no_row_fits(tmp_path: Path, known: Knowledge) -> None:
    refused = swapped(model(tmp_path / "m", config={**SDXL, "scaling_factor": 0.5}), "", known)
    assert isinstance(refused, Refused)
    assert "no replacement is known for AutoencoderKL with these settings" in refused.why


def test_a_known_one_that_is_made_for_other_settings_is_refused(
    tmp_path: Path, known: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "models--madebyollin--taesd" / "snapshots" / "a"
    vae(
        folder,
        {"_class_name": "AutoencoderTiny", "latent_channels": 4, "encoder_block_out_channels": [8, 8]},
        {"decoder.layers.0.weight": (4, 4)},
    )
    refused = swapped(model(tmp_path / "m"), "taesd", known)
    assert isinstance(refused, Refused)
    assert "it is made for scaling_factor 0.18215, this pipeline's VAE has 0.13025" in refused.why


PREVIEWED = sorted({name for _, row in Knowledge().all("swaps") for name in row.get("pipelines", ())})


@pytest.mark.slow
@pytest.mark.parametrize("klass", PREVIEWED)
def test_a_pipeline_that_a_row_names_runs_with_a_preview_vae(klass: str, known: Knowledge) -> None:
    import diffusers
    import torch

    from dtypecheck.runs.phantoms.shrunken import build

    from .planted import models

    made = build(klass, known)
    channels = made.vae.config.latent_channels
    sizes = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8), "latent_channels": channels}
    torch.manual_seed(1)
    made.vae = diffusers.AutoencoderTiny(**sizes, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1)).eval()
    with models.quiet(), torch.no_grad():
        assert models.look(models.call(made, known)) == "a picture"


@pytest.mark.parametrize("same", ["the folder", "the bytes"])
def test_a_vae_in_its_own_place_is_there_already(same: str, tmp_path: Path, known: Knowledge) -> None:
    root = model(tmp_path / "m")
    other = root / "vae" if same == "the folder" else vae(tmp_path / "v", {**SDXL, "_diffusers_version": "0.1"})
    refused = swapped(root, other, known)
    assert isinstance(refused, Refused)
    assert (refused.place, refused.why, refused.done) == ("vae", f"{other} is this VAE already", True)


def test_the_same_bytes_with_another_setting_are_another_vae(tmp_path: Path, known: Knowledge) -> None:
    step = swapped(model(tmp_path / "m"), vae(tmp_path / "v", {**SDXL, "force_upcast": False}), known)
    assert isinstance(step, Step)


def test_the_place_of_a_lone_vae_has_a_name(tmp_path: Path, known: Knowledge) -> None:
    files = Directory(vae(tmp_path / "vae"))
    pipeline = next(iter(planned(files, Request(), known)))
    for origin in (vae(tmp_path / "other", seed=2), tmp_path / "vae", tmp_path / "none"):
        made = swap(pipeline, pipeline.components[0], origin, files, known)
        assert made.place == "."


def test_a_model_without_a_vae_says_so(tmp_path: Path, known: Knowledge) -> None:
    root = model(tmp_path / "m")
    lone = next(iter(planned(Directory(root / "unet"), Request(), known)))
    assert no_vae(lone) == Refused(".", "there is no VAE in UNet2DConditionModel that another one could be put in place of")
