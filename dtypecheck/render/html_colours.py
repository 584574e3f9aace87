"""What the colours of the HTML report mean: one for each family of dtypes, and three for how bad a finding is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..dtypes import BF16, F16, DType

FAMILIES: Final = {
    "fp16": "fp16",
    "bf16": "bf16",
    "fp32": "fp32 and wider",
    "packed": "fp8 and packed",
    "mixed": "mixed",
    "other": "not known",
}
"""By the name that the style sheet knows: the words of the legend."""

COLOURS: Final = {
    "paper": ("#ffffff", "#15181c"),
    "sheet": ("#f4f5f7", "#1e2228"),
    "ink": ("#1a1d21", "#e8eaed"),
    "faint": ("#555c66", "#a6adb8"),
    "line": ("#cfd4da", "#3a414b"),
    "link": ("#0b57a4", "#8ab8f0"),
    "error": ("#b3161b", "#ff8f88"),
    "warning": ("#8a5200", "#f0b25a"),
    "note": ("#3f5b73", "#a9c3d9"),
    "ok": ("#1c6b34", "#7fd09a"),
    "on": ("#ffffff", "#15181c"),
    "fp16": ("#2d5fc4", "#88aef5"),
    "bf16": ("#0c7569", "#5cc9b9"),
    "fp32": ("#5a6270", "#aab2bf"),
    "packed": ("#8a3fb0", "#d39bf0"),
    "mixed": ("#96490f", "#eda56b"),
    "other": ("#6b6b6b", "#9c9c9c"),
}
"""Each in the light and in the dark. `on` is written on a colour, the others on paper or sheet: all with 4.5 to 1 at least."""


def family(dtype: DType | None) -> str:
    """The family whose colour a dtype has."""
    if dtype is None:
        return "other"
    if dtype in (F16, BF16):
        return dtype.short
    return "fp32" if dtype.bits >= 32 and dtype.kind in ("float", "complex") else "packed"


def variables(dark: bool) -> str:
    """The colours as CSS variables."""
    return "".join(f"--{name}:{pair[dark]};" for name, pair in COLOURS.items())


def by_family(names: Iterable[str] = FAMILIES) -> str:
    """Rules that hand its colour to each family."""
    return "\n".join(f".dtypecheck .{name} {{ --own: var(--{name}); }}" for name in names)
