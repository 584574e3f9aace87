"""An ignore gives no reason, and mutes nothing."""

from __future__ import annotations

from ...read.header import NO_REASON
from ..problem import OfKind


class IgnoreWithoutReason(OfKind):
    """An ignore gives no reason, or names no rule: it mutes nothing.

    Whoever reads it next year cannot know whether it still holds. Behind the brackets stands why the fault does no harm here:
    `# dtypecheck: ignore[DT201] the latents are scaled down first`.

    ```bad
    serve.py: |
        import torch
        from diffusers import AutoencoderKL
        vae = AutoencoderKL.from_pretrained("vae", torch_dtype=torch.float16)  # dtypecheck: ignore[DT201]
    ```

    ```bad
    serve.py: |
        import torch
        from diffusers import AutoencoderKL
        vae = AutoencoderKL.from_pretrained("vae", torch_dtype=torch.float16)  # dtypecheck: ignore
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import StableDiffusionXLPipeline
        # dtypecheck: ignore[dtype-as-text] the version that we serve with understands it
        pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", torch_dtype="torch.float16")
    ```
    """

    code = "DT016"
    severity = "note"
    kind = NO_REASON
    remedy = "write # dtypecheck: ignore[CODE] and the reason behind it"
