"""Which remedies a finding in a script has, by its rule: the first that helps and makes nothing worse is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from . import casts, choices, loads, numbers, regions, settings, swaps, together
from .case import Remedy

REMEDIES: Final[Mapping[str, tuple[Remedy, ...]]] = {
    "DT201": (loads.as_the_rest,),
    "DT202": (loads.no_text,),
    "DT203": (casts.leave_in_place,),
    "DT204": (loads.one_in_the_dict,),
    "DT205": (casts.cast_by_loading,),
    "DT206": (swaps.another_vae, choices.safer),
    "DT207": (casts.float_before,),
    "DT208": (casts.to_the_vae,),
    "DT209": (loads.trained_in_fp32,),
    "DT210": (loads.compute_too,),
    "DT211": (loads.with_variant,),
    "DT212": (loads.derived_like,),
    "DT213": (numbers.own_limit,),
    "DT214": (loads.trained_in_fp32,),
    "DT215": (swaps.another_vae, regions.vae_in_fp32),
    "DT216": (casts.to_the_part,),
    "DT217": (casts.not_cast,),
    "DT218": (casts.to_the_model,),
    "DT219": (together.to_the_query,),
    "DT220": (choices.published,),
    "DT221": (regions.kept_parts_apart,),
    "DT223": (numbers.larger_eps,),
    "DT224": (together.layerwise,),
    "DT225": (choices.on_the_device,),
    "DT226": (settings.default_left,),
    "DT227": (casts.cast_by_loading,),
    "DT228": (together.both_wide,),
    "DT229": (settings.nothing_to_speed_up,),
    "DT230": (together.one_of_two,),
    "DT231": (settings.not_in_slices,),
    "DT232": (casts.sampled_in_fp32,),
}
NO_EDITS: Final[Mapping[str, str]] = {
    "DT222": "whether what takes it would take fp32, the script does not say",
}
"""Why the findings of a rule have no remedy."""

__all__ = ["NO_EDITS", "REMEDIES"]
