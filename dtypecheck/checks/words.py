"""Words that rules and formats share: sizes, magnitudes, lists, and a crash told in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isfinite
from typing import Final

from ..dtypes import DType, parse
from ..subjects.shown import Crash, Operand

OWN: Final = ("weight", "bias")
"""The roles of what a module holds itself; everything else is brought to it."""
_CONSTANT: Final = re.compile(r"cannot be converted to type (\S+) without overflow")
_WORDS: Final = {"weight": "weights"}
WHEN: Final = {
    "encode prompt": "while it encodes the prompt",
    "encode image": "while it encodes the image",
    "denoise": "in the denoising loop",
    "decode": "after the last denoising step",
}


def size(nbytes: int) -> str:
    """Bytes as people read them: 246 MB, 1.4 GB (decimal units, as the Hub shows)."""
    value, unit = float(nbytes), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.1f} {unit}" if unit in ("GB", "TB") else f"{value:.0f} {unit}"


def amount(value: float) -> str:
    """A magnitude as people read it: 0.0132, 61,440, 3.4e+38."""
    if not isfinite(value):
        return "nothing finite"
    if abs(value) >= 1e7:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def of_limit(value: float, dtype: DType) -> str:
    """A magnitude beside the largest number of its dtype: 58,112 of 65,504."""
    return f"{amount(value)} of {amount(dtype.largest)}" if dtype.largest else amount(value)


def listed(words: Iterable[str]) -> str:
    """a, b and c; each once."""
    *first, last = list(dict.fromkeys(words)) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def strangers(crash: Crash) -> tuple[Operand, ...]:
    """The operands that are to blame: what was brought in another dtype than the module's own; all of them where it has none."""
    own = {operand.dtype for operand in crash.operands if operand.role in OWN}
    brought = tuple(operand for operand in crash.operands if operand.role not in OWN)
    return tuple(operand for operand in brought if operand.dtype not in own) if own else brought


def told(crash: Crash, device: str) -> str:
    """Who has what and is given what by whom, in one sentence without a full stop."""
    place = crash.module or crash.glue or "the pipeline's own code"
    if (match := _CONSTANT.search(crash.message)) and (dtype := parse(match[1])):
        return f"{place} is given a number that does not fit {dtype.short}"
    own = [operand for operand in crash.operands if operand.role in OWN]
    others = strangers(crash)
    weights = {operand.dtype for operand in own if operand.role == "weight"}
    holds = listed(_held(operand) for operand in own if operand.role == "weight" or operand.dtype not in weights) if own else ""
    if own and others:
        return f"{place} has {holds} and is given {listed(map(_brought, others))}"
    if len({operand.dtype for operand in own}) > 1:
        return f"{place} has {holds}"
    if len({operand.dtype for operand in crash.operands}) > 1:
        return f"{crash.operator or 'an operator'} in {place} is given {listed(_brought(o, role=True) for o in crash.operands)}"
    if crash.operands:
        return f"{crash.operator or 'an operator'} in {place} is given {_brought(crash.operands[0])}, which {device} refuses"
    return f'{place} raises "{crash.message}"' if crash.message else f"{place} fails"


def in_short(crash: Crash) -> str:
    """The module and the dtypes that met there, for a cell of a table."""
    weights = {operand.dtype for operand in crash.operands if operand.role == "weight"}
    shown = [operand for operand in crash.operands if operand.role != "bias" or operand.dtype not in weights]
    met = dict.fromkeys(f"{operand.dtype.short} {_role(operand)}" for operand in (*strangers(crash), *shown))
    return f"{crash.module or crash.glue}: {', '.join(met) or crash.message}"


def when(crash: Crash) -> str:
    """At what point of the call, with a blank in front; nothing where that is not known."""
    return f" {WHEN[crash.stage]}" if crash.stage in WHEN else ""


def _role(operand: Operand) -> str:
    return _WORDS.get(operand.role, operand.role)


def _held(operand: Operand) -> str:
    article = {"bias": "an " if operand.dtype.short.startswith("f") else "a "}.get(operand.role, "")
    return f"{article}{operand.dtype.short} {_role(operand)}"


def _brought(operand: Operand, role: bool = False) -> str:
    what = f"{operand.dtype.short} {_role(operand)}" if role else operand.dtype.short
    return f"{what} from {operand.made}" if operand.made else what
