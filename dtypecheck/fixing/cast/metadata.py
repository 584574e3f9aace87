"""The `__metadata__` of a file that is written out of others: kept, but for what the new numbers make untrue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ...dtypes import DType, parse
from .hashes import known
from .header import Row

_FORMAT: Final = "format"
_DTYPES: Final = ("dtype", "torch_dtype", "precision", "modelspec.data_format", "modelspec.precision")
"""Keys whose text may be the dtype of the numbers. What a training ran in (`ss_mixed_precision`) stays true."""


class Texts(NamedTuple):
    """metadata: of the new file; notes: what was done to it, in words."""

    metadata: dict[str, str]
    notes: tuple[str, ...]


def of_sources(sources: Sequence[Mapping[str, str]], rows: Sequence[Row], changed: tuple[DType, DType] | None) -> Texts:
    """The metadata of the sources together, the first that has a key wins.

    changed: the format that all floats had and the one they get, None where there is no one such pair. transformers refuses
    a file that does not name a format: "pt" is added.
    """
    merged: dict[str, str] = {}
    for metadata in sources:
        merged = {**merged, **{key: text for key, text in metadata.items() if key not in merged}}
    notes = []
    for key in _DTYPES:
        if changed and parse(merged.get(key, "")) is changed[0]:
            old, merged[key] = merged[key], _spelled(merged[key], *changed)
            notes.append(f"metadata: {key}: {old} -> {merged[key]}")
    if _FORMAT not in merged:
        merged[_FORMAT] = "pt"
        notes += ["metadata: format: pt added"] if any(sources) else []
    made, told = known(merged, rows)
    return Texts(made, (*notes, *told))


def _spelled(text: str, old: DType, new: DType) -> str:
    """The new dtype, written as the old one was."""
    for before, after in ((f"torch.{old.torch}", f"torch.{new.torch}"), (old.torch, new.torch), (old.short, new.short)):
        if text.strip() == before:
            return after
    return new.name if text.strip() == old.name else new.torch
