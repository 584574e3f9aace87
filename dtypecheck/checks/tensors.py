"""What the keys of tensors say to the rules on numbers: which hold a mask, a bias, a norm, and which begin as zeros by design."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..findings import Where
from ..subjects.values import Numbers
from .words import listed

_MASK: Final = re.compile(
    r"mask|causal|triu|tril|(^|\.)(attn|attention|self_attn|cross_attn)\.bias$|rel(ative)?_pos\w*_bias_table", re.I
)
_NORM: Final = re.compile(r"(^|[._])((layer|rms|group|batch|q|k|query|key)?_?norm\w*|ln_?\w*|gn\d*)\.(weight|scale|gamma)$", re.I)
_PROJECTION: Final = re.compile(r"proj|to_[qkv]|to_out|linear|fc\d|conv|attn|mlp|(^|\.)(q|k|v|o|w[iov0-3])\b", re.I)
_BEGINS_AS_ZEROS: Final = re.compile(
    r"zero|gate|alpha|scale_shift|modulation|adaln"  # ControlNets, adaptive norms, gated additions
    r"|controlnet_(down|mid|blocks|x_embedder|cond)|input_hint_block|control_model|hint"
    r"|lora[._](up|b)\b|lora_up|lora_b|_lora\.up|hada_w2_?a|lokr_w2|oft_|diff_b|dora"  # the half of an adapter that is trained last
    r"|(^|[._])(norm_out|final_layer|proj_out|conv_out|temporal|temp_\w+|motion_modules|connector|ip_adapter|to_[kv]_ip)\b"
    r"|(^|\.)(pos|position\w*|token_type|shared|embed|wte|wpe)\w*(\.|$)|padding|embeddings?\.",
    re.I,
)
_MOST: Final = 3


def is_mask(numbers: Numbers) -> bool:
    """True for a buffer that may hold -inf or the smallest number of its dtype by design."""
    square = len(numbers.shape) >= 2 and numbers.shape[-1] == numbers.shape[-2] and numbers.key.endswith("bias")
    return square or _MASK.search(numbers.key) is not None


def is_weight(numbers: Numbers) -> bool:
    """True for a matrix or a kernel: what a layer multiplies with."""
    return (
        len(numbers.shape) >= 2
        and numbers.elements >= 4
        and not numbers.key.endswith(("bias", ".alpha"))
        and not is_mask(numbers)
    )


def begins_as_zeros(key: str) -> bool:
    """True for weights that designers start at zero, so that an untrained part changes nothing, and for padded tables."""
    return _BEGINS_AS_ZEROS.search(key) is not None


def family(numbers: Numbers) -> str:
    """The key of a norm or a projection with its digits taken out, which its siblings in other layers share; "" for all else."""
    norm, wide = _NORM.search(numbers.key), len(numbers.shape) >= 2
    if not (norm or (wide and _PROJECTION.search(numbers.key))) or numbers.key.endswith("bias"):
        return ""
    return re.sub(r"\d+", "#", numbers.key)


def where(numbers: Numbers) -> Where:
    """The place of a tensor."""
    return Where(numbers.path, numbers.key)


def some(found: Sequence[str]) -> str:
    """The first few of some texts, and how many more there are."""
    more = [f"{len(found) - _MOST:,} more"] if len(found) > _MOST else []
    return listed([*found[:_MOST], *more])


def hold(found: Sequence[Numbers], all_of: int) -> str:
    """`3 of 138 tensors hold`."""
    number = len(found)
    return f"{number:,} of {all_of:,} tensor{'s' * (all_of != 1)} hold{'s' * (number == 1)}"


def are(count: int) -> str:
    """`3 tensors are`."""
    return "1 tensor is" if count == 1 else f"{count:,} tensors are"
