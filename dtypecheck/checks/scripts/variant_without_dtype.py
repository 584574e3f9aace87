"""A variant, or a revision, that is named after a dtype is taken for a dtype."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F32, DType, parse
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import words
from ...subjects.scripts import Call


class VariantWithoutDtype(Rule):
    """A variant or revision named after a dtype chooses files, not the dtype.

    `variant="fp16"` picks the files; without a dtype diffusers then widens them to fp32, and transformers keeps its parts as they
    are stored, so that a pipeline mixes both (a note for a single model, which is all fp32 then). `revision="fp16"` names a branch, which repositories no longer have. A variant in one
    half dtype that is asked for in the other loses what the first cannot hold: a note.

    ```bad
    serve.py: |
        from diffusers import StableDiffusionXLPipeline

        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", variant="fp16")
    ```

    ```bad
    serve.py: |
        import torch
        from diffusers import StableDiffusionPipeline

        pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", revision="fp16", torch_dtype=torch.float16)
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import StableDiffusionXLPipeline

        pipe = StableDiffusionXLPipeline.from_pretrained(
            "stabilityai/stable-diffusion-xl-base-1.0", variant="fp16", torch_dtype=torch.float16
        )
    ```
    """

    code = "DT211"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """At most one finding for a call that loads."""
        if call.means != "load" or call.result is None or call.result.library != "diffusers" or call.argument("**"):
            return
        for name in ("variant", "revision"):
            argument = call.argument(name)
            for case, text in argument.value.ways if argument else ():
                meant = parse(text) if isinstance(text, str) else None
                if meant is None or not meant.is_half:
                    continue
                if found := self._told(call, name, meant):
                    message, advice, note = found
                    when = f" (when {words(case - call.case)})" if case - call.case else ""
                    severity = "note" if note else self.severity
                    yield self.finding(call.where, message + when, severity=severity, fix=Fix(advice), source=call.source)
                    return

    def _told(self, call: Call, name: str, meant: DType) -> tuple[str, str, bool] | None:
        """What to say, what to do, and whether it is but a note."""
        asked = call.argument("dtype") or call.argument("torch_dtype")
        klass = call.result.klass if call.result and call.result.klass else "diffusers"
        if asked is None:
            what = f'{klass} is loaded with {name}="{meant.short}" and no dtype: the parts of diffusers become fp32'
            return what, f"add torch_dtype=torch.{meant.torch}", call.result is None or call.result.kind == "model"
        if name == "revision":
            return f'revision="{meant.short}" names a branch, not a dtype', f'take variant="{meant.short}"', False
        dtype = asked.value.dtype
        if dtype is None or dtype is meant or dtype is F32:
            return None
        return f'variant="{meant.short}" is read and cast to {dtype.short}', f'take variant="{dtype.short}", or none', True
