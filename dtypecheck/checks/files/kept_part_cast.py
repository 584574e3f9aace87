"""A single file is loaded in a half dtype, and the parts that its class keeps in fp32 elsewhere are cast with the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...loading.keep import keep_list
from ...rule import Rule
from ...subjects import Component


class KeptPartCast(Rule):
    """from_single_file casts also the parts that from_pretrained keeps in fp32 for this class.

    from_pretrained honours the class's keep-in-fp32 list; from_single_file ends with a plain `.to(dtype)`. A note, because
    many run these models so; if pictures come out wrong, this is the place to look. T5 encoders are an exception that
    diffusers handles itself.

    ```bad
    $ --dtype bfloat16
    wan.safetensors: head.modulation F32 1x2x4; blocks.0.norm3.weight F32 8; time_embedding.0.weight F32 4x4
    ```

    ```good
    $ --dtype bfloat16
    config.json: {"_class_name": "WanTransformer3DModel"}
    diffusion_pytorch_model.safetensors: blocks.0.norm2.weight F32 8; time_embedder.linear_1.weight F32 4x4; proj_out.weight F32 4x4
    ```
    """

    code = "DT120"
    severity = "note"
    in_gate = False

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """One finding for a component of a single file whose class has a keep list."""
        load = component.loads()
        if component.family != "single-file" or load.dtype is None or not component.pipeline.request.dtypes:
            return
        names = keep_list(replace(component, family="diffusers"), load.dtype, component.pipeline.request, known)
        if not names:
            return
        yield self.finding(
            component.loaded_from,
            f"the {component.label} ({component.klass}) is cast to {load.dtype.short} as a whole; from_pretrained would keep "
            f"{', '.join(names[:4])}{' and more' if len(names) > 4 else ''} in fp32",
            because="from_single_file ends with .to(dtype), which does not know the keep list",
            fix=Fix(f"load the model from its diffusers folder with torch_dtype=torch.{load.dtype.torch}"),
            source=f"{component.klass} {load.dtype.name}",
        )
