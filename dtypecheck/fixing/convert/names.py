"""The names that save_pretrained gives to weight files, shards and indexes, and that from_pretrained looks for.

source: diffusers 0.42.1 models/modeling_utils.py:770-862, transformers 5.23 modeling_utils.py (both `_add_variant`).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_STEMS: Final = {"pytorch_model": "model"}
_SHARD: Final = re.compile(
    r"(?P<stem>\w+)(?:\.(?P<early>[^.]+?))?-(?P<number>\d{5})-of-(?P<count>\d{5})(?:\.(?P<late>[^.]+))?\.(?P<format>safetensors|bin)"
)


class Shard(NamedTuple):
    """What a shard's name says: shard `number` of so many, counted from 1. late: the variant stands behind the number."""

    stem: str
    variant: str | None
    format: str
    number: int
    of: int
    late: bool = False


def safe_stem(stem: str) -> str:
    """The first part of a safetensors file's name, where that of the pickle is `stem`: `model` for `pytorch_model`."""
    return _STEMS.get(stem, stem)


def weights_name(stem: str, variant: str | None) -> str:
    """`model.fp16.safetensors`."""
    return f"{stem}{_dotted(variant)}.safetensors"


def shard_name(stem: str, variant: str | None, number: int, count: int) -> str:
    """`model.fp16-00001-of-00002.safetensors`, counted from 1."""
    return f"{stem}{_dotted(variant)}-{number:05d}-of-{count:05d}.safetensors"


def index_name(stem: str, variant: str | None, form: str = "safetensors") -> str:
    """`model.safetensors.index.fp16.json`."""
    return f"{stem}.{form}.index{_dotted(variant)}.json"


def legacy_index_name(stem: str, variant: str, form: str = "safetensors") -> str:
    """`model.safetensors.fp16.index.json`, which diffusers wrote before 0.32 and still reads."""
    return f"{stem}.{form}.{variant}.index.json"


def shard_of(name: str) -> Shard | None:
    """A shard's bare file name taken apart; the variant may stand in front of the number or behind it."""
    match = _SHARD.fullmatch(name)
    if match is None:
        return None
    variant = match["early"] or match["late"]
    return Shard(match["stem"], variant, match["format"], int(match["number"]), int(match["count"]), bool(match["late"]))


def inside_of(folder: str, name: str) -> str:
    """The path of a file in a folder, "" for the target itself."""
    return f"{folder}/{name}" if folder else name


def folder_of(path: str) -> str:
    """The folder of a file, "" for the target itself."""
    return path.rpartition("/")[0]


def bare(path: str) -> str:
    """The last part of a path."""
    return path.rpartition("/")[2]


def _dotted(variant: str | None) -> str:
    return f".{variant}" if variant else ""
