"""Edits to a step: the bytes before and after are those of the files that it writes or takes away."""

from __future__ import annotations

from collections.abc import Iterable

from ..edits import Edit
from ..files import Files
from ..fixplan import Refused, Step
from .outcome import outcome
from .refusal import Refusal


def step(
    files: Files,
    place: str,
    change: str,
    edits: Iterable[Edit],
    strategy: str,
    lossless: bool = True,
    costs: Iterable[str] = (),
) -> Step | Refused:
    """A step; Refused where the edits do not fit the files."""
    made = tuple(edits)
    try:
        after = outcome(files, made)
    except Refusal as refusal:
        return Refused(place, str(refusal), (), refusal.offers)
    changed = after.contents.keys() | after.gone
    before = sum(entry.size for entry in files.entries() if entry.name in changed and entry.size > 0)
    size = sum(content.size for content in after.contents.values())
    return Step(place, change, made, lossless, before, size, tuple(costs), (), strategy)
