"""A VAE says by its config that it is safe in fp16, but its weights are none that is known to be."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Component
from ..support import facts


class VaeNotKnown(Rule):
    """A VAE in SDXL's latent space says `force_upcast: false`, and its weights are none that is known to be safe in fp16.

    That setting is right for the fp16-fix weights and wrong for SDXL's own, and the config alone cannot tell them apart.
    A sha256 that a hub cache tells is looked up; otherwise the values have to be looked at. A VAE in this space whose sha256
    is known, and is none of the known files', is told too.

    ```bad
    $ --dtype float16
    model_index.json: {"_class_name": "StableDiffusionXLPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    vae/config.json: {"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.13025, "force_upcast": false}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4
    ```

    ```good
    $ --dtype bfloat16
    model_index.json: {"_class_name": "StableDiffusionXLPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    vae/config.json: {"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.13025, "force_upcast": false}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4
    ```
    """

    code = "DT119"
    severity = "note"

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """One finding for an fp16 VAE whose config can lie, or whose sha256 is known and is none of the known files'."""
        load, row = component.loads(), facts(component, known)
        if component.role != "vae" or load.dtype is not F16 or load.chosen is None or not component.pipeline.request.dtypes:
            return
        sha256 = load.chosen.files[0].sha256 or ""
        checkpoint = known.row("checkpoints", sha256) if sha256 else {}
        if "space" not in row or component.config is None or checkpoint.get("F16") == "ok":
            return
        if row.get("by_config_only"):
            what = f"its sha256 is that of {checkpoint['name']}" if checkpoint else "its weights are none that is known"
            message = f"the {component.label} says force_upcast is false, as the fp16-fix weights do; {what}"
        elif sha256 and not checkpoint:
            message = f"the {component.label} has the latent space of {row['space']}, and its sha256 is none of a known VAE's"
        else:
            return
        yield self.finding(
            component.config.where("force_upcast"),
            message,
            against=component.loaded_from,
            because="SDXL's own weights give NaN and black pictures in fp16 unless the pipeline upcasts them; the fp16-fix weights do not",
            fix=Fix("make sure that the weights are madebyollin/sdxl-vae-fp16-fix, else set force_upcast to true"),
            source=sha256,
        )
