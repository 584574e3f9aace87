"""Whole weights are zero: the layers they belong to give zeros, whatever goes in."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.values import Numbers, Values
from ..tensors import begins_as_zeros, hold, is_weight, some, where

_BEGIN_AS_ZEROS = ("controlnet", "lora", "ip-adapter", "embedding")
"""Roles of components that change nothing before they are trained."""


class DeadWeights(Rule):
    """Whole weights are zero: the layers they belong to give zeros, whatever goes in.

    Biases may be zero, and so may what is made to begin at zero: a ControlNet's last convolutions, the second half of a LoRA,
    the gates of a transformer. A matrix or a kernel that is all zeros elsewhere was cut away on purpose, became zero in a cast, or
    was never trained or saved.

    ```bad
    $ --values quick
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4 = 0; decoder.mid.weight F16 4x4 = 1; decoder.norm.weight F16 4 = 1
    ```

    ```good
    $ --values quick
    config.json: {"_class_name": "ControlNetModel"}
    diffusion_pytorch_model.safetensors: controlnet_down_blocks.0.weight F16 4x4 = 0; mid.weight F16 4x4 = 1; mid.bias F16 4 = 0
    ```
    """

    code = "DT407"
    severity = "note"

    def check(self, values: Values, known: Knowledge) -> Iterator[Finding]:
        """One finding for each set of weights; none where nearly all of it is zero, which is another rule's."""
        if values.component.role in _BEGIN_AS_ZEROS or values.component.family == "adapter":
            return
        for counted in values.sets:
            weights = [numbers for numbers in counted.numbers if is_weight(numbers)]
            found = [numbers for numbers in weights if _died(numbers)]
            if not found or 2 * len(found) > len(weights):
                continue
            yield self.finding(
                where(found[0]),
                f"{values.component.label}: {hold(found, len(counted.numbers))} nothing but zeros: {some([n.key for n in found])}",
                source=" ".join(numbers.key for numbers in found),
            )


def _died(numbers: Numbers) -> bool:
    return numbers.dead and not begins_as_zeros(numbers.key)
