"""The numbers were in a narrower dtype before: the file is wider than what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ...dtypes import BF16, F16, F32, DType
from ...findings import Finding, Fix, Where
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.values import Counted, Numbers, Values

_ENOUGH: Final = {F32: 1000, BF16: 64}
"""Numbers that would hardly be so by chance, at least. One of float32 is so once in 8192 times, one of bf16 in two."""


class PrecisionAlreadyGone(Rule):
    """The numbers were in a narrower dtype before: the file is wider than what is in it.

    Told by the numbers alone: a float32 file in which the low bits of every number are zero came out of fp16 or bf16; a bf16
    file whose small numbers are all multiples of fp16's smallest one came out of fp16. No digit can be won back. fp32 takes twice
    the bytes for nothing, and bf16 made of fp16 has three bits less than the fp16 file had.

    ```bad
    $ --values quick
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 64x64 = noise F16
    ```

    ```good
    $ --values quick
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 64x64 = noise; decoder.norm.weight F32 64 = 1
    ```
    """

    code = "DT405"
    severity = "note"
    in_gate = False

    def check(self, values: Values, known: Knowledge) -> Iterator[Finding]:
        """One finding for each set of weights, about the dtype that most of it is stored in."""
        for counted in values.sets:
            stored = counted.dtypes[0] if counted.dtypes else None
            group = [numbers for numbers in counted.numbers if numbers.dtype is stored and numbers.elements]
            before = _before(group, stored) if stored in _ENOUGH else None
            if stored is None or before is None:
                continue
            looked = sum(numbers.past.looked for numbers in group)
            yield self.finding(
                Where(counted.weights.where.path, values.component.name),
                f"{values.component.label} is stored in {stored.short}, and all of its {looked:,} numbers that were looked at are "
                f"such as {before.short} leaves: it was in {before.short} before",
                because=_because(stored, before),
                fix=_fix(counted, stored, before),
                source=f"{stored.name} {before.name}",
            )


def _before(group: Sequence[Numbers], stored: DType | None) -> DType | None:
    """The dtype that all numbers of a group could be of, with enough evidence; None for none."""
    if stored is None or sum(numbers.past.telling for numbers in group) < _ENOUGH[stored]:
        return None
    if stored is F32 and all(numbers.past.bf16 for numbers in group):
        return BF16
    return F16 if all(numbers.past.f16 for numbers in group) else None


def _because(stored: DType, before: DType) -> str:
    if stored is BF16:
        return "its small numbers are all multiples of 2^-24, the smallest number of fp16; bf16 keeps three bits less of the large ones"
    return f"the {stored.mantissa - before.mantissa} low bits of every number are zero"


def _fix(counted: Counted, stored: DType, before: DType) -> Fix:
    if stored is BF16:
        return Fix("take the fp16 weights that it was made of", lossless=True)
    group = [numbers for numbers in counted.numbers if numbers.dtype is stored]
    exact = all((cast := numbers.to(before)) and not cast.inexact and not cast.overflow for numbers in group)
    return Fix(f"store it in {before.short}: half the bytes, the same numbers", lossless=exact)
