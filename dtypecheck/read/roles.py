"""What a pipeline uses a component for, told by its name or its class: the rows of rules/roles.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from ..knowledge import Knowledge


@lru_cache(maxsize=4096)
def role_of(known: Knowledge, name: str, klass: str | None) -> str:
    """text_encoder, denoiser, vae, controlnet, image_encoder, safety_checker, weightless or other."""
    rows: list[tuple[str, Mapping[str, list[str]]]] = list(known.all("roles"))
    for role, row in rows:
        if any(re.fullmatch(rf"(prior_|decoder_)?({pattern})(_\w+)?", name) for pattern in row.get("names", ())):
            return role
    return next((role for role, row in rows if klass and any(re.fullmatch(p, klass) for p in row.get("classes", ()))), "other")
