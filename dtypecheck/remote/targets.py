"""What was typed as a target: a path of this disk, a model of the Hub by its name, or an address."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from ..request import WrongUse

_PART: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_NAMED: Final = re.compile(rf"({_PART}/{_PART})(?:@([\w./+-]{{1,200}}))?")
_BARE: Final = re.compile(rf"({_PART}(?:/{_PART})?)(?:@([\w./+-]{{1,200}}))?")
_FILE: Final = re.compile(
    r".*\.(?:safetensors|gguf|bin|pt|pth|ckpt|th|py|ipynb|json|toml|txt|zip|tar|tgz|yaml|yml)", re.IGNORECASE
)
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+]*)(?:::|://).+", re.IGNORECASE)
ARCHIVES: Final = {".zip": "zip", ".tar": "tar", ".tgz": "tar", ".tar.gz": "tar", ".tar.xz": "tar", ".tar.bz2": "tar"}
"""Archives whose members are looked at, by suffix, and what fsspec calls them."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A target that is no folder. text: as typed. repo, revision: of the Hub; else `url` is an address, or an archive's path."""

    text: str
    repo: str = ""
    revision: str = ""
    url: str = ""

    @property
    def label(self) -> str:
        """What stands before its paths in a report: the target without the marks that no path has."""
        return re.sub(r"/+", "/", self.text.replace("::", "/").replace("://", "/")).strip("/")

    def __str__(self) -> str:
        return self.text


def target_of(text: str | os.PathLike[str]) -> Path | Remote:
    """A path where there is one, or where nothing else can be meant; else what it names elsewhere. Nothing is asked or opened.

    `hf://name` is the Hub's in any case. errors: WrongUse for an address that means nothing.
    """
    typed = os.fspath(text)
    if isinstance(text, str) and (scheme := _SCHEME.fullmatch(typed)):
        return _address(typed, scheme[1].lower())
    path = Path(text)
    try:
        there = path.exists()
    except (OSError, ValueError):
        return path
    if there:
        return Remote(typed, url=typed) if path.is_file() and archive_of(typed) else path
    named = _NAMED.fullmatch(typed)
    if not named or _FILE.fullmatch(typed) or path.parent.is_dir() or not _plain(named[2]) or ".." in named[1]:
        return path
    return Remote(typed, repo=named[1], revision=named[2] or "")


def not_there(path: Path) -> str:
    """What is said of a path that is not there; a name of the Hub that is taken for a path can still be meant."""
    typed = path.as_posix()
    named = _NAMED.fullmatch(typed) and not _FILE.fullmatch(typed)
    return f"{path}: there is no such file or folder" + (f" (hf://{typed} asks the Hub)" if named else "")


def archive_of(name: str) -> str:
    """What fsspec calls the archive that a file is by its name, "" for none."""
    small = name.lower()
    return next((kind for suffix, kind in ARCHIVES.items() if small.endswith(suffix)), "")


def _plain(revision: str | None) -> bool:
    return not revision or not any(part in ("", ".", "..") for part in revision.split("/"))


def _address(typed: str, scheme: str) -> Remote:
    if scheme == "hf":
        named = _BARE.fullmatch(typed[5:])
        if not named or not _plain(named[2]) or ".." in named[1]:
            raise WrongUse(f"{typed} names no model of the Hub; write hf://owner/name or hf://owner/name@revision")
        return Remote(typed, repo=named[1], revision=named[2] or "")
    if scheme in ("http", "https"):
        return _web(typed)
    return Remote(typed, url=typed)


def _web(typed: str) -> Remote:
    """A page of a model on the Hub means the model, its page of a file the file."""
    try:
        parts = urlsplit(typed)
    except ValueError as fault:
        raise WrongUse(f"{typed} is no address: {fault}") from None
    hub = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    if parts.netloc != hub.netloc and parts.netloc not in ("huggingface.co", "hf.co"):
        return Remote(typed, url=typed)
    words = [unquote(word) for word in parts.path.strip("/").split("/")]
    name = "/".join(words[:2])
    if _NAMED.fullmatch(name) and (len(words) == 2 or (len(words) == 4 and words[2] in ("tree", "commit"))):
        return Remote(typed, repo=name, revision=words[3] if len(words) == 4 else "")
    if len(words) > 4 and words[2] == "blob":
        return Remote(typed, url=typed.replace("/blob/", "/resolve/", 1))
    return Remote(typed, url=typed)
