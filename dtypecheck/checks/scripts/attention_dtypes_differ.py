"""Attention is given query, key, value and mask in dtypes that it does not take together."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F32, DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import Case, pairs
from ...subjects.scripts import Argument, Call, Thing, content
from ..told import maker, two_questions, when


class AttentionDtypesDiffer(Rule):
    """`scaled_dot_product_attention` is given tensors of dtypes that it does not take together.

    Query, key and value have one dtype; a mask is bool, fp32, or has the dtype of the query. A mask whose dtype was written down for
    one model fails in the next. Silent under autocast, which makes them one.

    ```bad
    attend.py: |
        import torch
        import torch.nn.functional as F

        q, k, v = (torch.randn(1, 8, 64, 32, dtype=torch.float16) for _ in range(3))
        query = torch.randn(1, 8, 64, 32, dtype=torch.float16)
        mask = torch.zeros(1, 1, 64, 64, dtype=torch.bfloat16)
        out = F.scaled_dot_product_attention(query, k, v, attn_mask=mask)
    ```

    ```good
    attend.py: |
        import torch
        import torch.nn.functional as F

        query = torch.randn(1, 8, 64, 32, dtype=torch.float16)
        out = F.scaled_dot_product_attention(query, query, query, attn_mask=torch.zeros(1, 1, 64, 64))
        mask = torch.zeros(1, 1, 64, 64, dtype=torch.bfloat16)
        out = F.scaled_dot_product_attention(query, query, query, attn_mask=mask.to(query.dtype))
    ```
    """

    code = "DT219"
    severity = "error"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call, about the first tensor that differs from the query."""
        query = _tensor(call.argument("query", position=0))
        if call.means != "attention" or call.around or query is None:
            return
        for number, name in enumerate(("key", "value", "attn_mask"), 1):
            other = _tensor(call.argument(name, position=number))
            found = _differ(query, other, name == "attn_mask", call) if other else None
            if found is None or other is None:
                continue
            case, mine, theirs = found
            yield self.finding(
                call.where,
                f"the query is {mine.short} and {'the mask' if name == 'attn_mask' else f'the {name}'} {theirs.short}{when(case, call)}",
                against=maker(other, call),
                says="Expected attn_mask dtype to be bool or float or to match query dtype"
                if name == "attn_mask"
                else "Expected query, key, and value to have the same dtype",
                fix=Fix("cast it: .to(query.dtype)"),
                source=call.source,
            )
            return


def _tensor(argument: Argument | None) -> Thing | None:
    thing = content(argument.value) if argument else None
    return thing if isinstance(thing, Thing) and thing.kind == "tensor" else None


def _differ(query: Thing, other: Thing, mask: bool, call: Call) -> tuple[Case, DType, DType] | None:
    """The dtypes in which they cannot meet, with the case; None where none are known."""
    for case, mine, theirs in pairs(query.dtype, other.dtype):
        if not isinstance(mine, DType) or not isinstance(theirs, DType) or two_questions(case, call):
            continue
        if mine.is_wide and theirs.is_wide and mine is not theirs and not (mask and theirs is F32):
            return case, mine, theirs
    return None
