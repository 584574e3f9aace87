"""TF32 is switched on in a script in which nothing runs in fp32."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ...dtypes import BF16, F16, F32, DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge, Row
from ...loading.keep import keep_list
from ...rule import Rule
from ...subjects import Component, Request
from ...subjects.cases import UNKNOWN, Value
from ...subjects.scripts import Call, Script, Thing, content

_MAY_BE_WIDE: Final = re.compile(
    r"float32\b(?!_matmul)|fp32\b(?!_precision)|float64|\.float\(\)|\.double\(\)|\bnn\.|backward\(|optim|[Tt]rain(?:er|ing|able|\(|_)|upcast|torch\.load|load_state_dict"
    r"|matmul\(|einsum|conv[123]d\("
)
"""Words of scripts in which something may run in fp32 that the reading of calls does not show."""


class Tf32WithoutFp32(Rule):
    """TF32 is switched on, and every model of the script is loaded in a half dtype: it changes nothing.

    TF32 is a way to multiply fp32. Products in fp16 and bf16 have their own; their speed and results stay as they are. Silent as
    soon as anything is fp32, may be, or is trained, and for classes that keep parts in fp32 or run their VAE in it.

    ```bad
    serve.py: |
        import torch
        from diffusers import StableDiffusionPipeline

        torch.backends.cuda.matmul.allow_tf32 = True
        pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", torch_dtype=torch.float16).to("cuda")
        pipe("a cat")
    ```

    ```bad
    serve.py: |
        import torch
        from diffusers import FluxPipeline

        torch.set_float32_matmul_precision("high")
        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import StableDiffusionXLPipeline

        torch.backends.cuda.matmul.allow_tf32 = True
        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        pipe("the VAE runs in fp32")
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import AutoencoderKL, StableDiffusionPipeline

        torch.set_float32_matmul_precision("high")
        vae = AutoencoderKL.from_pretrained("stabilityai/sd-vae-ft-mse")
        pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", torch_dtype=torch.float16)
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import StableDiffusionPipeline

        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", torch_dtype=torch.float16)
    ```
    """

    code = "DT229"
    severity = "note"

    def check(self, script: Script, known: Knowledge) -> Iterator[Finding]:
        """One finding for the first call that switches it on."""
        switches = [call for call in script.calls if call.means == "tf32" and _is_on(call, known)]
        if not switches or any(map(_MAY_BE_WIDE.search, script.texts.values())):
            return
        things = [*_things(script)]
        if not things or not all(_is_half(thing, known) for thing in things):
            return
        call = switches[0]
        used = sorted({dtype.short for thing in things for _, dtype in thing.dtype.dtypes()})
        yield self.finding(
            call.where,
            f"TF32 is switched on, and everything here runs in {' and '.join(used)}: it changes nothing",
            because=str(_row(call, known).get("why", "")),
            fix=Fix("leave it out"),
            source=call.source,
        )


def _row(call: Call, known: Knowledge) -> Row:
    return next((row for header, row in known.all("calls") if call.what in row.get("names", (header,))), {})


def _is_on(call: Call, known: Knowledge) -> bool:
    value = content(call.arguments[0].value) if call.arguments else UNKNOWN
    return any(type(value) is type(one) and value == one for one in _row(call, known).get("on", ()))


def _things(script: Script) -> Iterator[Thing]:
    """Every model and pipeline of the script, as each call left it; every tensor whose dtype is known."""
    for call in script.calls:
        for thing in (call.target, call.result, *(content(argument.value) for argument in call.arguments)):
            if not isinstance(thing, Thing):
                continue
            if thing.kind in _WITH_DTYPES or (thing.kind == "tensor" and thing.dtype.dtype is F32):
                yield thing
    for thing, _ in script.pipelines:
        yield thing
        yield from (part for name in thing.fields if (part := thing.part(name)) is not None and part.kind == "model")


_WITH_DTYPES: Final = ("model", "pipeline", "optimizer", "scaler", "accelerator", "autocast", "quantiser", "training_arguments")


def _is_half(thing: Thing, known: Knowledge) -> bool:
    """True for a model or pipeline that runs in half precision as a whole, its glue and the parts that its classes keep included."""
    if thing.kind not in ("model", "pipeline") or thing.flags & {"touched", "quantised", "adapted", "trained", "layerwise"}:
        return False
    if not _only_half(thing.dtype) or thing.klass is None:
        return False
    row = known.row("pipelines", thing.klass)
    if thing.kind == "pipeline" and (not row or "upcast" in row.get("decode", "").split("+")):
        return False
    classes = list(row.get("components", {}).values()) if thing.kind == "pipeline" else [thing.klass]
    halves = [dtype for _, dtype in thing.dtype.dtypes()]
    return not any(_keeps(klass, dtype, known) for name in classes for klass in name.split(" | ") for dtype in halves)


def _only_half(value: Value) -> bool:
    return all(isinstance(content, DType) and content in (F16, BF16) for _, content in value.ways)


def _keeps(klass: str, dtype: DType, known: Knowledge) -> bool:
    """True for a class that keeps parts in fp32."""
    parts = [Component("", "", klass, family, "other") for family in ("diffusers", "transformers")]
    return any(keep_list(part, dtype, Request(), known) for part in parts)
