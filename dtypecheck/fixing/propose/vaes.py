"""Remedies for a VAE that is not safe in fp16: let the pipeline upcast it, or put another in its place."""

from __future__ import annotations

from collections.abc import Iterator

from ...fixplan import Refused, Step
from .case import Case, refused
from .settings import as_the_rule_says


def safe_vae(case: Case) -> Iterator[Step | Refused]:
    """force_upcast where the rule offers it, else a swap where one was named, else what to ask for instead."""
    if case.wish.swap and case.pipeline and case.component:
        from ..swap import swap

        yield swap(case.pipeline, case.component, case.wish.swap, case.files, case.known)
        return
    offered = list(as_the_rule_says(case))
    yield from offered
    if not offered:
        fix = case.finding.fix
        offers = (*((fix.title,) if fix else ()), "--strategy swap-vae --swap FOLDER puts another VAE in its place")
        yield refused(case, "no setting of this model makes this pipeline decode in fp32", *offers)
