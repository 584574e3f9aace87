"""A GradScaler steps an optimizer whose parameters are fp16."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import words
from ...subjects.scripts import Call, Thing, content


class ScalerWithHalfParameters(Rule):
    """A GradScaler steps an optimizer whose parameters are fp16, and refuses their gradients.

    "Attempting to unscale FP16 gradients." Mixed precision wants fp32 parameters under autocast, not fp16 ones. Silent where
    adapters were added, whose parameters have a dtype of their own, and for bf16.

    ```bad
    train.py: |
        import torch
        from diffusers import UNet2DConditionModel

        unet = UNet2DConditionModel.from_pretrained("runwayml/stable-diffusion-v1-5", subfolder="unet", torch_dtype=torch.float16)
        optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5)
        scaler = torch.amp.GradScaler("cuda")
        for batch in batches:
            scaler.scale(loss_of(batch)).backward()
            scaler.step(optimizer)
    ```

    ```good
    train.py: |
        import torch
        from diffusers import UNet2DConditionModel

        unet = UNet2DConditionModel.from_pretrained("runwayml/stable-diffusion-v1-5", subfolder="unet")
        optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5)
        scaler = torch.amp.GradScaler("cuda")
        for batch in batches:
            scaler.scale(loss_of(batch)).backward()
            scaler.step(optimizer)
    ```
    """

    code = "DT209"
    severity = "error"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for scaler.step(optimizer) or scaler.unscale_(optimizer)."""
        given = call.argument("optimizer", position=0)
        if call.means != "steps" or call.target is None or call.target.kind != "scaler" or given is None:
            return
        optimizer = content(given.value)
        parameters = optimizer.part("params") if isinstance(optimizer, Thing) else None
        model = parameters.part("of") if parameters else None
        if model is None or model.flags & {"touched", "adapted", "prepared", "quantised"}:
            return
        if content(call.target.fields.get("enabled")) is not True:
            return
        case = next((case for case, dtype in model.dtype.dtypes() if dtype is F16), None)
        if case is None:
            return
        when = f" (when {words(frozenset(sorted(case - call.case)[:2]))})" if case - call.case else ""
        maker = call.script.call(model.caster if model.caster is not None else model.loader)
        yield self.finding(
            call.where,
            f"the parameters of {model.label} are fp16, and a GradScaler refuses their gradients{when}",
            against=maker.where if maker else None,
            says="ValueError: Attempting to unscale FP16 gradients.",
            fix=Fix(f"keep {model.label} in fp32 and train under torch.autocast"),
            source=call.source,
        )
