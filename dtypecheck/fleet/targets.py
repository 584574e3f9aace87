"""Which targets are meant: a folder of models stands for the models in it, a bucket's prefix for those below it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ..files import SKIPPED_FOLDERS, SUFFIX_OF_PART, SUFFIX_OF_UNDO
from ..read.formats import READERS, suffix_of
from ..remote.kept import NOTE
from ..remote.targets import Remote, target_of
from ..request import NothingThere, WrongUse

_MARKS: Final = frozenset({"model_index.json", "config.json", "adapter_config.json", "modular_model_index.json", NOTE})
"""Files by which a folder is a model, whatever lies below it."""
_DEEPEST: Final = 60


def expanded(given: Iterable[str]) -> Iterator[str]:
    """The targets that are meant, each once, those of a folder in the order of their names.

    errors: WrongUse for what cannot be one; NothingThere for a bucket that cannot be listed.
    """
    seen: set[str] = set()
    for text in given:
        target = target_of(text)
        found = _of_remote(target) if isinstance(target, Remote) else _of_path(target)
        for name in found:
            if name not in seen:
                seen.add(name)
                yield name


def listed_in(path: Path) -> Iterator[str]:
    """The targets that a text file names, one a line; blank lines and those behind a # are left out.

    errors: WrongUse for a file that cannot be read as text.
    """
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for line in lines:
                name = line.partition("#")[0].strip() if line.lstrip().startswith("#") else line.strip()
                if name:
                    yield name
    except OSError as fault:
        raise WrongUse(f"--from-file {path}: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise WrongUse(f"--from-file {path}: it is no text in UTF-8") from None


def _of_path(path: Path) -> Iterator[str]:
    """A file, a model, or the models in a folder; itself where it is none of them: looking at it tells what is wrong."""
    if path.is_dir():
        found = False
        for model in _models(path, 0, frozenset()):
            found = True
            yield model
        if found:
            return
    yield path.as_posix()


def _models(folder: Path, depth: int, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    try:
        status = folder.stat()
        with os.scandir(folder) as listing:
            items = sorted(listing, key=lambda item: item.name)
    except OSError:
        if depth:
            yield folder.as_posix()
        return
    here = (status.st_dev, status.st_ino)
    if depth > _DEEPEST or here in above:
        return
    names = {item.name for item in items}
    if names & _MARKS or any(suffix_of(name) in READERS for name in names):
        yield folder.as_posix()
        return
    if {"snapshots", "blobs"} <= names:
        yield from _snapshots(folder)
        return
    for item in items:
        ours = item.name.startswith(".") and item.name.endswith((SUFFIX_OF_UNDO, SUFFIX_OF_PART))
        if item.name not in SKIPPED_FOLDERS and not ours and _is_folder(item):
            yield from _models(Path(item.path), depth + 1, above | {here})


def _snapshots(folder: Path) -> Iterator[str]:
    """Of a repository in a Hub's cache: the snapshots that a name still leads to, all of them where none does."""
    snapshots = sorted(entry.name for entry in (folder / "snapshots").iterdir())
    named = set()
    for ref in (folder / "refs").rglob("*") if (folder / "refs").is_dir() else ():
        if ref.is_file():
            named.add(ref.read_text("ascii", errors="replace")[:64].strip())
    for name in [name for name in snapshots if name in named] or snapshots:
        yield (folder / "snapshots" / name).as_posix()


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:
        return False


def _of_remote(target: Remote) -> Iterator[str]:
    """A model of the Hub or a file at an address is itself; of a bucket all is listed once."""
    if target.repo or not target.url.endswith("/") or target.url.startswith(("http://", "https://")):
        yield target.text
        return
    from ..remote.store import Store

    files = Store(target.url).files(target.label)
    names = [entry.name for entry in files.listing]
    found = list(models_among(names))
    base = target.url.rstrip("/")
    yield from (f"{base}/{name}" if name else base for name in found)
    if not found:
        raise NothingThere(f"{target}: no model among {len(names):,} files")


def models_among(names: Iterable[str]) -> Iterator[str]:
    """The folders of a listing that are models, "" for the whole of it, in the order of their names."""
    marked: set[str] = set()
    holding: set[str] = set()
    for name in names:
        folder, _, file = name.rpartition("/")
        if file in _MARKS:
            marked.add(folder)
        elif suffix_of(file) in READERS:
            holding.add(folder)
    last: str | None = None
    for folder in sorted(marked | holding, key=lambda name: name.split("/") if name else []):
        if last is None or not (last == "" or folder.startswith(last + "/")):
            last = folder
            yield folder
