"""A weight file has the right size and holds zeros, all of it or from some byte on: its numbers were never written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from ...findings import Finding, Fix, Where
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.values import Numbers, Values
from ..tensors import begins_as_zeros, is_weight

_FEWEST: Final = 3
_SHARE: Final = 0.05
"""Tensors at the end of a file, and their share of its numbers, that are zeros before it counts as not written to its end."""


class NumbersMissing(Rule):
    """A weight file has the right size and holds zeros, all of it or from some byte on: its numbers were never written.

    Programs that download or copy in several pieces make the file in full size first, and fill it. Stopped in between, it opens
    and loads without a word, and the parts that are missing are zeros: black or grey pictures, or noise. A sparse file reads
    like this too.

    ```bad
    $ --values quick
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.a.weight F16 4x4 = 1; decoder.b.weight F16 4x4 = 0; decoder.c.weight F16 4x4 = 0; decoder.d.weight F16 4x4 = 0
    ```

    ```good
    $ --values quick
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.a.weight F16 4x4 = 1; decoder.b.weight F16 4x4 = 0; decoder.c.weight F16 4x4 = 0; decoder.d.weight F16 4x4 = 1
    ```
    """

    code = "DT408"
    severity = "error"

    def check(self, values: Values, known: Knowledge) -> Iterator[Finding]:
        """One finding for each file of a component that ends in zeros."""
        for counted in values.sets:
            for path, group in groupby(counted.numbers, key=lambda numbers: numbers.path):
                held = [numbers for numbers in group if numbers.elements]
                dead = _end(held)
                if not _telling(dead, held):
                    continue
                all_of_it = len(dead) == len(held)
                what = "every number is zero" if all_of_it else f"from byte {dead[0].start:,} on every number is zero"
                yield self.finding(
                    Where(path, dead[0].key),
                    f"{values.component.label}: {what} ({len(dead):,} of {len(held):,} tensors)",
                    because="a download or a copy that makes the file first and fills it later was stopped in between",
                    fix=Fix("download the file again and compare its sha256"),
                    source="all" if all_of_it else "end",
                )


def _end(held: Sequence[Numbers]) -> list[Numbers]:
    """The tensors of zeros at the end of a file."""
    count = next((i for i, numbers in enumerate(reversed(held)) if not numbers.dead), len(held))
    return list(held[len(held) - count :])


def _telling(dead: Sequence[Numbers], held: Sequence[Numbers]) -> bool:
    """True when so many weights that are not zero by design are zero that nobody meant it."""
    weights = [numbers for numbers in dead if is_weight(numbers) and not begins_as_zeros(numbers.key)]
    if not weights:
        return False
    share = sum(numbers.elements for numbers in dead) / sum(numbers.elements for numbers in held)
    return len(dead) == len(held) or (len(weights) >= _FEWEST and share >= _SHARE)
