"""Two tensors of different dtypes are multiplied as matrices."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ...dtypes import DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import pairs
from ...subjects.scripts import Call, Thing, content
from ..told import maker, two_questions, when


class DtypesMultiplied(Rule):
    """Two tensors of different dtypes are multiplied as matrices, or convolved: torch takes no two dtypes there.

    Sums, products of elements and losses promote; `@`, `torch.matmul`, `F.linear` and `F.conv2d` raise. Silent under autocast, which
    makes the dtypes one.

    ```bad
    project.py: |
        import torch

        weight = torch.randn(8, 8, dtype=torch.float16)
        hidden = torch.randn(2, 8) @ weight
    ```

    ```bad
    project.py: |
        import torch
        import torch.nn.functional as F

        packed = torch.zeros(8, 8, dtype=torch.bfloat16).to(torch.float8_e4m3fn)
        hidden = F.linear(torch.randn(2, 8, dtype=torch.bfloat16), packed)
    ```

    ```good
    project.py: |
        import torch
        import torch.nn.functional as F

        weight = torch.randn(8, 8, dtype=torch.float16)
        scaled = torch.randn(8, 8) * weight
        hidden = torch.randn(2, 8).to(weight.dtype) @ weight
        with torch.autocast("cuda"):
            hidden = F.linear(torch.randn(2, 8), weight)
    ```
    """

    code = "DT230"
    severity = "error"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a product."""
        if call.means != "multiplies" or call.around:
            return
        given = [call.target, *(content(argument.value) for argument in call.arguments if not argument.starred)]
        tensors = [thing for thing in given if isinstance(thing, Thing) and thing.kind == "tensor"]
        for left, right in pairwise(tensors[:2]):
            for case, mine, theirs in pairs(left.dtype, right.dtype):
                known_both = isinstance(mine, DType) and isinstance(theirs, DType) and mine.is_float and theirs.is_float
                if not known_both or mine is theirs or two_questions(case, call):
                    continue
                yield self.finding(
                    call.where,
                    f"{left.label} is {mine.short} and {right.label} {theirs.short}, and a product of matrices takes no two"
                    f"{when(case, call)}",
                    against=maker(right, call) or maker(left, call),
                    says="expected m1 and m2 to have the same dtype",
                    fix=Fix("cast one of them: .to(other.dtype)"),
                    source=call.source,
                )
                return
