"""A variant file is stored in another dtype than its name says."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import can_hold, parse
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Component


class VariantNameLies(Rule):
    """A variant file is stored in another dtype than its name says.

    Who asks for `variant="fp16"` wants the bytes and the numbers of fp16. Stored wider than named costs bytes: a note.
    Stored in a dtype that the named one's numbers do not fit is a warning: numbers were lost when it was written.

    ```bad
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.fp32.safetensors: conv_in.weight F16 4x4
    diffusion_pytorch_model.safetensors: conv_in.weight F32 4x4
    ```

    ```good
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.fp16.safetensors: conv_in.weight F16 4x4
    diffusion_pytorch_model.non_ema.safetensors: conv_in.weight F32 4x4
    diffusion_pytorch_model.safetensors: conv_in.weight F32 4x4
    ```
    """

    code = "DT103"
    severity = "warning"

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """One finding for each variant of the component whose main dtype is not the one it is named after."""
        for weights in component.sets:
            named, stored = parse(weights.variant or ""), weights.main
            if named is None or stored is None or named is stored or component.quantised or not (named.is_wide or stored.is_wide):
                continue
            wider = can_hold(stored, named)
            extra = (
                f", {weights.nbytes - named.nbytes(weights.nbytes * 8 // stored.bits):,} bytes more than named" if wider else ""
            )
            yield self.finding(
                weights.where,
                f"the {weights.variant} variant of {component.label} is stored in {stored.short}{extra}",
                severity="note" if wider else "warning",
                fix=Fix(f"store it in {named.short}, or name it after {stored.short}", lossless=not wider),
                source=f"{named.name} {stored.name}",
            )
