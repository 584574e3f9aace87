"""Where a model that a script names lies: a folder, the one given for its hub id, a snapshot in the cache; never the network."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_LINK: Final = re.compile(r"https://(?:huggingface\.co|hf\.co)/([^/]+/[^/]+)/(?:blob|resolve)/[^/]+/([^?]+)")


class MissingModel(OSError):
    """A model that is nowhere on this machine; an OSError as the libraries raise it, so that a script's own fallback works."""

    __module__ = "dtypecheck"

    def __init__(self, name: str) -> None:
        super().__init__(f"the model {name!r} is not on this machine: pass --model {name}=DIR, its configs are enough")
        self.name = name


def folder_of(name: object, models: Mapping[str, Path], revision: str | None = None, cache: object = None) -> Path:
    """The folder of a model. cache: the script's own `cache_dir`. errors: MissingModel."""
    text = os.fspath(name) if isinstance(name, (str, os.PathLike)) else str(name)
    if text in models:
        return models[text]
    path = Path(text)
    if path.is_dir():
        return path
    found = _cached(text, revision, cache)
    if found is None:
        raise MissingModel(text)
    return found


def file_of(name: object, models: Mapping[str, Path]) -> tuple[Path | None, str]:
    """A single file that a script names, None where it is not here, and its hub id where it is a link to the hub."""
    text = os.fspath(name) if isinstance(name, (str, os.PathLike)) else str(name)
    if text in models:
        return models[text], text
    if Path(text).is_file():
        return Path(text), ""
    link = _LINK.fullmatch(text)
    if link is None:
        return None, text
    try:
        inside = folder_of(link[1], models) / link[2]
    except MissingModel:
        return None, link[1]
    return (inside if inside.is_file() else None), link[1]


def _cached(name: str, revision: str | None, cache: object) -> Path | None:
    """The snapshot of a hub id in the local cache, the newest where no reference says which."""
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        return None
    for place in ([Path(str(cache))] if cache else []) + _caches():
        repository = place / f"models--{name.replace('/', '--')}"
        reference = repository / "refs" / (revision or "main")
        wanted = reference.read_text().strip() if reference.is_file() else revision or ""
        if wanted and (repository / "snapshots" / wanted).is_dir():
            return repository / "snapshots" / wanted
        if revision is None and (repository / "snapshots").is_dir():
            every = sorted((repository / "snapshots").iterdir(), key=lambda entry: entry.stat().st_mtime)
            if every:
                return every[-1]
    return None


def _caches() -> list[Path]:
    """Where huggingface_hub keeps what it fetched. source: huggingface_hub constants.py, HF_HUB_CACHE"""
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface")
    return [Path(os.environ[key]) for key in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") if os.environ.get(key)] or [home / "hub"]
