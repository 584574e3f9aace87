"""A constant is put into a tensor whose dtype cannot hold it."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from ...dtypes import DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import pairs
from ...subjects.scripts import Call


class ConstantOutOfRange(Rule):
    """A finite constant is put into a tensor of a half dtype that cannot hold it.

    `masked_fill(mask, -1e9)` on fp16, whose largest number is 65504, raises; so does `torch.finfo(torch.float32).min` on bf16 or
    fp16. `scores[0] = 2.0**30` and `mask * torch.finfo(torch.float32).min` become inf without a word: a warning. Infinity is in every
    dtype, and a product is told of only where no number but 0 stays in range.

    ```bad
    mask.py: |
        import torch

        scores = torch.zeros(8, 8, dtype=torch.float16)
        scores = scores.masked_fill(torch.ones(8, 8).bool(), -1e9)
    ```

    ```bad
    mask.py: |
        import torch

        scores = torch.zeros(8, 8).bfloat16()
        scores.masked_fill_(mask, torch.finfo(torch.float32).min)
    ```

    ```bad
    mask.py: |
        import torch

        mask = torch.ones(8, 8, dtype=torch.float16)
        bias = (1.0 - mask) * torch.finfo(torch.float32).min
    ```

    ```good
    mask.py: |
        import torch

        scores = torch.zeros(8, 8, dtype=torch.float16)
        scores = scores.masked_fill(mask, torch.finfo(scores.dtype).min)
        scores = scores.masked_fill(mask, float("-inf"))
        wide = scores.to(torch.bfloat16).masked_fill(mask, -1e9)
        bias = (1.0 - wide) * torch.finfo(wide.dtype).min
        scaled = scores * 1e9
    ```
    """

    code = "DT213"
    severity = "error"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call that fills."""
        full = call.means == "tensor" and call.what == "torch.full"
        target = call.result if full else call.target
        given = call.argument("fill_value", "value", position=0 if call.what == ".fill_" else 1)
        if not (full or call.means in _SAYS) or target is None or given is None:
            return
        for case, dtype, number in pairs(target.dtype, given.value):
            if (
                not isinstance(dtype, DType)
                or not dtype.is_half
                or isinstance(number, bool)
                or not isinstance(number, (int, float))
            ):
                continue
            if not isfinite(number) or abs(number) <= dtype.largest or len(case - call.case) > 1:
                continue
            if call.means == "scales" and abs(number) * dtype.smallest <= dtype.largest:
                continue  # small enough numbers stay in range
            if call.means == "shifts" and abs(number) <= 2 * dtype.largest:
                continue  # numbers of the other sign do
            silently = _SAYS.get(call.means, "")
            kind = {"fp16": "Half", "bf16": "BFloat16"}[dtype.short]
            yield self.finding(
                call.where,
                f"{target.label} is {dtype.short}, whose largest number is {dtype.largest:g}, and is {_DOES.get(call.means, 'filled with')} {number:g}",
                severity="warning" if silently else self.severity,
                because=silently,
                says="" if silently else f"value cannot be converted to type at::{kind} without overflow",
                fix=Fix("take torch.finfo of the tensor's own dtype, or a boolean mask"),
                source=call.source,
            )
            return


_SAYS = {
    "fills": "",
    "puts": "by index it is put in as inf",
    "shifts": "the sum is inf for every element",
    "scales": "the product is inf for every element but 0",
}
_DOES = {"shifts": "added to", "scales": "multiplied by"}
