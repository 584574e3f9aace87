"""A part of a pipeline is moved to another dtype after loading, and the pipeline does not cast."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.scripts import Script
from ..clashes import clashes


class PartCastApart(Rule):
    """A part of a pipeline is cast to another dtype than the rest, and the pipeline does not cast between them.

    `pipe.vae.to(torch.float32)` saves the VAE of a pipeline that casts the latents to it. Where the pipeline hands them over as they
    are (Flux, SD3, SDXL) the call crashes. Silent where the pipeline casts: Sana's documentation asks for its text encoder and VAE
    in bf16. Also `upcast_vae()`, unless the latents are asked for with output_type="latent" and decoded by hand.

    ```bad
    serve.py: |
        import torch
        from diffusers import FluxPipeline

        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.float16)
        pipe.vae.to(torch.bfloat16)
        pipe("a cat")
    ```

    ```bad
    turbo.py: |
        import torch
        from diffusers import AutoPipelineForText2Image

        pipe = AutoPipelineForText2Image.from_pretrained("stabilityai/sdxl-turbo", torch_dtype=torch.float16, variant="fp16")
        pipe.upcast_vae()
        image = pipe("a cat", num_inference_steps=1).images[0]
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import SanaPipeline

        pipe = SanaPipeline.from_pretrained("Efficient-Large-Model/Sana_1600M_1024px_diffusers", variant="fp16", torch_dtype=torch.float16)
        pipe.vae.to(torch.bfloat16)
        pipe.text_encoder.to(torch.bfloat16)
        pipe("a cat")
    ```

    ```good
    recipe.py: |
        import torch
        from diffusers import StableDiffusionXLPipeline

        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        latents = pipe("a cat", output_type="latent").images
        pipe.upcast_vae()
        latents = latents.to(next(iter(pipe.vae.post_quant_conv.parameters())).dtype)
        image = pipe.vae.decode(latents / pipe.vae.config.scaling_factor, return_dict=False)[0]
    ```
    """

    code = "DT203"
    severity = "error"

    def check(self, script: Script, known: Knowledge) -> Iterator[Finding]:
        """One finding for each cast of a part."""
        for clash in clashes(script, known):
            if clash.how != "cast" or clash.call is None:
                continue
            run = clash.held.run
            if run is None:
                continue  # a part that is cast, and a pipeline that nobody runs here: its parts may be used by themselves
            message = f"{clash.part} is cast to {clash.has.short}, and"
            yield clash.told(self, clash.call, message, f"leave {clash.part} in {clash.others.short}")
