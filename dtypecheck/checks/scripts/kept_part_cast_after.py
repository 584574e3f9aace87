"""A model whose class keeps parts in fp32 is cast to a half dtype after it was loaded, and these parts with it."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import BF16, F16, DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...loading.keep import keep_list
from ...rule import Rule
from ...subjects import Component, Request
from ...subjects.cases import ALWAYS
from ...subjects.scripts import Call, Thing
from ..clashes import label
from ..held import role_of_part
from ..told import when


class KeptPartCastAfter(Rule):
    """A model is cast to a half dtype after loading, with the parts that from_pretrained keeps in fp32 for its class.

    `from_pretrained(torch_dtype=torch.float16)` leaves what the class names in fp32: `wo` of T5, norms and modulations of video
    transformers. `.half()`, `.to(torch.float16)` and `pipe.to(torch.float16)` know nothing of that and cast everything. T5 in fp16
    then overflows, and pictures turn to noise.

    ```bad
    encode.py: |
        import torch
        from transformers import T5EncoderModel

        encoder = T5EncoderModel.from_pretrained("google/t5-v1_1-xxl").half()
    ```

    ```bad
    serve.py: |
        import torch
        from diffusers import FluxPipeline

        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-schnell", torch_dtype=torch.bfloat16)
        pipe.to(torch.float16)
    ```

    ```good
    encode.py: |
        import torch
        from transformers import CLIPTextModel, T5EncoderModel

        encoder = T5EncoderModel.from_pretrained("google/t5-v1_1-xxl", torch_dtype=torch.float16).to("cuda")
        other = CLIPTextModel.from_pretrained("openai/clip-vit-large-patch14").half()
        wide = T5EncoderModel.from_pretrained("google/t5-v1_1-xxl", torch_dtype=torch.float16).float()
    ```
    """

    code = "DT205"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a cast, about the first class that it hurts."""
        made, target = call.result, call.target
        if call.means != "cast" or not call.sure or made is None or target is None or target.kind not in ("model", "pipeline"):
            return
        case, dtype = next(((case, found) for case, found in made.dtype.dtypes() if found in (F16, BF16)), (ALWAYS, None))
        if (
            dtype is None
            or "quantised" in target.flags
            or target.loader is None
            or call.script.calls[target.loader].means != "load"
        ):
            return
        for name, klass in _classes(target, known):
            names = _kept(name, klass, dtype, known)
            if not names or (target.kind == "pipeline" and _quantised(target, name)):
                continue
            listed = f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"
            which = f"{name} ({klass}) of {label(target)}" if target.kind == "pipeline" else label(target)
            yield self.finding(
                call.where,
                f"{which} is cast to {dtype.short} as a whole; from_pretrained would keep {listed} in fp32{when(case, call)}",
                against=call.script.calls[target.loader].where,
                because="a cast of a module knows nothing of the parts that its class keeps in fp32",
                fix=Fix(
                    f"name the dtype where it is loaded, from_pretrained(..., torch_dtype=torch.{dtype.torch}), and do not cast"
                ),
                source=call.source,
            )
            return


def _quantised(pipeline: Thing, name: str) -> bool:
    part = pipeline.part(name)
    return name in pipeline.fields and (part is None or "quantised" in part.flags)


def _classes(target: Thing, known: Knowledge) -> Iterator[tuple[str, str]]:
    """The class of a model, or those of the parts of a pipeline that its rows name."""
    if target.kind == "model":
        if target.klass:
            yield target.name, target.klass
        return
    for name, klass in known.row("pipelines", target.klass or "").get("components", {}).items():
        part = target.part(name)
        found = part.klass if part else klass
        if found and " | " not in found and role_of_part(name, found, known) not in ("safety_checker", "weightless"):
            yield name, found


def _kept(name: str, klass: str, dtype: DType, known: Knowledge) -> tuple[str, ...]:
    """What the newest libraries keep of a class."""
    return tuple(
        found
        for family in ("diffusers", "transformers")
        for found in keep_list(Component(name, "", klass, family, "other"), dtype, Request(), known)
    )
