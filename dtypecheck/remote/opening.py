"""From a target to its files: the cache of the Hub first, then the Hub, an address, a bucket or an archive."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

from ..files import Directory, Files
from ..knowledge import Knowledge
from ..request import NothingThere
from .ahead import fetch_ahead
from .cache import is_whole, snapshot
from .hub import COMMIT
from .targets import Remote, archive_of

_YES: Final = ("1", "ON", "YES", "TRUE")


def offline() -> bool:
    """Whether the environment says that the Hub is not to be asked."""
    return any(os.environ.get(name, "").upper() in _YES for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))


def opened(target: Remote, known: Knowledge, online: bool = True, ahead: bool = True, patience: float | None = None) -> Files:
    """The files of a target that is no plain path. online: False asks nobody, what is on this disk is all there is then.

    ahead: fetch at once what a reader will ask for; without it, only the listing. patience: as `http.PATIENCE`, None for that.

    errors: WrongUse for what is not there or needs a library that is not installed, NothingThere for what is not given.
    """
    if target.repo:
        return _of_hub(target, known, online and not offline(), ahead, patience)
    return _of_address(target, online, ahead, patience)


def pinned(target: Remote, known: Knowledge, online: bool = True, patience: float | None = None) -> Remote:
    """A model of the Hub at the commit that its revision means now, for one request; as it is where the cache has all of it.

    errors: as `opened`.
    """
    asked = online and not offline() and not COMMIT.fullmatch(target.revision)
    if not target.repo or not asked or cached(target, known) is not None:
        return target
    from .http import session
    from .hub import Hub, endpoint

    base = endpoint()
    return replace(target, revision=Hub(session(base, patience), target.repo, base, target.revision).commit())


def cached(target: Remote, known: Knowledge) -> Directory | None:
    """A model of the Hub where the whole of it is on this disk; nobody is asked."""
    held = snapshot(target.repo, target.revision, target.label)
    return held if held is not None and is_whole(held, known) else None


def _of_hub(target: Remote, known: Knowledge, online: bool, ahead: bool, patience: float | None) -> Files:
    held = snapshot(target.repo, target.revision, target.label)
    if held is not None and (not online or is_whole(held, known)):
        return held
    if not online:
        why = "HF_HUB_OFFLINE is set" if offline() else "--offline leaves the network out"
        raise NothingThere(f"{target}: there is no such path, it is not in the cache of the Hub, and {why}")
    from .http import session
    from .hub import Hub, endpoint

    base = endpoint()
    revision = held.source.revision if held is not None and held.source else target.revision
    try:
        files = Hub(session(base, patience), target.repo, base, revision, held.root if held is not None else None).files(
            target.label
        )
        if ahead:
            fetch_ahead(files)
    except NothingThere:
        if held is not None:
            return held  # part of it is better than nothing, and is what would be loaded here
        raise
    return files


def _of_address(target: Remote, online: bool, ahead: bool, patience: float | None) -> Files:
    on_disk = "://" not in target.url and "::" not in target.url
    if not online and not on_disk:
        raise NothingThere(f"{target}: --offline leaves the network out")
    if target.url.startswith(("http://", "https://")) and not archive_of(target.url):
        from .http import session
        from .web import Web

        files = Web(session(patience=patience), target.url).files(target.label)
    else:
        from .store import Store

        files = Store(target.url).files(target.label)
    if ahead and not archive_of(target.url):  # the members of a tar are read through one handle: not by several hands
        fetch_ahead(files)
    return files
