"""Quantised weights told apart from damage: by what the config says, else by the keys that a packing leaves in the header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from ..dtypes import DType, parse
from ..findings import Where
from ..subjects import Claim, Config, Quantised, WeightFile, WeightSet

_KEYS: Final = (
    ("bitsandbytes_4bit", re.compile(r"\.(quant_state\.bitsandbytes__\w+|nested_absmax|quant_map)$")),
    ("bitsandbytes_8bit", re.compile(r"\.(SCB|weight_format)$")),
    ("gptq", re.compile(r"\.(g_idx)$")),
    ("awq", re.compile(r"\.(qzeros)$")),
    ("nunchaku", re.compile(r"\.(wscales|smooth_factor|proj_down)$")),
    ("fp8", re.compile(r"\.(weight_scale(_inv|_2)?|scale_weight|input_scale|scale_input)$|^scaled_fp8$")),
    ("quanto", re.compile(r"\.weight\._(data|scale)$")),
)
"""Methods by the keys they leave, the surest first."""
_PLAIN: Final = {"", "F32", "F16", "BF16", "F64"}
"""The GGML types that are no packing."""
_COMPUTE: Final = ("bnb_4bit_compute_dtype", "compute_dtype", "torch_dtype")


def quantised(config: Config | None, sets: Sequence[WeightSet]) -> Quantised | None:
    """How a component is packed, None when it is not."""
    section = config.get("quantization_config", "compression_config") if config else None
    if config and isinstance(section, dict):
        where = config.where("quantization_config") if "quantization_config" in config.data else Where(config.path)
        return Quantised(_method(section), where, _compute(config, section))
    if ggml := next((file.path for c in sets for file in c.files if _ggml(file)), None):
        return Quantised("gguf", Where(ggml, "ggml_types"))
    left = [
        (file.path, tensor.key) for c in sets for file, tensor in c.tensors() if not tensor.key.endswith((".weight", ".bias"))
    ]
    found = ((method, path, key) for method, pattern in _KEYS for path, key in left if pattern.search(key))
    method, path, key = next(found, ("", "", ""))
    return Quantised(method, Where(path, key)) if method else None


def _ggml(file: WeightFile) -> bool:
    """True for a GGUF file with packed tensors."""
    kinds = {word.partition(":")[0].strip() for word in file.metadata.get("ggml_types", "").split(",")}
    return file.format == "gguf" and bool(kinds - _PLAIN)


def _method(section: dict[str, Any]) -> str:
    method = str(section.get("quant_method") or section.get("quant_type") or section.get("quant_algo") or "unknown").lower()
    if method in ("bitsandbytes", "unknown") and (section.get("load_in_4bit") or section.get("_load_in_4bit")):
        return "bitsandbytes_4bit"
    if method in ("bitsandbytes", "unknown") and (section.get("load_in_8bit") or section.get("_load_in_8bit")):
        return "bitsandbytes_8bit"
    return method


def _compute(config: Config, section: dict[str, Any]) -> Claim | None:
    for key in _COMPUTE:
        dtype: DType | None = parse(section[key]) if isinstance(section.get(key), str) else None
        if dtype:
            return Claim(dtype, config.where("quantization_config", key), "declares")
    return None
