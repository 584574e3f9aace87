"""Weights stand at exactly 65504, the largest number of fp16: something clamped larger ones."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.values import Numbers, Values
from ..tensors import hold, is_mask, some, where


class SaturatedWeights(Rule):
    """Weights stand at exactly 65504, the largest number of fp16: something clamped larger ones.

    A number comes out at the very end of the range by chance once in a thousand files; a cast that clamps puts it there. The
    model ran with larger numbers before. Masks hold -65504 by design, and are let be.

    ```bad
    $ --values quick
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4 = 0.5 -65504
    ```

    ```good
    $ --values quick
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4 = 0.5 65472; causal_mask F16 4x4 = 0 -65504
    ```
    """

    code = "DT404"
    severity = "warning"

    def check(self, values: Values, known: Knowledge) -> Iterator[Finding]:
        """One finding for each set of weights that holds such numbers."""
        for counted in values.sets:
            found = [numbers for numbers in counted.numbers if _clamped(numbers)]
            if not found:
                continue
            told = some([f"{numbers.key} ({_clamped(numbers):,} of {numbers.elements:,})" for numbers in found])
            yield self.finding(
                where(found[0]),
                f"{values.component.label}: {hold(found, len(counted.numbers))} numbers at exactly 65504: {told}",
                because="that is the largest number of fp16, and what was larger was clamped to it",
                fix=Fix("take the bf16 or fp32 weights that this file was made of", lossless=True),
                source=" ".join(numbers.key for numbers in found),
            )


def _clamped(numbers: Numbers) -> int:
    return numbers.saturated + (0 if is_mask(numbers) else numbers.saturated_low)
