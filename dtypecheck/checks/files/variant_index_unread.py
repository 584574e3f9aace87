"""A variant's index has a name that no loader looks for."""

from __future__ import annotations

from collections.abc import Iterator

from ...edits import Rename
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Component


class VariantIndexUnread(Rule):
    """The index of a sharded variant has a name that no loader looks for.

    diffusers and transformers put the variant before the last suffix: `model.safetensors.index.fp16.json`. With
    `model.fp16.safetensors.index.json` the variant is seen but its weights are not found, and loading it stops.

    ```bad
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.fp16.safetensors.index.json: {"weight_map": {"a": "diffusion_pytorch_model.fp16-00001-of-00001.safetensors"}}
    diffusion_pytorch_model.fp16-00001-of-00001.safetensors: a F16 4
    diffusion_pytorch_model.safetensors: a F32 4
    ```

    ```good
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.safetensors.index.fp16.json: {"weight_map": {"a": "diffusion_pytorch_model.fp16-00001-of-00001.safetensors"}}
    diffusion_pytorch_model.fp16-00001-of-00001.safetensors: a F16 4
    diffusion_pytorch_model.safetensors: a F32 4
    ```
    """

    code = "DT121"
    severity = "warning"

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """One finding an index."""
        for weights in component.sets:
            if weights.index is None or weights.spelling != "unread":
                continue
            name = f"{weights.stem}.{weights.format}.index.{weights.variant}.json"
            yield self.finding(
                weights.where,
                f"no loader looks for this index of {component.label}; the variant {weights.variant} does not load",
                because=f"the name that is looked for is {name}",
                fix=Fix(f"rename it to {name}", True, (Rename(weights.index, name),)),
                source=name,
            )
