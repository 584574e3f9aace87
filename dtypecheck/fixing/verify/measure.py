"""Two outputs of a component side by side: how far the new one is from the old, and whether that is rounding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import torch

from ...dtypes import BF16, F16, F32
from ...subjects import Component
from .calls import Call

FAR: Final = {F16: 0.10, BF16: 0.25, F32: 0.001}
"""The relative error, |new - old| / |old| over a whole output, beyond which it is no rounding any more.

One rounding is 0.0005 in fp16 and 0.004 in bf16, and whole networks of a thousand layers stay within some twenty times that. What
a wrong tensor brings is of the order of 1.
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Two outputs. largest: of the difference; relative: the difference by the original, both as lengths of vectors.

    finite, was_finite: whether every number of the new and of the original output is.
    """

    largest: float
    relative: float
    finite: bool
    was_finite: bool


def measure(first: list[torch.Tensor], second: list[torch.Tensor]) -> Measured:
    """The original outputs and the new ones: the worst of all."""
    largest = relative = 0.0
    finite = was_finite = True
    for old, new in zip(first, second, strict=False):
        was_finite &= bool(old.isfinite().all())
        finite &= bool(new.isfinite().all())
        if old.shape == new.shape and old.numel() and finite and was_finite:
            gap, length = (new.double() - old.double()), float(old.double().norm())
            largest = max(largest, float(gap.abs().max()))
            relative = max(relative, float(gap.norm()) / length if length else float(bool(gap.any())))
    return Measured(largest, relative, finite, was_finite)


def judged(part: Component, call: Call, found: Measured, derived: bool) -> tuple[str, str]:
    """A reason, "" where there is none, and the line to print. derived: the weights were made of the original ones."""
    name = f"{part.label}: {call.method}" if call.method != "forward" else f"{part.label}: its output"
    dtype = next((d for d in FAR if d.torch == str(call.dtype).removeprefix("torch.")), F16)
    widened = call.dtype is torch.float32 and part.loads().dtype not in (F32, None)
    how = f" ({part.loads().dtype}, computed in fp32)" if widened else f" ({dtype})"
    if not found.finite:
        line = f"{name} is not finite in {dtype}, {'it is' if found.was_finite else 'nor is it'} in fp32 before"
        return (line if found.was_finite else ""), line
    if not found.was_finite:
        return "", f"{name} is finite{how}, before it was not even in fp32"
    if found.largest == 0:
        return "", f"{name} equals that of before in fp32{how}, finite"
    line = f"{name} differs from fp32 by at most {found.largest:.1g} (relative {found.relative:.1g}), finite{how}"
    if not derived:
        return "", f"{line}; its weights are others"
    chosen = part.loads().chosen
    limit = max(FAR[d] for d in (dtype, part.loads().dtype, *(chosen.stock if chosen else ())) if d in FAR)
    return (f"{line}: that is no rounding" if found.relative > limit else ""), line


def outputs(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:
    """The floating tensors in what a model gives: lists, mappings and the parameters of a distribution are looked into."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from outputs(item, depth)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from outputs(item, depth)
    elif depth == 0 and isinstance(given := getattr(value, "parameters", None), torch.Tensor):
        yield given
