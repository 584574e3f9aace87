"""The autoencoder that is put in: a folder on this disk, or a known one out of the hub's cache, or from the hub itself."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from ...knowledge import Knowledge, Row
from ...subjects import Component
from ..refusal import Refusal

CONFIG: Final = "config.json"
_PATIENCE: Final = 5.0
"""Seconds until a hub that does not answer is none."""
WEIGHTS: Final = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True, slots=True)
class Given:
    """A folder with config.json and weights. row: what is known of it, empty for a folder of the user's own. label: its name."""

    folder: Path
    label: str
    row: Row


def given(origin: str | Path, vae: Component, known: Knowledge) -> Given:
    """The folder that `origin` means: a path, the name of a row of swaps.toml, its repository, or "" for the row that fits.

    errors: Refusal that names what to install or to download.
    """
    word = str(origin)
    if word and (Path(word).is_dir() or word.startswith((".", "/", "~"))):
        folder = Path(word).expanduser().absolute()
        if not folder.is_dir():
            raise Refusal(f"{word}: there is no such folder")
        return Given(folder, word, {})
    rows = {name.removeprefix("swap."): row for name, row in known.all("swaps")}
    if not word:
        fitting = [row for row in rows.values() if row.get("quality") == "full" and replaces(row, vae)]
        if not fitting:
            raise Refusal(
                f"{vae.label}: no replacement is known for {vae.klass} with these settings; name a folder", *_typed(rows)
            )
        row = fitting[0]
    else:
        found = rows.get(word) or next((row for row in rows.values() if row.get("repo") == word), None)
        if found is None:
            raise Refusal(f"{word}: there is no such folder, and no such replacement is known", *_typed(rows))
        row = found
    return Given(fetched(str(row["repo"])), str(row["repo"]), row)


def replaces(row: Row, vae: Component) -> bool:
    """Whether a row says that it fits this autoencoder."""
    asked, data = row.get("replaces", {}), vae.config.data if vae.config else {}
    settings = asked.get("config", {})
    return asked.get("class") == vae.klass and bool(settings) and all(data.get(key) == value for key, value in settings.items())


def fetched(repo: str) -> Path:
    """The folder of a repository of the hub: out of the cache, else fetched. errors: Refusal."""
    if (folder := cached(repo)) is not None:
        return folder
    by_hand = f"download {CONFIG} and {WEIGHTS} of https://huggingface.co/{repo} into a folder and say --swap FOLDER"
    try:
        import huggingface_hub
    except ImportError:
        raise Refusal(f"{repo} is not in the cache of the hub, and nothing here can fetch it", _INSTALL, by_hand) from None
    if silent := unreachable():
        raise Refusal(f"{repo} is not in the cache of the hub, and cannot be fetched: {silent}", by_hand)
    try:
        with _quiet():
            paths = [Path(huggingface_hub.hf_hub_download(repo, name)) for name in (CONFIG, WEIGHTS)]
    except (OSError, ValueError, RuntimeError) as fault:
        raise Refusal(f"{repo} is not in the cache of the hub, and cannot be fetched: {_first_line(fault)}", by_hand) from None
    return paths[0].parent


def unreachable() -> str:
    """Why the hub cannot be asked, "" where it answers or only the library can tell: it would try for half a minute."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return "HF_HUB_OFFLINE is set"
    address = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    if getproxies().get(address.scheme) or not address.hostname:
        return ""
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname, port), _PATIENCE).close()
    except OSError as fault:
        return f"{address.hostname} does not answer: {fault.strerror or fault}"
    return ""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The library does not tell of its tries: how it ends is told."""
    log = logging.getLogger("huggingface_hub")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _typed(rows: Iterable[str]) -> list[str]:
    """Known replacements as they are asked for."""
    return [f"--swap {name}" for name in rows]


_INSTALL: Final = "pip install huggingface_hub"


def cached(repo: str) -> Path | None:
    """The newest revision of a repository that the cache of the hub holds with its weights; no library is asked."""
    for cache in _caches():
        place = cache / f"models--{repo.replace('/', '--')}"
        try:
            named = [place / "snapshots" / (place / "refs" / "main").read_text().strip()]
        except OSError:
            named = []
        folders = [*named, *sorted((place / "snapshots").glob("*"))]
        for folder in folders:
            if (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file():
                return folder
    return None


def _caches() -> Iterator[Path]:
    """Where the hub's libraries keep what they fetched. source: huggingface_hub/constants.py"""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            yield Path(os.environ[name]).expanduser()
            return
    home = os.environ.get("HF_HOME")
    folder = Path(home) if home else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    yield folder.expanduser() / "hub"


def _first_line(fault: Exception) -> str:
    return (str(fault).strip().splitlines() or [type(fault).__name__])[0].rstrip(".")
