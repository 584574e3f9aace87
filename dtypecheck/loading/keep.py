"""Which parameters a library keeps in float32 when it loads a class in half precision; the two libraries match differently.

diffusers: a listed name equals one dotted part of the key, for float16 and bfloat16 (models/model_loading_utils.py:240).
transformers: a listed pattern is searched in the key, for float16; the strict list for bfloat16 too (modeling_utils.py:3836).
"""

from __future__ import annotations

import re

from ..dtypes import BF16, F16, DType
from ..knowledge import Knowledge, Row
from ..subjects import Component, Request


def keep_list(component: Component, dtype: DType, request: Request, known: Knowledge) -> tuple[str, ...]:
    """What the class keeps in float32 when loaded in `dtype`; empty for other dtypes than float16 and bfloat16."""
    if not component.klass or dtype not in (F16, BF16) or component.family not in ("diffusers", "transformers"):
        return ()
    names: list[str] = []
    for row in known.rows("keep_in_fp32", component.klass):
        if row.get("library") == component.family and _holds(row, request.version(component.family)):
            names += row.get("keep", ()) if dtype is F16 or component.family == "diffusers" else ()
            names += row.get("keep_strict", ())
    return tuple(dict.fromkeys(names))


def pattern(family: str, names: tuple[str, ...]) -> re.Pattern[str]:
    """The regular expression that finds kept keys, by the rules of the library that loads the class."""
    if family == "diffusers":
        return re.compile(r"(?:^|\.)(?:" + "|".join(map(re.escape, names)) + r")(?:\.|$)")
    return re.compile("|".join(name.replace("*", ".*") for name in names))


def _holds(row: Row, version: tuple[int, ...]) -> bool:
    def at(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split("."))

    if not version:
        return "until" not in row
    return ("since" not in row or version >= at(row["since"])) and ("until" not in row or version < at(row["until"]))
