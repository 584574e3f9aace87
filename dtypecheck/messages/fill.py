"""The sentences of a row with its blanks filled: dtypes by role, a kernel or a class by what the message names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ..dtypes import DType
from ..subjects.shown import Operand

_BLANK: Final = re.compile(r"\{([a-z]\w*)(?:\.(torch|largest))?\}")
_SAME_AS: Final = {"weight": ("bias", "other"), "bias": ("weight",), "other": ("weight", "bias")}
"""Whose dtype stands for another's: a layer's bias has its weight's, and a weight is the other of two tensors."""
_UNKNOWN: Final = ("one dtype", "another", "another")
"""What stands for the dtypes that a message does not name, in their order."""
_UNNAMED: Final = {
    "class": "Class", "modules": "some modules", "variant": "variant", "kernel": "...", "operator": "an operator",
    "method": "the quantiser", "bits": "4 or 8", "given": "...", "asked": "another dtype", "device": "the device",
    "mode": "so", "count": "some",
}  # fmt: skip
"""What stands for the names that a message leaves out."""


def fill(text: str, operands: Sequence[Operand] = (), values: Mapping[str, str] | None = None) -> str:
    """A sentence for these operands. A dtype nobody knows is "one dtype", the next one "another"."""
    dtypes: dict[str, DType] = {operand.role: operand.dtype for operand in reversed(operands)}
    unknown: dict[str, str] = {}

    def word(match: re.Match[str]) -> str:
        name, form = match[1], match[2]
        if values and name in values:
            return values[name]
        if name in _UNNAMED:
            return _UNNAMED[name]
        dtype = next((dtypes[role] for role in (name, *_SAME_AS.get(name, ())) if role in dtypes), None)
        if dtype is None:
            if form == "largest":
                return "its limit"
            return unknown.setdefault(name, _UNKNOWN[min(len(unknown), len(_UNKNOWN) - 1)])
        return {"torch": f"torch.{dtype.torch}", "largest": number(dtype.largest)}.get(form, dtype.short)

    return _BLANK.sub(word, text)


def number(value: float) -> str:
    """65,504 or 3.39e+38."""
    return f"{value:,.0f}" if value < 1e6 else f"{value:.3g}"
