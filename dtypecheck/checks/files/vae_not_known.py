"""A VAE says by its config that it is safe in fp16, but its weights are none that is known to be."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Component
from ..support import facts, force_upcast


class VaeNotKnown(Rule):
    """A VAE in SDXL's latent space says `force_upcast: false`, and its weights are none that is known to be safe in fp16.

    That setting is right for the fp16-fix weights and wrong for SDXL's own, and the config alone cannot tell them apart.
    A sha256 that a hub cache or a Git-LFS pointer tells is looked up; otherwise the values have to be looked at.

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
    in_gate = False

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """One finding for an fp16 VAE whose row says that its config can lie."""
        load = component.loads()
        if component.role != "vae" or load.dtype is not F16 or not component.pipeline.request.dtypes or force_upcast(component, known):
            return
        row = facts(component, known)
        if not row.get("by_config_only") or load.chosen is None or component.config is None:
            return
        sha256 = load.chosen.files[0].sha256 or ""
        checkpoint = known.row("checkpoints", sha256) if sha256 else {}
        if checkpoint.get("F16") == "ok":
            return
        what = f"its sha256 is that of {checkpoint['name']}" if checkpoint else "its weights are none that is known"
        yield self.finding(
            component.config.where("force_upcast"),
            f"the {component.label} says force_upcast is false, as the fp16-fix weights do; {what}",
            against=component.loaded_from,
            because="with SDXL's own weights this setting gives NaN and black pictures in fp16",
            fix=Fix("make sure that the weights are madebyollin/sdxl-vae-fp16-fix, else set force_upcast to true"),
            source=sha256,
        )
