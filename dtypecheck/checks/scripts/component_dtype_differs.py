"""A component is loaded in another dtype than the pipeline that it is put in, which does not cast."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.scripts import Script
from ..clashes import clashes


class ComponentDtypeDiffers(Rule):
    """A component is loaded in another dtype than the pipeline it is put in, and the pipeline does not cast between them.

    A model that is loaded by itself without a dtype is fp32, whatever the pipeline is asked for: a part that is passed in is taken
    as it is. An error where a real run of this pipeline class in these dtypes was recorded to crash, a warning where only its source
    says so; silent where the pipeline casts (Wan, for one, takes a VAE in fp32).

    ```bad
    serve.py: |
        import torch
        from diffusers import AutoencoderKL, StableDiffusionXLPipeline

        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")
        pipe = StableDiffusionXLPipeline.from_pretrained(
            "stabilityai/stable-diffusion-xl-base-1.0", vae=vae, torch_dtype=torch.float16
        ).to("cuda")
        pipe("a cat").images[0].save("cat.png")
    ```

    ```bad
    serve.py: |
        import torch
        import diffusers as d

        controlnet = d.ControlNetModel.from_pretrained("lllyasviel/sd-controlnet-canny")
        pipe = d.StableDiffusionControlNetPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", controlnet=controlnet, dtype=torch.float16)
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import AutoencoderKL, StableDiffusionXLPipeline

        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix", torch_dtype=torch.float16)
        pipe = StableDiffusionXLPipeline.from_pretrained(
            "stabilityai/stable-diffusion-xl-base-1.0", vae=vae, torch_dtype=torch.float16
        ).to("cuda")
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import AutoencoderKLWan, WanPipeline

        vae = AutoencoderKLWan.from_pretrained("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", subfolder="vae", torch_dtype=torch.float32)
        pipe = WanPipeline.from_pretrained("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", vae=vae, torch_dtype=torch.bfloat16)
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import AutoencoderKL, StableDiffusionXLPipeline

        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")
        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", vae=vae, torch_dtype=torch.float16)
        pipe.to("cuda", torch.float16)
        pipe("a cat")
    ```
    """

    code = "DT201"
    severity = "error"

    def check(self, script: Script, known: Knowledge) -> Iterator[Finding]:
        """One finding for each call that loads a part in the wrong dtype."""
        for clash in clashes(script, known):
            if clash.how != "loaded" or clash.call is None:
                continue
            asked = clash.call.argument("torch_dtype", "dtype")
            said = "" if asked else ", because no dtype is asked for"
            yield clash.told(
                self,
                clash.call,
                f"{clash.part} is loaded in {clash.has.short}{said}, and",
                f"{'load it with' if asked else 'add'} torch_dtype=torch.{clash.others.torch}",
            )
