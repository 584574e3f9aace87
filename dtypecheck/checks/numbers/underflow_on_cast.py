"""Many weights are too small for the dtype they are loaded in: they become zero."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...dtypes import BF16, F16, DType
from ...findings import Finding
from ...knowledge import Knowledge
from ...loading.plan import parameter_dtype
from ...rule import Rule
from ...subjects.values import Numbers, Values
from ..tensors import is_weight, some, where

_MANY: Final = 0.5
_ALL: Final = 0.9
"""Shares of a weight's numbers that are not zero. Trained weights lose one in a million or so to fp16, which is nothing."""


class UnderflowOnCast(Rule):
    """Many weights are too small for the dtype they are loaded in: they become zero.

    fp16 holds nothing below 6e-8, and what is below 6e-5 with fewer digits. A few such numbers are in every model and do no harm.
    A note where half of a weight's numbers vanish in the dtype it is loaded in, a warning where nearly all of them do: that layer
    then does nothing. Looked at by `--values=full`.

    ```bad
    $ --dtype float16 --values full
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4 = 1e-9 -2e-9
    ```

    ```good
    $ --dtype float16 --values full
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4 = 0.5 1e-9 0 -0.2
    ```
    """

    code = "DT403"
    severity = "warning"

    def check(self, values: Values, known: Knowledge) -> Iterator[Finding]:
        """One finding for the weights that are loaded."""
        counted, component = values.shown, values.component
        if counted is None or not counted.chosen:
            return
        found: list[tuple[Numbers, float]] = []
        dtype: DType | None = None
        for numbers in counted.numbers:
            if not is_weight(numbers) or not any(cast.zero for cast in numbers.narrowed):
                continue
            loaded = parameter_dtype(component, numbers.key, numbers.dtype, component.pipeline.request, known)
            share = _share(numbers, loaded) if loaded in (F16, BF16) else 0.0
            if share >= _MANY:
                found.append((numbers, share))
                dtype = loaded
        if not found or dtype is None:
            return
        told = some([f"{numbers.key} ({share:.0%})" for numbers, share in found])
        yield self.finding(
            where(found[0][0]),
            f"{component.label} is loaded in {dtype.short}, in which most numbers of {len(found):,} weight{'s' * (len(found) != 1)} become zero: {told}",
            severity="warning" if any(share >= _ALL for _, share in found) else "note",
            because=f"the smallest number of {dtype.short} is {dtype.smallest:.1g}",
            source=" ".join(numbers.key for numbers, _ in found),
        )


def _share(numbers: Numbers, dtype: DType) -> float:
    """The share of the numbers of a weight that become zero. Zeros count as numbers: a weight that is mostly zeros is sparse."""
    cast = numbers.to(dtype)
    return cast.zero / numbers.elements if cast and numbers.elements else 0.0
