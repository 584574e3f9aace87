"""A GradScaler steps an optimizer whose parameters are fp16."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16
from ...findings import Finding
from ...knowledge import Knowledge
from ...subjects.scripts import Call, Thing, content
from ..trained import OfHalfTrained, half_trained


class ScalerWithHalfParameters(OfHalfTrained):
    """A GradScaler steps an optimizer whose parameters are fp16, and refuses their gradients.

    "Attempting to unscale FP16 gradients." Mixed precision wants fp32 parameters under autocast, not fp16 ones. accelerate brings a
    GradScaler of its own with `mixed_precision="fp16"`. Silent where adapters are fp32, and for bf16.

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

    ```bad
    train.py: |
        import torch
        from accelerate import Accelerator
        from diffusers import UNet2DConditionModel

        accelerator = Accelerator(mixed_precision="fp16")
        unet = UNet2DConditionModel.from_pretrained("runwayml/stable-diffusion-v1-5", subfolder="unet", torch_dtype=torch.float16)
        optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5)
        unet, optimizer = accelerator.prepare(unet, optimizer)
    ```

    ```good
    train.py: |
        import torch
        from accelerate import Accelerator
        from diffusers import UNet2DConditionModel

        accelerator = Accelerator(mixed_precision="bf16")
        unet = UNet2DConditionModel.from_pretrained("runwayml/stable-diffusion-v1-5", subfolder="unet", torch_dtype=torch.float16)
        optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5)
        unet, optimizer = accelerator.prepare(unet, optimizer)
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
        """One finding for scaler.step(optimizer), scaler.unscale_(optimizer) or accelerator.prepare(..., optimizer)."""
        found = half_trained(_optimizer(call), call)
        if found is None:
            return
        message = f"the parameters of {found.model.label} are fp16, and a GradScaler refuses their gradients"
        yield self.tell(call, found, message, says="ValueError: Attempting to unscale FP16 gradients.")


def _optimizer(call: Call) -> Thing | None:
    """The optimizer whose gradients will be unscaled."""
    owner = call.target
    if call.means == "steps" and owner is not None and owner.kind == "scaler":
        given = call.argument("optimizer", position=0)
        thing = content(given.value) if given and content(owner.fields.get("enabled")) is True else None
    elif call.means == "prepare" and owner is not None and owner.dtype.dtype is F16:
        things = [content(argument.value) for argument in call.arguments]
        thing = next((thing for thing in things if isinstance(thing, Thing) and thing.kind == "optimizer"), None)
    else:
        return None
    return thing if isinstance(thing, Thing) else None
