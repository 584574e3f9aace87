"""A repository of the Hub as files: a request for the commit, one a page of the listing, then settings and headers by ranges."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

from ..files import UNREADABLE, Entry, Source, inside
from .faults import Unreachable, of_place
from .fetched import Fetched
from .http import Answer, Http, Status

COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_PAGES: Final = 1000
_LARGEST: Final = 1 << 50


def endpoint() -> str:
    """Where the Hub is: HF_ENDPOINT, else the public one."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


@dataclass(slots=True)
class Hub:
    """One repository at one commit. base: the Hub's address; beside: a snapshot on this disk: its files are not asked for."""

    http: Http
    repo: str
    base: str = field(default_factory=endpoint)
    revision: str = ""
    beside: Path | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    lies_at: dict[str, str] = field(default_factory=dict)

    def files(self, label: str) -> Fetched:
        """The repository as files. errors: WrongUse where it or the revision is not there, NothingThere where it is not given."""
        self.revision = self.commit()
        try:
            listing = tuple(sorted(self._tree(), key=lambda entry: entry.name.split("/")))
        except Unreachable as fault:
            raise of_place(fault) from None
        self.sizes = {entry.name: entry.size for entry in listing}
        return Fetched(label, listing, self.fetch, Source(self.repo, "hub", self.revision))

    def commit(self) -> str:
        """The commit that the revision means; where it is one, nobody is asked. errors: as `files`."""
        if COMMIT.fullmatch(self.revision):
            return self.revision
        try:
            return self._commit(self.revision or "main")
        except Unreachable as fault:
            raise of_place(fault) from None

    def fetch(self, name: str, start: int, stop: int) -> bytes:
        """Bytes of a file. errors: Unreachable."""
        if self.beside is not None and (held := _held(self.beside / name, self.sizes[name], start, stop)) is not None:
            return held
        url = f"{self.base}/{quote(self.repo)}/resolve/{self.revision}/{quote(name)}"
        if (known := self.lies_at.get(name)) is not None:
            try:
                return self._ask(known, name, start, stop).body
            except Unreachable as fault:  # a signed address is good for a while only
                if fault.kind not in ("denied", "missing"):
                    raise
                self.lies_at.pop(name, None)
        answer = self._ask(url, name, start, stop)
        if answer.url != url:
            self.lies_at[name] = answer.url
        return answer.body

    def _commit(self, revision: str) -> str:
        url = f"{self.base}/api/models/{quote(self.repo)}/revision/{quote(revision, safe='')}?expand=sha"
        found = self._json(self._ask(url))
        sha = found.get("sha") if isinstance(found, dict) else None
        if not isinstance(sha, str) or not COMMIT.fullmatch(sha):
            raise Unreachable(f"{self.repo}: {self.base} does not answer as the Hub does", "refused")
        return sha

    def _tree(self) -> Iterator[Entry]:
        url: str | None = f"{self.base}/api/models/{quote(self.repo)}/tree/{self.revision}?recursive=true&expand=false"
        for _ in range(_PAGES):
            answer = self._ask(url or "")
            found = self._json(answer)
            for row in found if isinstance(found, list) else ():
                if isinstance(row, dict) and row.get("type") == "file":
                    yield _entry(row)
            url = _next(answer.headers.get("link", ""), self.base)
            if url is None:
                return
        raise Unreachable(f"{self.repo}: the listing has more than {_PAGES} pages", "too much")

    def _ask(self, url: str, name: str = "", start: int | None = None, stop: int | None = None) -> Answer:
        what = f"{self.repo}: {name}" if name else self.repo
        try:
            return self.http.get(url, what, start, stop)
        except Status as refused:
            raise self._worded(refused, what) from None

    def _json(self, answer: Answer) -> Any:
        import json

        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise Unreachable(f"{self.repo}: {self.base} does not answer as the Hub does", "refused") from None

    def _worded(self, refused: Status, what: str) -> Unreachable:
        """source: the error codes that huggingface_hub's hf_raise_for_status tells apart."""
        code, told = refused.code, refused.headers.get("x-error-code", "")
        page = f"{self.base}/{self.repo}"
        log_in = "set HF_TOKEN (or hf auth login)"
        words = " ".join(refused.headers.get("x-error-message", "").split())[:200]
        here = urlsplit(refused.url).netloc == urlsplit(self.base).netloc
        if told == "GatedRepo" or (code == 403 and here):
            says = f", {words}" if words and told != "GatedRepo" else ""
            return Unreachable(f"{what}: gated (HTTP {code}{says}): accept its terms at {page}, then {log_in}", "denied")
        if told == "RevisionNotFound":
            text = f"{self.repo}: there is no revision {self.revision or 'main'!r} (HTTP {code}): see {page}"
            return Unreachable(text, "missing")
        if told == "EntryNotFound":
            return Unreachable(f"{what}: the Hub lists it and does not have it (HTTP {code})", "missing")
        if code == 401 and "authorization" not in self.http.headers:
            text = f"{what}: the Hub does not show it without a token (HTTP 401): the name is wrong, or it is private: {log_in}"
            return Unreachable(text, "denied")
        if code == 401:
            return Unreachable(f"{what}: the Hub does not take the token (HTTP 401): {log_in}", "denied")
        if code == 404:
            return Unreachable(f"{what}: there is no such model on {self.base} (HTTP 404), nor a file or folder here", "missing")
        if refused.busy:
            return Unreachable(f"{what}: the Hub is busy: {refused.busy}; try later, or with HF_TOKEN for a higher limit", "busy")
        text = f"{what}: {urlsplit(refused.url).netloc} answers HTTP {code}{f', {words}' if words else ''}"
        return Unreachable(text, "denied" if code == 403 else "refused")


def _entry(row: Mapping[str, Any]) -> Entry:
    """A row of the listing; a name that no file may have is an Entry that cannot be read."""
    name, size, lfs = row.get("path"), row.get("size"), row.get("lfs")
    if not isinstance(name, str) or inside("", name) != name:
        return Entry(str(name).replace("..", "_"), UNREADABLE, "unlisted:a name that leads out of the repository")
    if isinstance(lfs, dict) and isinstance(lfs.get("size"), int):
        size = lfs["size"]
    if not isinstance(size, int) or not 0 <= size < _LARGEST:
        return Entry(name, UNREADABLE, "unlisted:the Hub does not tell its size")
    oid = str(lfs.get("oid")).removeprefix("sha256:") if isinstance(lfs, dict) else ""
    return Entry(name, size, f"sha256:{oid}" if _SHA256.fullmatch(oid) else f"git:{row.get('oid')}:{name}")


def _next(link: str, base: str) -> str | None:
    """The address of the next page out of a Link header, at the same Hub: a mirror may pass on the address of another one."""
    for part in link.split(","):
        found = re.match(r'\s*<([^>]+)>\s*;.*\brel="?next"?', part)
        if found:
            to = urlsplit(urljoin(base, found[1]))
            return str(to._replace(scheme=urlsplit(base).scheme, netloc=urlsplit(base).netloc).geturl())
    return None


def _held(path: Path, size: int, start: int, stop: int) -> bytes | None:
    """The bytes out of a file of the cache, None where it is not there whole."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != size:
                return None
            file.seek(start)
            return file.read(stop - start)
    except OSError:
        return None
