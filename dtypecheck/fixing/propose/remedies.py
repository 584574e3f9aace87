"""Which remedies a finding has, by the code of its rule, the best first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from . import settings, vaes, weights
from .case import Remedy

REMEDIES: Final[Mapping[str, tuple[Remedy, ...]]] = {
    "DT006": (weights.rebuild_index,),
    "DT007": (settings.remove_shards,),
    "DT102": (settings.as_the_rule_says,),
    "DT103": (weights.as_named,),
    "DT104": (weights.missing_variant,),
    "DT107": (vaes.safe_vae,),
    "DT109": (weights.one_dtype,),
    "DT111": (settings.declare_one_dtype,),
    "DT112": (weights.keep_in_fp32,),
    "DT115": (settings.compute_dtype,),
    "DT117": (weights.whole_ids,),
    "DT118": (weights.as_asked,),
    "DT119": (settings.upcast,),
    "DT121": (settings.as_the_rule_says,),
}
"""Findings that are not here are mended by the caller (a request), by a download, or not at all: their own fix says how."""

STRATEGIES: Final[Mapping[str, str]] = {
    "declare": "change the dtype that a config declares",
    "upcast": "let the pipeline run the VAE in fp32 (force_upcast), or store a part in the wider of its dtypes",
    "swap-vae": "put another VAE in its place (--swap FOLDER or a name of rules/swaps.toml)",
    "keep-fp32": "take the parts that a class keeps in fp32 out of its fp32 file",
    "bf16": "store in bf16",
    "fp16": "store in fp16",
    "fp32": "store in fp32",
    "index": "write the index of shards anew",
    "rename": "give a file the name that loaders look for",
    "remove": "take files away that no loader reads",
    "compute": "change the compute dtype of packed weights",
    "position-ids": "store position ids as whole numbers",
    "cast": "put a cast in where it is missing in a script, or leave one out",
    "clamp": "cut weights that are too large for the dtype to its largest number",
}
"""The words of --strategy."""
