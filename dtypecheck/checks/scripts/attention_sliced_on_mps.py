"""Attention is computed in slices where that is reported to give NaN."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import BY_NAME
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.scripts import Call


class AttentionSlicedOnMps(Rule):
    """`enable_attention_slicing()` on a pipeline in fp16 on mps, where it is reported to give NaN for its class.

    The path that computes slice by slice made all latents of SDXL NaN there. Without it, or in fp32, the picture is right. Told of
    the classes of the report, where the script itself moves the pipeline to mps, or --device says so.

    ```bad
    serve.py: |
        import torch
        from diffusers import StableDiffusionXLPipeline

        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        pipe.to("mps")
        pipe.enable_attention_slicing()
        pipe("a cat")
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        pipe.to("cuda")
        pipe.enable_attention_slicing()
        wide = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float32)
        wide.to("mps")
        wide.enable_attention_slicing()
        small = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", torch_dtype=torch.float16).to("mps")
        small.enable_attention_slicing()
    ```
    """

    code = "DT231"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for the call that switches it on, or that moves a pipeline to where it is bad."""
        pipe = call.target
        if call.means not in ("slices", "moves") or pipe is None or pipe.kind != "pipeline":
            return
        row = known.row("calls", ".enable_attention_slicing")
        bad = row["bad"]
        kind = known.row("devices", call.script.device).get("kind") if call.script.device else None
        there = kind == bad["kind"] or bad["kind"] in pipe.flags or call.means == "moves"
        sliced = call.means == "slices" or "sliced" in pipe.flags
        if there and sliced and pipe.klass in bad["pipelines"] and pipe.dtype.dtype is BY_NAME[bad["dtype"]]:
            yield self.finding(
                call.where,
                f"{pipe.label} ({pipe.klass}) is fp16 on {bad['kind']} and computes its attention in slices, reported to give NaN there",
                because=row["why"],
                fix=Fix("leave attention slicing off"),
                source=call.source,
            )
