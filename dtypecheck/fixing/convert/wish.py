"""What is asked of a conversion, and what of it cannot be granted anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ...dtypes import DType, parse
from ...fixplan import Refused

_VARIANT: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
_TAKEN: Final = {"safetensors", "bin", "index", "json"}


@dataclass(frozen=True, slots=True)
class Wish:
    """dtype: what floating tensors are stored as. components: only these, by name; none for all.

    variant: write files of this variant beside the plain ones; None: in place. shard: bytes of a shard's tensors at most; None
    keeps the shards as they are. clamp: cut what is too large for the dtype instead of refusing it. keep: what a library keeps
    in fp32 stays fp32. whole_safetensors: a pickle becomes a safetensors file even where its dtype is the wished one already.
    """

    dtype: DType
    components: tuple[str, ...] = ()
    variant: str | None = None
    shard: int | None = None
    clamp: bool = False
    keep: bool = True
    whole_safetensors: bool = True


def impossible(wish: Wish, place: str) -> Refused | None:
    """Why the wish is refused whatever the files are: a variant's name that is none, or that says another dtype."""
    if not wish.dtype.is_wide:
        return Refused(place, f"{wish.dtype.short} is no dtype to store a model in", (), ("--to bf16", "--to fp16", "--to fp32"))
    if wish.shard is not None and wish.shard < 1:
        return Refused(place, "a shard holds at least one byte", (), ("--max-shard-size 5GB",))
    if wish.variant is None:
        return None
    offer = f"--as-variant {wish.dtype.short}"
    if not _VARIANT.fullmatch(wish.variant) or wish.variant in _TAKEN:
        why = f"{wish.variant!r} cannot be part of a file's name as a variant: letters, digits and _ can"
        return Refused(place, why, (), (offer,))
    if lies(wish.variant, wish.dtype):
        return Refused(place, f"the variant {wish.variant} would hold {wish.dtype.short}", (), (offer,))
    return None


def lies(variant: str | None, dtype: DType) -> bool:
    """True when a variant is named after another dtype than the one that it would hold."""
    return parse(variant or "") not in (None, dtype)
