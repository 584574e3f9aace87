"""The index of shards: a new one out of what the shards will hold, or the old one with its sums set right."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ...dtypes import DType
from ...edits import Edit, Put, SetKey
from ...files import Files
from ...read.jsons import read_config


def text_of(metadata: Mapping[str, Any], weight_map: Mapping[str, str]) -> str:
    """The index as the libraries write it: keys in sorted order, two blanks a level, a newline at the end."""
    return json.dumps({"metadata": metadata, "weight_map": weight_map}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def held(files: Files, path: str | None) -> Mapping[str, Any]:
    """What an index holds; nothing where there is none, or one that is broken."""
    entry = next((entry for entry in files.entries() if entry.name == path), None) if path else None
    content = read_config(files, entry)[0] if entry and entry.size >= 0 else None
    return content.data if content else {}


def metadata_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of an index, empty where there is none."""
    found = data.get("metadata")
    return dict(found) if isinstance(found, dict) else {}


def renewed(metadata: Mapping[str, Any], total: int, dtype: DType | None) -> dict[str, Any]:
    """The metadata with its sum of bytes, and with the dtype where it names one."""
    new = {**metadata, "total_size": total}
    return new | {"dtype": dtype.torch} if dtype and "dtype" in metadata else new


def index_edits(
    files: Files, path: str, old: str | None, weight_map: Mapping[str, str], total: int, dtype: DType | None
) -> Iterable[Edit]:
    """The edits after which the index `path` names these files. old: the index whose metadata are taken over."""
    data = held(files, old)
    metadata = metadata_of(data)
    new = renewed(metadata, total, dtype)
    if path != old or data.get("weight_map") != dict(weight_map) or not isinstance(data.get("metadata"), dict):
        yield Put(path, text_of(new, weight_map))
        return
    for key, value in new.items():
        if metadata.get(key) != value or type(metadata.get(key)) is not type(value):
            yield SetKey(path, f"/metadata/{key}", json.dumps(value))
