"""A quantised component computes in another dtype than the one the pipeline is loaded in."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Component


class QuantisedComputeDiffers(Rule):
    """A quantised component computes in another dtype than the one it is loaded in.

    bitsandbytes computes in `bnb_4bit_compute_dtype` (float32 by default) and casts in and out of every layer: slow. GGUF
    layers compute in `compute_dtype`, and the parts that are not packed get the dtype asked for: mixed.

    ```bad
    $ --dtype float16
    config.json: {"architectures": ["LlamaForCausalLM"], "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_compute_dtype": "float32"}}
    model.safetensors: model.layers.0.mlp.up_proj.weight U8 8x1; model.norm.weight F16 8
    ```

    ```good
    $ --dtype float16
    config.json: {"architectures": ["LlamaForCausalLM"], "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_compute_dtype": "float16"}}
    model.safetensors: model.layers.0.mlp.up_proj.weight U8 8x1; model.norm.weight F16 8
    ```
    """

    code = "DT115"
    severity = "warning"

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """One finding for a component whose packing names a compute dtype that is not the loaded one."""
        packed, dtype = component.quantised, component.loads().dtype
        if packed is None or packed.compute is None or dtype is None or packed.compute.dtype is dtype:
            return
        if not component.pipeline.request.dtypes:
            return
        compute = packed.compute
        yield self.finding(
            compute.where,
            f"{component.label} is packed by {packed.method} and computes in {compute.dtype.short}, the rest is loaded in {dtype.short}",
            against=component.loaded_from,
            because="activations are cast into the compute dtype and back at every packed layer",
            fix=Fix(f"quantise with a compute dtype of {dtype.short}"),
            source=f"{compute.dtype.name} {dtype.name}",
        )
