"""Weights are NaN or inf in the file: whatever they touch becomes NaN."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.values import Counted, Numbers, Values
from ..tensors import hold, is_mask, some, where


class WeightsNotFinite(Rule):
    """Weights are NaN or inf in the file: whatever they touch becomes NaN.

    A training that diverged, a merge of two models, or a cast to fp16 of numbers above 65504 leaves them behind. Masks hold -inf
    by design, and are let be.

    ```bad
    $ --values quick
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4 = 0.5 nan; decoder.conv_in.bias F16 4 = inf 1
    ```

    ```good
    $ --values quick
    config.json: {"architectures": ["CLIPTextModel"]}
    model.safetensors: attn_mask F16 4x4 = 0 -inf; text_model.final_layer_norm.weight F16 4 = 1 2
    ```
    """

    code = "DT401"
    severity = "error"

    def check(self, values: Values, known: Knowledge) -> Iterator[Finding]:
        """One finding for each set of weights that holds such numbers."""
        for counted in values.sets:
            found = [numbers for numbers in counted.numbers if _is_broken(numbers)]
            if not found:
                continue
            told = some([f"{numbers.key} ({_what(numbers)} of {numbers.elements:,})" for numbers in found])
            yield self.finding(
                where(found[0]),
                f"{values.component.label}: {hold(found, len(counted.numbers))} NaN or inf: {told}",
                because="a number that is not finite spreads to everything that is computed with it",
                fix=Fix(_instead(values, found), lossless=False),
                source=" ".join(numbers.key for numbers in found),
            )


def _is_broken(numbers: Numbers) -> bool:
    return bool(numbers.nan or numbers.inf or (numbers.low_inf and not is_mask(numbers)))


def _what(numbers: Numbers) -> str:
    parts = ((numbers.nan, "NaN"), (numbers.inf, "inf"), (numbers.low_inf, "-inf"))
    return ", ".join(f"{amount:,} {word}" for amount, word in parts if amount)


def _instead(values: Values, found: list[Numbers]) -> str:
    """Other weights of the same component that have finite numbers, where there are some."""
    keys = {numbers.key for numbers in found}
    for counted in values.sets:
        if _has_all(counted, keys):
            return f"load {counted.weights.where.path}, where these are finite"
    return "take the file from its publisher again and compare the sha256; it may be broken there as well"


def _has_all(counted: Counted, keys: set[str]) -> bool:
    finite = {numbers.key for numbers in counted.numbers if numbers.finite}
    return keys <= finite
