"""What a call of a cast says: the dtype it asks for, in which words, and who asked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any, Final

import torch

from ...dtypes import DType, parse
from .callers import Called
from .sources import CASTS
from .story import Cast

_NAMED: Final = {"half": "float16", "float": "float32", "double": "float64", "bfloat16": "bfloat16"}


def wanted(method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> DType | None:
    """The floating dtype that a cast asks for, None where it only moves."""
    if method in _NAMED:
        return parse(_NAMED[method])
    for value in (*args, *kwargs.values()):
        value = value.dtype if isinstance(value, torch.Tensor) else value
        if isinstance(value, torch.dtype):
            return parse(str(value)) if value.is_floating_point else None
    return None


def cast_of(method: str, dtype: DType, called: Called, undid: tuple[str, ...]) -> Cast:
    """The record of a cast."""
    how = f".{method}()" if method in _NAMED else f".{method}(torch.{dtype.torch})"
    whole = any(name.endswith("Pipeline.to") for name in called.functions)
    return Cast(called.line, how, dtype, "", whole, _through(called), undid)


def _through(called: Called) -> str:
    """The library's function that cast, "" where the user's line did."""
    others = [name for name in called.functions if name.rpartition(".")[2] not in CASTS]
    if not others or called.name in CASTS:
        return ""
    outer = others[-1] if not called.name.startswith("__") else others[0]
    return outer.removesuffix(".__call__").rpartition(".")[2]


def outside(file: str) -> FrameType:
    """The nearest frame that is not of this file of ours."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename in (file, __file__) and frame.f_back is not None:
        frame = frame.f_back
    return frame
