"""A dict of dtypes gives the parts of a pipeline dtypes between which it does not cast."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.scripts import Script
from ..clashes import clashes


class DtypeDictMixes(Rule):
    """A dict of dtypes gives the parts of a pipeline dtypes between which it does not cast.

    A part that the dict does not name gets its `default`, and fp32 where it has none: `{"transformer": torch.bfloat16}` leaves the
    text encoders in fp32. Names that are no part are ignored without a word.

    ```bad
    serve.py: |
        import torch
        from diffusers import QwenImagePipeline

        pipe = QwenImagePipeline.from_pretrained("Qwen/Qwen-Image", torch_dtype={"transformer": torch.bfloat16, "default": torch.float16})
        pipe("a cat")
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import WanPipeline

        pipe = WanPipeline.from_pretrained("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", torch_dtype={"vae": torch.float32, "default": torch.bfloat16})
        pipe("a cat")
    ```
    """

    code = "DT204"
    severity = "error"

    def check(self, script: Script, known: Knowledge) -> Iterator[Finding]:
        """One finding for each pipeline that is loaded so."""
        for clash in clashes(script, known):
            if clash.how == "dict" and clash.call is not None:
                argument = clash.call.argument("torch_dtype", "dtype")
                message = f"the dict of dtypes gives {clash.part} {clash.has.short} and the rest {clash.others.short}:"
                fix = f"give {clash.met.giver.name} and {clash.met.taker.name} one dtype"
                yield clash.told(self, clash.call, message, fix, script.text(argument.span) if argument else "")
