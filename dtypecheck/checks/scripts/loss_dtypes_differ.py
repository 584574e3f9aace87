"""A loss is computed between two dtypes, and its backward takes no two."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import pairs
from ...subjects.scripts import Call, Thing, content
from ..told import maker, two_questions, when

_SPELLED = {"F16": "Half", "BF16": "BFloat16", "F32": "Float", "F64": "Double"}


class LossDtypesDiffer(Rule):
    """`huber_loss` is given a prediction and a target of two dtypes: its backward raises.

    The other losses of today's PyTorch promote what they are given; this one computes forward and fails in `backward()`. Silent under
    autocast, which runs losses in fp32.

    ```bad
    train.py: |
        import torch
        import torch.nn.functional as F

        prediction = torch.randn(4, 3, dtype=torch.float16, requires_grad=True)
        loss = F.huber_loss(prediction, torch.randn(4, 3))
        loss.backward()
    ```

    ```good
    train.py: |
        import torch
        import torch.nn.functional as F

        prediction = torch.randn(4, 3, dtype=torch.float16, requires_grad=True)
        loss = F.huber_loss(prediction.float(), torch.randn(4, 3)) + F.mse_loss(prediction, torch.randn(4, 3))
        loss.backward()
    ```
    """

    code = "DT228"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a loss."""
        if call.means != "loss" or call.around:
            return
        given = [call.argument(name, position=number) for number, name in enumerate(("input", "target"))]
        mine, theirs = (content(argument.value) if argument else None for argument in given)
        if not isinstance(mine, Thing) or not isinstance(theirs, Thing) or {mine.kind, theirs.kind} != {"tensor"}:
            return
        for case, has, got in pairs(mine.dtype, theirs.dtype):
            wide = isinstance(has, DType) and isinstance(got, DType) and has.is_wide and got.is_wide
            if not wide or has is got or two_questions(case, call):
                continue
            names = _SPELLED.get(got.name, got.short), _SPELLED.get(has.name, has.short)
            yield self.finding(
                call.where,
                f"the prediction is {has.short} and the target {got.short}, and this loss takes no two, in its backward at the latest{when(case, call)}",
                against=maker(theirs, call),
                says=f"Found dtype {names[0]} but expected {names[1]}",
                fix=Fix("cast both: .float()"),
                source=call.source,
            )
            return
