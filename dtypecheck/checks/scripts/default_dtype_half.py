"""torch's default dtype is set to a half one."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.scripts import Call, content


class DefaultDtypeHalf(Rule):
    """torch's default dtype is set to a half one: every tensor that is made without a dtype is half from there on.

    That is more than the weights: the sigmas of schedulers, tables of positions, masks and noise. It does not choose the dtype of
    from_pretrained of diffusers, which loads in fp32 where none is named.

    ```bad
    serve.py: |
        import torch
        from diffusers import DiffusionPipeline

        torch.set_default_dtype(torch.float16)
        pipe = DiffusionPipeline.from_pretrained("x")
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import DiffusionPipeline

        torch.set_default_dtype(torch.float32)
        pipe = DiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16)
    ```
    """

    code = "DT226"
    severity = "note"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for the call that sets it."""
        given = call.argument("d", position=0)
        dtype = content(given.value) if given else None
        if call.means != "default_dtype" or not isinstance(dtype, DType) or not dtype.is_half:
            return
        yield self.finding(
            call.where,
            f"every tensor that is made without a dtype is {dtype.short} from here on, schedules and tables of positions too",
            because="diffusers takes no notice of it where it loads: without a dtype it loads in fp32",
            fix=Fix(f"name torch.{dtype.torch} where a model is loaded, and leave the default"),
            source=call.source,
        )
