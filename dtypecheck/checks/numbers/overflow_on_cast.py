"""Weights are too large for the dtype they are loaded in: they become inf."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import BF16, F16, F32, DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...loading.plan import parameter_dtype
from ...rule import Rule
from ...subjects import Pipeline
from ...subjects.values import Counted, Numbers, Values
from ..tensors import hold, is_mask, some, where
from ..what_if import runs
from ..words import amount


class OverflowOnCast(Rule):
    """Weights are too large for the dtype they are loaded in: they become inf.

    fp16 ends at 65504; what is 65520 or more rounds to inf. An error where the load plan casts these weights so. Where it does
    not, a note: asking for float16 would break this component.

    ```bad
    $ --dtype float16 --values quick
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4 = 0.5 70000
    ```

    ```good
    $ --dtype float16 --values quick
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4 = 0.5 65519
    ```

    ```good
    $ --dtype bfloat16 --values quick
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4 = 0.5 60000
    ```
    """

    code = "DT402"
    severity = "error"

    def check(self, values: Values, known: Knowledge) -> Iterator[Finding]:
        """One finding for the weights that are loaded; of others only where those are not known."""
        counted = values.shown
        large = [numbers for numbers in counted.numbers if numbers.overflow and not is_mask(numbers)] if counted else []
        if counted is None or not large:
            return
        for dtype in (F16, BF16):
            found = [numbers for numbers in large if _lost(numbers, dtype) and _loaded(values, counted, numbers, known) is dtype]
            if found:
                yield self._finding(values, counted, found, dtype, known)
                return
        yield self._finding(values, counted, large, None, known)

    def _finding(self, values: Values, counted: Counted, found: list[Numbers], dtype: DType | None, known: Knowledge) -> Finding:
        """dtype: what the load casts to; None where it casts to nothing too narrow."""
        label, narrow = values.component.label, dtype or F16
        told = some([f"{numbers.key} ({_lost(numbers, narrow):,} of {numbers.elements:,})" for numbers in found])
        largest = amount(max(numbers.absmax or 0.0 for numbers in found))
        end = "become inf on load" if dtype else "would become inf in fp16"
        return self.finding(
            where(found[0]),
            f"{label}: {hold(found, len(counted.numbers))} numbers up to {largest}, which {end}: {told}",
            severity="error" if dtype else "note",
            because=f"the largest number of {narrow.short} is {amount(narrow.largest)}",
            fix=_wider(values.component.pipeline, found, known) if dtype else None,
            source=" ".join(numbers.key for numbers in found),
        )


def _lost(numbers: Numbers, dtype: DType) -> int:
    return numbers.overflow if dtype is F16 else numbers.wide_overflow


def _loaded(values: Values, counted: Counted, numbers: Numbers, known: Knowledge) -> DType | None:
    """The dtype that the load plan gives a tensor; None where it does not read it."""
    if not counted.chosen:
        return None
    return parameter_dtype(values.component, numbers.key, numbers.dtype, values.component.pipeline.request, known)


def _wider(pipeline: Pipeline, found: list[Numbers], known: Knowledge) -> Fix:
    """The request that holds the numbers and has nothing else against it."""
    holding = [F32] if any(numbers.wide_overflow for numbers in found) else [BF16, F32]
    sound = next((dtype for dtype in holding if runs(pipeline, {"": dtype}, known)), None)
    dtype = sound or holding[0]
    return Fix(f"load it with torch_dtype=torch.{dtype.torch}, which holds them", verified=sound is not None)
