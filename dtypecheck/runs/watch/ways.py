"""The ways a module is called: the dtypes of what goes in, what comes out and its weight, each way with a count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from .names import Row
from .steps import Call


class Ways:
    """Counts the calls of modules that ended well. met: the rows that have a way, in the order they got it."""

    def __init__(self) -> None:
        self.met: dict[Row, None] = {}

    def count(self, call: Call, module: torch.nn.Module) -> None:
        """A call of a module ended well. One that is made again for its gradients counts where its way is a new one."""
        row, key = call.row, _way(call, module)
        if key not in row.ways:
            row.ways[key] = 1
            row.root.stale = True
            self.met.setdefault(row)
        elif not call.again:
            row.ways[key] += 1

    def unmade(self, calls: Iterable[Call]) -> None:
        """Calls that are made again count once."""
        for call in calls:
            module = call.row.module() if not call.operator else None
            key = _way(call, module) if module is not None else None
            if key in call.row.ways:
                call.row.ways[key] -= 1
                if not call.row.ways[key]:
                    del call.row.ways[key]


def _way(call: Call, module: torch.nn.Module) -> tuple[Any, ...]:
    """The dtypes of what goes in, comes out, and is the weight."""
    weight = module._parameters.get("weight")
    return (
        call.inputs[0] if call.inputs else None,
        call.outputs[0] if call.outputs else None,
        weight.dtype if weight is not None else None,
    )
