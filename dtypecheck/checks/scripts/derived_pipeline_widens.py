"""from_pipe without a dtype casts the parts of both pipelines to fp32."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.scripts import Call


class DerivedPipelineWidens(Rule):
    """`from_pipe` without a dtype casts the parts of both pipelines to fp32.

    The new pipeline shares the parts of the old one, and diffusers casts them all, to fp32 unless a dtype is named: twice the memory,
    and the old pipeline is in fp32 too. Silent for AutoPipelineFor..., whose from_pipe casts nothing.

    ```bad
    serve.py: |
        import torch
        from diffusers import StableDiffusionPipeline, StableDiffusionSAGPipeline

        pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", torch_dtype=torch.float16)
        sag = StableDiffusionSAGPipeline.from_pipe(pipe)
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import AutoPipelineForImage2Image, StableDiffusionPipeline, StableDiffusionSAGPipeline

        pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", torch_dtype=torch.float16)
        sag = StableDiffusionSAGPipeline.from_pipe(pipe, torch_dtype=torch.float16)
        other = AutoPipelineForImage2Image.from_pipe(pipe)
    ```
    """

    code = "DT212"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call that derives a pipeline from one in half precision."""
        old, made = call.target, call.result
        if call.means != "derive" or old is None or made is None or made.klass is None or old.kind != "pipeline":
            return
        if call.argument("torch_dtype", "dtype", "**") is not None:
            return
        if not known.row("pipelines", made.klass) and known.row("calls", made.klass).get("means") != "pipelines":
            return
        half = next((dtype for _, dtype in old.dtype.dtypes() if dtype.is_half), None)
        if half is None:
            return
        yield self.finding(
            call.where,
            f"{made.klass}.from_pipe is given no dtype, and casts all parts of {old.label} from {half.short} to fp32",
            against=call.script.calls[old.loader].where if old.loader is not None else None,
            because="it ends with .to(dtype=torch.float32), and both pipelines share their parts",
            fix=Fix(f"add torch_dtype=torch.{half.torch}"),
            source=call.source,
        )
