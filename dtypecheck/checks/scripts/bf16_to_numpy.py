"""A bf16 tensor is handed to numpy, which has no bf16."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import BF16
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import words
from ...subjects.scripts import Call


class Bf16ToNumpy(Rule):
    """`.numpy()` on a bf16 tensor raises a TypeError: numpy has no bf16.

    A cast behind it, `.numpy().astype("float32")`, comes too late.

    ```bad
    decode.py: |
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("stabilityai/sd-vae-ft-mse", torch_dtype=torch.bfloat16)
        image = vae.decode(torch.randn(1, 4, 64, 64, dtype=torch.bfloat16)).sample
        pixels = image.cpu().permute(0, 2, 3, 1).numpy()
    ```

    ```good
    decode.py: |
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("stabilityai/sd-vae-ft-mse", torch_dtype=torch.bfloat16)
        image = vae.decode(torch.randn(1, 4, 64, 64, dtype=torch.bfloat16)).sample
        pixels = image.float().cpu().permute(0, 2, 3, 1).numpy()
    ```
    """

    code = "DT207"
    severity = "error"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call of .numpy()."""
        if call.means != "numpy" or call.target is None:
            return
        case = next((case for case, dtype in call.target.dtype.dtypes() if dtype is BF16), None)
        if case is None:
            return
        when = f" (when {words(frozenset(sorted(case - call.case)[:2]))})" if case - call.case else ""
        maker = call.script.call(call.target.caster if call.target.caster is not None else call.target.loader)
        yield self.finding(
            call.where,
            f"{call.target.label} is bf16 here, and numpy has no bf16{when}",
            against=maker.where if maker and maker.where != call.where else None,
            says="TypeError: Got unsupported ScalarType BFloat16",
            fix=Fix("cast before it: .float().numpy()"),
            source=call.source,
        )
