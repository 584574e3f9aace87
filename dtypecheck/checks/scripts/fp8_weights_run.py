"""A model whose weights were cast to fp8 as a whole is run."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.scripts import Call, Thing
from ..told import maker, two_questions, when


class Fp8WeightsRun(Rule):
    """A model whose weights are all fp8 is run: no layer multiplies fp16 or bf16 by fp8.

    fp8 is a format to store weights in. enable_layerwise_casting stores in it and casts each layer while it runs; the quantisers have
    layers of their own. `.to(torch.float8_e4m3fn)` alone leaves a model that fails in its first layer, and
    from_pretrained(torch_dtype=torch.float8_e4m3fn) one that is fp8 too.

    ```bad
    serve.py: |
        import torch
        from diffusers import FluxPipeline

        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)
        pipe.transformer.to(torch.float8_e4m3fn)
        pipe("a cat")
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import FluxPipeline

        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)
        pipe.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
        pipe("a cat")
    ```
    """

    code = "DT224"
    severity = "error"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call of a model, or of a pipeline with such a part."""
        target = call.target
        if call.means not in ("forward", "run", "decode", "encode") or target is None or call.around or not call.sure:
            return
        for thing in (target, *_parts(target)):
            if thing.kind != "model" or thing.flags & {"touched", "quantised", "layerwise", "prepared"}:
                continue
            for case, dtype in thing.dtype.dtypes():
                if not isinstance(dtype, DType) or not dtype.is_float or dtype.bits != 8 or two_questions(case, call):
                    continue
                yield self.finding(
                    call.where,
                    f"the weights of {thing.label} are {dtype.short}, and no layer multiplies them by what it is given{when(case, call)}",
                    against=maker(thing, call),
                    says="mat1 and mat2 must have the same dtype, but got Half and Float8_e4m3fn",
                    fix=Fix(f"{thing.label}.enable_layerwise_casting(storage_dtype=..., compute_dtype=torch.bfloat16)"),
                    source=call.source,
                )
                return


def _parts(target: Thing) -> Iterator[Thing]:
    return (part for name in target.fields if (part := target.part(name)) is not None) if target.kind == "pipeline" else iter(())
