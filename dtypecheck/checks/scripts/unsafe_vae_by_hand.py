"""A VAE that overflows in fp16 is called by hand in fp16, past the pipeline that would run it in fp32."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16
from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge, Row
from ...rule import Rule
from ...subjects import Component, Config, Pipeline
from ...subjects.cases import words
from ...subjects.scripts import Call, Thing, content
from ..files.components_meet import swaps
from ..support import facts, severity, why


class UnsafeVaeByHand(Rule):
    """A VAE that overflows in fp16 is called by hand in fp16: NaN and a black picture.

    The pipelines of the SDXL family run their VAE in fp32 while they decode; `pipe.vae.decode(latents)` does not, and an autocast in
    fp16 undoes a VAE in fp32: its convolutions run in fp16 all the same, also around the call of a pipeline. Told of VAEs that are known
    by the id they are loaded from; a note for other checkpoints in a pipeline of that family.

    ```bad
    decode.py: |
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae", torch_dtype=torch.float16)
        image = vae.decode(latents / vae.config.scaling_factor).sample
    ```

    ```bad
    encode.py: |
        import torch
        from diffusers import StableDiffusionXLPipeline

        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        pipe.vae.to(torch.float32)
        with torch.autocast("cuda"):
            latents = pipe.vae.encode(image.float()).latent_dist.sample()
    ```

    ```bad
    serve.py: |
        import torch
        from diffusers import StableDiffusionXLPipeline

        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        with torch.autocast("cuda"):
            pipe("a cat").images[0].save("black.png")
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import AutoencoderKL, StableDiffusionXLPipeline

        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix", torch_dtype=torch.float16)
        pipe = StableDiffusionXLPipeline.from_pretrained(
            "stabilityai/stable-diffusion-xl-base-1.0", vae=vae, torch_dtype=torch.float16
        )
        with torch.autocast("cuda"):
            pipe("a cat")
        with torch.autocast("cuda", dtype=torch.bfloat16):
            pipe("a dog")
    ```

    ```good
    decode.py: |
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae", torch_dtype=torch.float16)
        fixed = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix", torch_dtype=torch.float16)
        image = fixed.decode(latents).sample
        vae.to(torch.float32)
        image = vae.decode(latents.float()).sample
        with torch.autocast("cuda", dtype=torch.bfloat16):
            image = vae.decode(latents).sample
    ```
    """

    code = "DT215"
    severity = "error"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call of decode or encode, or of a pipeline under autocast."""
        vae = _inner(call, known) if call.means == "run" else call.target
        if (
            call.means not in ("decode", "encode", "run")
            or vae is None
            or vae.kind != "model"
            or vae.flags & {"touched", "quantised"}
        ):
            return
        region = call.around[-1] if call.around else None
        running = region.dtype if region else vae.dtype
        if region is not None and content(region.fields.get("enabled")) is not True:
            return
        case = next((case for case, dtype in running.dtypes() if dtype is F16), None)
        found = _unsafe(vae, call, known)
        if case is None or found is None or len(case - call.case) > 1:
            return
        component, row, worst = found
        when = f" (when {words(case - call.case)})" if case - call.case else ""
        how = "runs in fp16 under autocast" if region else f"is {F16.short}"
        yield self.finding(
            call.where,
            f"{vae.label} {how} in {'decode' if call.means == 'run' else call.means}, past the pipeline that would run it in fp32: NaN and black pictures{when}",
            severity=worst,
            against=maker.where if (maker := call.script.call(region.loader if region else vae.loader)) else None,
            because=why(row, F16),
            fix=Fix(
                "leave the autocast around it: torch.autocast(..., enabled=False)"
                if region
                else f"put it in fp32 first: {vae.label}.to(torch.float32)"
            ),
            alternatives=swaps(component, known, F16)[:1],
            source=call.source,
        )


def _inner(call: Call, known: Knowledge) -> Thing | None:
    """The VAE that a pipeline loaded by itself and runs in fp32 by itself, which an autocast around its call undoes."""
    pipe = call.target
    if pipe is None or not call.around or pipe.flags & {"touched", "quantised"} or not call.sure or pipe.repo.text is None:
        return None
    if "upcast" not in known.row("pipelines", pipe.klass or "").get("decode", "").split("+") or call.argument("**"):
        return None
    kind = call.argument("output_type")
    if (kind is not None and content(kind.value) not in ("pil", "np", "pt")) or "vae" in pipe.given or "vae" in pipe.fields:
        return None
    klass = known.row("pipelines", pipe.klass or "").get("components", {}).get("vae")
    return Thing(0, "model", klass, "diffusers", f"{pipe.label}.vae", pipe.dtype, pipe.repo, pipe.loader) if klass else None


def _unsafe(vae: Thing, call: Call, known: Knowledge) -> tuple[Component, Row, Severity] | None:
    """The VAE as a component, the row that speaks against fp16, and how sure that is."""
    loader = call.script.call(vae.loader)
    owner = loader.result if loader and loader.result and loader.result.kind == "pipeline" else None
    listed = known.row("hub", vae.repo.text or "")
    config = listed.get("config") if owner is None else None
    for row in known.rows("models", vae.klass or ""):
        if severity(row, F16) != "error" or owner is None or owner.klass not in row.get("pipelines", ()):
            continue
        made = Component("vae", "", vae.klass, "diffusers", "vae", Config("", row.get("config", {})))
        pipeline = Pipeline(".", owner.klass, "pipeline", (made,))
        return (pipeline.components[0], row, "error" if listed.get("class") == owner.klass else "note")
    if config:
        made = Component("vae", "", vae.klass, "diffusers", "vae", Config("", config))
        pipeline = Pipeline(".", None, "component", (made,))
        row = facts(pipeline.components[0], known)
        worst = severity(row, F16)
        return (made, row, "error") if worst in ("error", "warning") else None
    return None
