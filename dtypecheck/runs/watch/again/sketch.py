"""A tensor in a thousand numbers: enough to tell how far two tensors are apart when only one of them is there at a time."""

from __future__ import annotations

from typing import Any, Final

import torch

from ..reduced import floats

WIDTH: Final = 1024
"""Sums that are kept of a tensor; ‖x - y‖ estimated from so many is right within 2 %."""

Sketch = list[torch.Tensor]


def sketch(value: Any) -> Sketch:
    """Of each floating tensor in a nest: its numbers, with random signs that depend on their count alone, in WIDTH sums."""
    return [_one(tensor.detach()) for tensor in floats(value, [])]


def apart(one: Sketch, other: Sketch) -> float:
    """‖x - y‖ / ‖y‖ of two nests of the same shape: the largest of their tensors; 0 where they cannot be compared."""
    if len(one) != len(other):
        return 0.0
    return max((_apart(x, y) for x, y in zip(one, other, strict=True)), default=0.0)


def _apart(x: torch.Tensor, y: torch.Tensor) -> float:
    if x.shape != y.shape:
        return 0.0
    size = float(y.norm())
    return float((x - y.to(x.device)).norm()) / size if size else 0.0


def _one(tensor: torch.Tensor) -> torch.Tensor:
    plain = tensor.reshape(-1).float()
    count = plain.numel()
    if count <= WIDTH:
        return plain.clone()
    chance = torch.Generator(tensor.device).manual_seed(count)
    signs = torch.empty(count, dtype=torch.int8, device=tensor.device).random_(0, 2, generator=chance)
    signed = torch.where(signs.bool(), plain, -plain)
    whole = count - count % WIDTH
    sums = signed[:whole].view(-1, WIDTH).sum(0)
    sums[: count - whole] += signed[whole:]
    return sums
