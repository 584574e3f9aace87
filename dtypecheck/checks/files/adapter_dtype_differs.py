"""An adapter is stored in another dtype than the base it is given with."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16, can_hold
from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Component, Pipeline

JOINS = ("controlnet", "vae", "image_encoder", "ip-adapter")


class AdapterDtypeDiffers(Rule):
    """An adapter (--adapter FILE) is stored in another dtype than the base it is used with is loaded in.

    A ControlNet or VAE is a model of its own: loaded without torch_dtype it stays in fp32 and crashes in a half pipeline, so
    the dtype has to be passed where it is loaded: a warning. LoRA weights are cast to the dtype of the layer they are put on:
    a note, and only where the cast can overflow or loses numbers.

    ```bad
    $ --dtype float16 --adapter lora.safetensors
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
    lora.safetensors: lora_unet_a.lora_down.weight BF16 4x4; lora_unet_a.lora_up.weight BF16 4x4
    ```

    ```good
    $ --dtype float16 --adapter lora.safetensors
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
    lora.safetensors: lora_unet_a.lora_down.weight F16 4x4; lora_unet_a.lora_up.weight F16 4x4
    ```
    """

    code = "DT116"
    severity = "warning"

    def check(self, pipeline: Pipeline, known: Knowledge) -> Iterator[Finding]:
        """One finding an adapter."""
        base = next((c for c in pipeline.components if c.role == "denoiser" and c.loads().dtype), None)
        base = base or next((c for c in pipeline.components if c.loads().dtype), None)
        dtype = base.loads().dtype if base else None
        for adapter in pipeline.adapters if base and dtype else ():
            stored = next((s.main for s in adapter.sets if s.main), None)
            if stored is None or dtype is None or base is None or stored is dtype:
                continue
            joins = adapter.role in JOINS
            if not joins and can_hold(dtype, stored):
                continue
            worst: Severity = "warning" if joins else "note"
            loss = "values above 65504 become inf" if dtype is F16 and not joins else "it is rounded"
            yield self.finding(
                adapter.loaded_from,
                f"the {_what(adapter)} is stored in {stored.short}, {base.label} is loaded in {dtype.short}",
                severity=worst,
                against=base.loaded_from,
                because="a model of its own keeps the dtype it was loaded in"
                if joins
                else f"it is cast to the layer's dtype: {loss}",
                fix=Fix(f"pass torch_dtype=torch.{dtype.torch} where it is loaded")
                if joins
                else Fix(f"load the base in {stored.short}"),
                source=f"{stored.name} {dtype.name}",
            )


def _what(adapter: Component) -> str:
    return {"lora": "LoRA", "embedding": "textual inversion", "ip-adapter": "IP-Adapter"}.get(
        adapter.role, adapter.role or "adapter"
    )
