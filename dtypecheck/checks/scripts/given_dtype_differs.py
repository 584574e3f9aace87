"""A pipeline is given a tensor in another dtype than the part that will get it."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import both
from ...subjects.scripts import Script, Thing, content
from ..held import held

_SPELLED = {"F16": "Half", "BF16": "BFloat16", "F32": "Float"}


class GivenDtypeDiffers(Rule):
    """A pipeline is called with a tensor in another dtype than the part that gets it, and does not cast it.

    `latents=torch.randn(...)` are fp32 unless a dtype is named. The pipelines of Stable Diffusion move what they are given to the
    device and leave its dtype; a UNet in half precision then fails at the first step. Silent where the pipeline casts (Flux, Wan).
    Flux and Stable Diffusion 3 hand on prompt_embeds as they are.

    ```bad
    serve.py: |
        import torch
        from diffusers import StableDiffusionPipeline

        pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", torch_dtype=torch.float16).to("cuda")
        latents = torch.randn((1, 4, 64, 64), device="cuda")
        pipe("a cat", latents=latents)
    ```

    ```bad
    serve.py: |
        import torch
        from diffusers import FluxPipeline

        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-schnell", torch_dtype=torch.float16)
        pipe.text_encoder.to(torch.float32)
        pipe.text_encoder_2.to(torch.float32)
        prompt_embeds, pooled, ids = pipe.encode_prompt("a cat", "a cat")
        pipe(prompt_embeds=prompt_embeds, pooled_prompt_embeds=pooled)
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import FluxPipeline

        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-schnell", torch_dtype=torch.float16)
        pipe.text_encoder.to(torch.float32)
        pipe.text_encoder_2.to(torch.float32)
        prompt_embeds, pooled, ids = pipe.encode_prompt("a cat", "a cat")
        pipe(prompt_embeds=prompt_embeds.to(torch.float16), pooled_prompt_embeds=pooled.to(torch.float16))
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import FluxPipeline, StableDiffusionPipeline

        pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", torch_dtype=torch.float16).to("cuda")
        pipe("a cat", latents=torch.randn((1, 4, 64, 64), device="cuda", dtype=pipe.unet.dtype))
        flux = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)
        flux("a cat", latents=torch.randn((1, 4096, 64)))
    ```
    """

    code = "DT216"
    severity = "error"

    def check(self, script: Script, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call of a pipeline and an argument of it."""
        told: set[tuple[int, str]] = set()
        for state in held(script, known):
            run = state.run
            if run is None or run.around:
                continue
            for name, row in known.all("given"):
                argument = run.argument(name)
                tensor = content(argument.value) if argument else None
                part = state.pipeline.named(row["to"])
                if (
                    argument is None
                    or not isinstance(tensor, Thing)
                    or tensor.kind not in ("tensor", "features")
                    or state.thing.klass not in row["pipelines"]
                ):
                    continue
                has = part.loads().dtype if part else None
                if has is None or part is None or part.quantised or (run.number, name) in told:
                    continue
                for case, got in tensor.dtype.dtypes():
                    together = got.is_wide and got is not has and both(case, state.case) is not None
                    if not together or len({subject for subject, _, _ in (case | state.case) - run.case}) > 1:
                        continue
                    told.add((run.number, name))
                    made = script.call(tensor.caster if tensor.caster is not None else tensor.loader)
                    says = row["says"].format(given=_SPELLED.get(got.name, got.short), has=_SPELLED.get(has.name, has.short))
                    yield self.finding(
                        run.where,
                        f"{name} are {got.short} and {state.thing.klass} hands them to its {part.name} in {has.short} as they are",
                        against=made.where if made and made.where != run.where else None,
                        because=row["why"],
                        says=says,
                        fix=Fix(f"make them in torch.{has.torch}: dtype={state.thing.label}.{part.name}.dtype"),
                        source=run.source,
                        component=part.name,
                    )
                    break
