"""A float32 stream that another component, or the caller, brings into a half component."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from ..origins import Origin
from .crash import given_to
from .makers import Makers
from .steps import MASKS, Call

KEEPS: Final = 16
"""Elements up to which a float32 tensor may come into a half component: timesteps, scales."""


def brought(
    call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], makers: Makers, owns: Callable[[str], bool]
) -> tuple[str, str] | None:
    """The first of them: the argument's name and who made it, in words; None where all fits. owns: which files are the user's."""
    for name, tensor in given_to(call, args, kwargs):
        if tensor.dtype is torch.float32 and tensor.dim() and tensor.numel() > KEEPS and not any(w in name for w in MASKS):
            origin = makers.of(tensor)
            if origin is not None and _from_outside(origin, owns) and origin.component != call.row.root.name:
                return name, str(replace(origin, through=name))
    return None


def _from_outside(origin: Origin, owns: Callable[[str], bool]) -> bool:
    """Whether a component, a caller or a line of the user's made a tensor, and no library's code."""
    path = origin.where.rpartition(":")[0]
    mine = origin.kind == "code" and Path(path).is_absolute() and owns(path)
    return mine or origin.kind in ("component", "argument")
