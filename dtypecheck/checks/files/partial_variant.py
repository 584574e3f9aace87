"""The variant asked for exists for some components only; the others silently load their plain files."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Component, Pipeline


class PartialVariant(Rule):
    """The variant asked for exists for some components only.

    diffusers loads the plain files of the others without a word. With a dtype asked for everything is cast to it, and only
    bytes are wasted: a note. Without one, components that follow their stored dtype come out in another than the rest.

    ```bad
    $ --variant fp16 --dtype float16
    model_index.json: {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    unet/config.json: {"_class_name": "UNet2DConditionModel"}
    unet/diffusion_pytorch_model.fp16.safetensors: conv_in.weight F16 4x4
    vae/config.json: {"_class_name": "AutoencoderKL"}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```

    ```good
    $ --variant fp16 --dtype float16
    model_index.json: {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    unet/config.json: {"_class_name": "UNet2DConditionModel"}
    unet/diffusion_pytorch_model.fp16.safetensors: conv_in.weight F16 4x4
    vae/config.json: {"_class_name": "AutoencoderKL"}
    vae/diffusion_pytorch_model.fp16.safetensors: decoder.conv_in.weight F16 4x4
    ```
    """

    code = "DT104"
    severity = "note"
    in_gate = False

    def check(self, pipeline: Pipeline, known: Knowledge) -> Iterator[Finding]:
        """One finding a pipeline, naming the components that lack the variant."""
        wanted = pipeline.request.variant
        loaded = [c for c in pipeline.components if c.loads().chosen is not None]
        plain = [c for c in loaded if c.loads().variant is None]
        if not wanted or pipeline.kind != "pipeline" or not plain or len(plain) == len(loaded):
            return
        there = next(c for c in loaded if c.loads().variant is not None)
        names = ", ".join(f"{c.name} ({_stored(c)})" for c in plain)
        follows = [
            c for c in plain if (claim := c.loads().claim) and claim.by == "stores" and c.loads().dtype is not there.loads().dtype
        ]
        yield self.finding(
            plain[0].loaded_from,
            f"only part of the pipeline has the variant {wanted}; {names} load their plain files instead",
            severity="warning" if follows else "note",
            against=there.loaded_from,
            because="diffusers falls back to the plain files without a word",
            fix=Fix(f"add the {wanted} files of {', '.join(c.name for c in plain)}", lossless=False),
            source=wanted,
        )


def _stored(component: Component) -> str:
    chosen = component.loads().chosen
    return chosen.main.short if chosen and chosen.main else "no floating weights"
