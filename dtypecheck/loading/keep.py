"""Which parameters a library keeps in float32 when it loads a class in half precision; the libraries match differently.

diffusers: a listed name equals one dotted part of the key, for float16 and bfloat16 (models/model_loading_utils.py:240).
transformers: for float16; the strict list for bfloat16 too. Version 5 searches a pattern in the key (modeling_utils.py:3836,
core_model_loading.py:1777), 4 wants it between dots (4.57.6 modeling_utils.py:4995).
A single file is cast whole at the end, but for a transformers class in float16: T5 (loaders/single_file_utils.py:2260).
"""

from __future__ import annotations

import re
from functools import cache

from ..dtypes import BF16, F16, DType
from ..knowledge import Knowledge, holds
from ..subjects import Component, Request


def keep_list(component: Component, dtype: DType, request: Request, known: Knowledge) -> tuple[str, ...]:
    """What the class keeps in float32 when loaded in `dtype`; empty for other dtypes than float16 and bfloat16."""
    if not component.klass or dtype not in (F16, BF16):
        return ()
    single = component.family == "single-file"
    library = "transformers" if single else component.family
    names: list[str] = []
    for row in known.rows("keep_in_fp32", component.klass):
        if row.get("library") == library and holds(row, request.version(library)):
            names += row.get("keep", ()) if dtype is F16 or library == "diffusers" else ()
            names += row.get("keep_strict", ()) if not single else ()
    return tuple(dict.fromkeys(names))


def matcher(component: Component, names: tuple[str, ...], request: Request) -> re.Pattern[str]:
    """The regular expression that finds kept keys, by the rules of the library that loads the class."""
    return _matcher(names, component.family == "transformers" and request.version("transformers") >= (5,))


@cache
def _matcher(names: tuple[str, ...], anywhere: bool) -> re.Pattern[str]:
    if anywhere:
        return re.compile("|".join(name.replace("*", ".*") for name in names))
    return re.compile(r"(?:^|\.)(?:" + "|".join(map(re.escape, names)) + r")(?:\.|$)")
