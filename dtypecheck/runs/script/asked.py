"""What a script asks a loader for, as the loader understands it: a string is a dtype for transformers, and none for diffusers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ...dtypes import F32, DType, parse
from ...subjects import Request


def of_pipeline(options: Mapping[str, Any]) -> Request:
    """`torch_dtype=` or `dtype=` of a pipeline: a dtype, or a table by component with `default`; anything else is float32.

    source: diffusers 0.42.1 pipelines/pipeline_utils.py:809 and 1041
    """
    value = _dtype(options)
    if isinstance(value, Mapping):
        dtypes = {name: dtype for name, given in value.items() if (dtype := _ours(given)) is not None}
        rest = dtypes.pop("default", F32)
        return Request(dtypes | {"": rest}, options.get("variant"))
    return Request({} if value is None else {"": _ours(value) or F32}, options.get("variant"))


def of_model(options: Mapping[str, Any], family: str) -> Request:
    """The same of one model. A string names a dtype for transformers, where "auto" and nothing leave it to the files."""
    value = _dtype(options)
    if family == "transformers":
        if isinstance(value, Mapping):
            value = value.get("", next(iter(value.values()), None))
        dtype = parse(value) if isinstance(value, str) else _ours(value)
        return Request({} if dtype is None else {"": dtype}, options.get("variant"))
    return of_pipeline({**options, "dtype": None, "torch_dtype": F32 if isinstance(value, Mapping) else value})


def _dtype(options: Mapping[str, Any]) -> Any:
    return options["dtype"] if options.get("dtype") is not None else options.get("torch_dtype")


def _ours(value: object) -> DType | None:
    return parse(str(value)) if isinstance(value, torch.dtype) else None
