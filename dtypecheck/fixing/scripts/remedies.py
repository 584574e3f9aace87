"""Which remedies a finding in a script has, by its rule: the first that helps and makes nothing worse is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from . import casts, loads, swaps
from .case import Remedy

REMEDIES: Final[Mapping[str, tuple[Remedy, ...]]] = {
    "DT201": (loads.as_the_rest,),
    "DT202": (loads.no_text,),
    "DT203": (casts.leave_in_place,),
    "DT204": (loads.one_in_the_dict,),
    "DT205": (casts.cast_by_loading,),
    "DT206": (swaps.another_vae, loads.safer),
    "DT207": (casts.float_before,),
    "DT208": (casts.to_the_vae,),
    "DT209": (loads.trained_in_fp32,),
    "DT210": (loads.compute_too,),
    "DT211": (loads.with_variant,),
    "DT212": (loads.derived_like,),
    "DT213": (casts.own_limit,),
    "DT214": (loads.trained_in_fp32,),
    "DT215": (swaps.another_vae, casts.vae_in_fp32),
    "DT216": (casts.to_the_part,),
    "DT217": (casts.not_cast,),
    "DT218": (casts.to_the_model,),
    "DT220": (loads.safer,),
    "DT227": (casts.cast_by_loading,),
}

__all__ = ["REMEDIES"]
