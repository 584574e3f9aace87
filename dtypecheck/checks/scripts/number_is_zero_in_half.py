"""A small number is added to a tensor in whose dtype it is 0."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import pairs
from ...subjects.scripts import Call
from ..told import maker, two_questions, when


class NumberIsZeroInHalf(Rule):
    """A small number is added to a tensor in whose dtype it is 0: the eps that keeps a division from 0 is not there.

    The smallest number of fp16 is 6e-8; 1e-8 and 1e-9 are 0 in it. `x * torch.rsqrt(variance + 1e-9)` is inf, and NaN after the next
    product, where the variance is 0. bf16 has the range of fp32.

    ```bad
    norm.py: |
        import torch

        x = torch.randn(4, 8, dtype=torch.float16)
        x = x * torch.rsqrt(x.abs().mean(-1, keepdim=True) + 1e-9)
    ```

    ```good
    norm.py: |
        import torch

        x = torch.randn(4, 8, dtype=torch.float16)
        y = x.float().abs().mean(-1, keepdim=True) + 1e-9
        z = x.abs() + 1e-5
        w = x.bfloat16().abs() + 1e-9
    ```
    """

    code = "DT223"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for an addition, or for a lower bound."""
        given = call.argument("value", "min", position=0)
        if call.means not in ("adds", "bounds") or call.target is None or given is None or call.around:
            return
        for case, dtype, number in pairs(call.target.dtype, given.value):
            if not isinstance(dtype, DType) or not dtype.is_half or not isinstance(number, float) or two_questions(case, call):
                continue
            if not 0 < number <= dtype.smallest / 2:
                continue
            yield self.finding(
                call.where,
                f"{number:g} is 0 in {dtype.short}, whose smallest number is {dtype.smallest:.1g}{when(case, call)}",
                against=maker(call.target, call),
                fix=Fix("compute it in torch.float32, or take an eps of at least 1e-5"),
                source=call.source,
            )
            return
