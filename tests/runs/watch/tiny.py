"""Tiny pipelines and models of real classes in folders with short names, for scripts that say `from_pretrained("sdxl")`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from dtypecheck.knowledge import Knowledge
from dtypecheck.runs.phantoms.shrunken import build
from tests.loading import tiny

PIPELINES: Final[Mapping[str, str]] = {
    "sd": "StableDiffusionPipeline",
    "sd-controlnet": "StableDiffusionControlNetPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "sd3": "StableDiffusion3Pipeline",
    "svd": "StableVideoDiffusionPipeline",
    "flux": "FluxPipeline",
    "flux-controlnet": "FluxControlNetPipeline",
    "flux-fill": "FluxFillPipeline",
    "hidream": "HiDreamImagePipeline",
    "latte": "LattePipeline",
    "ltx": "LTXPipeline",
    "wan": "WanPipeline",
    "cogvideox": "CogVideoXPipeline",
    "pixart": "PixArtSigmaPipeline",
    "sana": "SanaPipeline",
    "qwen-image": "QwenImagePipeline",
    "z-image": "ZImagePipeline",
    "marigold": "MarigoldDepthPipeline",
}
"""Folder: the class of the pipeline in it."""

MODELS: Final[Mapping[str, Callable[[], Any]]] = {
    "t5": tiny.t5,
    "t5-whole": lambda: tiny.t5("T5ForConditionalGeneration"),
    "clip": tiny.clip,
}
"""Folder: the model in it."""

HOT: Final[Mapping[str, tuple[str, str]]] = {
    "sdxl-hot-decoder": ("sdxl", "vae.decoder.up_blocks.0.resnets.1.conv2"),
    "sdxl-hot-encoder": ("sdxl", "vae.encoder.down_blocks.0.resnets.0.conv1"),
    "flux-hot-decoder": ("flux", "vae.decoder.mid_block.resnets.0.conv1"),
    "svd-hot-decoder": ("svd", "vae.decoder.mid_block.resnets.0.spatial_res_block.conv1"),
    "sana-hot-encoder": ("sana", "text_encoder.layers.0.mlp.up_proj"),
    "z-image-hot": ("z-image", "transformer.layers.0.feed_forward.w2"),
    "z-image-hot-end": ("z-image", "transformer.all_final_layer.2-1.linear"),
    "qwen-image-hot": ("qwen-image", "transformer.transformer_blocks.0.attn.to_v"),
    "qwen-image-clipped": ("qwen-image", "transformer.transformer_blocks.0.img_mlp.net.2"),
    "sd3-hot": ("sd3", "transformer.transformer_blocks.0.ff.net.2"),
    "flux-hot": ("flux", "transformer.transformer_blocks.0.attn.to_v"),
    "cogvideox-hot": ("cogvideox", "transformer.transformer_blocks.0.ff.net.2"),
    "t5-hot": ("t5", "encoder.block.0.layer.1.DenseReluDense.wo"),
    "t5-whole-hot": ("t5-whole", "decoder.block.0.layer.2.DenseReluDense.wo"),
}
"""Folder: one of the above, and the layer whose results are beyond fp16's range, though its weights are not."""

LARGE: Final = 50_000.0
"""The largest weight of a hot layer: fp16 holds it."""


def named(script: Path) -> tuple[str, ...]:
    """The folders that a script names between quotes."""
    words = re.findall(r"\"([a-z0-9-]+)\"", script.read_text())
    return tuple(dict.fromkeys(word for word in words if word in PIPELINES or word in MODELS or word in HOT))


def lay_out(place: Path, name: str, known: Knowledge) -> None:
    """Write one of them into `place`, its weights random and always the same; what is there stays."""
    if (place / name).exists():
        return
    source, hot = HOT.get(name, (name, ""))
    torch.manual_seed(0)
    made = build(PIPELINES[source], known) if source in PIPELINES else MODELS[source]()
    if hot:
        heat(made, hot)
    made.save_pretrained(place / name)


def heat(model: Any, layer: str) -> None:
    """Scale the weight of a layer up to LARGE: what it gives for usual inputs then needs more than fp16's range."""
    for part in layer.split("."):
        model = getattr(model, part)
    weight = model.weight.data
    weight.mul_(LARGE / weight.abs().max())
