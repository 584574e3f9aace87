"""diffusers is given a dtype as a string, which it turns into fp32."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F32, parse
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import words
from ...subjects.scripts import Call


class DtypeAsText(Rule):
    """diffusers is given a dtype as a string, and loads in fp32.

    `torch_dtype="float16"` is what transformers takes. diffusers takes a torch.dtype, or a dict of them for a pipeline; for anything
    else it logs a line and loads in fp32: twice the memory, and a crash where it meets parts in half precision. `"auto"` is a string
    too. Silent for transformers, and for `"float32"`, which comes out right.

    ```bad
    serve.py: |
        from diffusers import DiffusionPipeline

        pipe = DiffusionPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype="float16")
    ```

    ```bad
    serve.py: |
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae", torch_dtype="auto")
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import DiffusionPipeline
        from transformers import AutoModel

        model = AutoModel.from_pretrained("google/gemma-2-2b", torch_dtype="float16")
        pipe = DiffusionPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=getattr(torch, "float16"))
    ```
    """

    code = "DT202"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call of diffusers that is given a string."""
        made = call.result
        if call.means != "load" or made is None or made.library != "diffusers":
            return
        argument = call.argument("dtype") or call.argument("torch_dtype")
        for case, content in argument.value.ways if argument else ():
            if not isinstance(content, str) or parse(content) is F32:
                continue
            meant = parse(content)
            when = f" (when {words(case)})" if case else ""
            advice = f"pass torch.{meant.torch}" if meant else "name a torch.dtype, such as torch.bfloat16"
            yield self.finding(
                call.where,
                f"{made.klass or 'diffusers'} is given the text {content!r} as a dtype and loads in fp32{when}",
                because="diffusers takes a torch.dtype; for anything else it logs one line and takes fp32",
                fix=Fix(advice),
                source=call.source,
            )
            return
