"""An optimizer is given fp16 parameters to train."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding
from ...knowledge import Knowledge
from ...subjects.scripts import Call
from ..trained import OfHalfTrained, half_trained


class HalfParametersTrained(OfHalfTrained):
    """An optimizer is given the parameters of a model that is fp16.

    Without parameters in fp32 behind them, small updates are lost, and the `eps` of Adam, 1e-8, is 0 in fp16: the first gradient of
    0 gives NaN. Under accelerate's fp16 the step is refused: "Attempting to unscale FP16 gradients." Silent for bf16, which many
    train in, and for adapters that are fp32; `add_adapter` makes them in the dtype of the model, `.half()` and `.to(torch.float16)` cast
    them too.

    ```bad
    train.py: |
        import torch
        from transformers import CLIPTextModel

        encoder = CLIPTextModel.from_pretrained("openai/clip-vit-large-patch14", torch_dtype=torch.float16)
        optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-4)
    ```

    ```bad
    train.py: |
        import torch
        from diffusers import UNet2DConditionModel
        from peft import LoraConfig

        unet = UNet2DConditionModel.from_pretrained("runwayml/stable-diffusion-v1-5", subfolder="unet", torch_dtype=torch.float16)
        unet.requires_grad_(False)
        unet.add_adapter(LoraConfig(r=4))
        optimizer = torch.optim.AdamW([p for p in unet.parameters() if p.requires_grad], lr=1e-4)
    ```

    ```good
    train.py: |
        import torch
        from diffusers import UNet2DConditionModel
        from diffusers.training_utils import cast_training_params
        from peft import LoraConfig

        unet = UNet2DConditionModel.from_pretrained("runwayml/stable-diffusion-v1-5", subfolder="unet", torch_dtype=torch.float16)
        unet.add_adapter(LoraConfig(r=4))
        cast_training_params(unet, dtype=torch.float32)
        optimizer = torch.optim.AdamW(list(filter(lambda p: p.requires_grad, unet.parameters())), lr=1e-4)
    ```

    ```good
    train.py: |
        import torch
        from transformers import CLIPTextModel

        encoder = CLIPTextModel.from_pretrained("openai/clip-vit-large-patch14", torch_dtype=torch.float16).float()
        optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-4)
        other = CLIPTextModel.from_pretrained("openai/clip-vit-large-patch14", torch_dtype=torch.bfloat16)
        more = torch.optim.AdamW(other.parameters(), lr=1e-4)
    ```
    """

    code = "DT214"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for an optimizer."""
        found = half_trained(call.result, call) if call.means == "optimizer" else None
        if found is None:
            return
        yield self.tell(
            call,
            found,
            f"{call.what.rpartition('.')[2]} trains the fp16 parameters of {found.model.label}",
            ", or train it in bf16",
            because="fp16 parameters lose small updates, and an eps of 1e-8 is 0 in fp16",
        )
