"""A single file at an http address, by ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from ..files import Entry, Source, inside
from .faults import Unreachable, of_place
from .fetched import FIRST, Fetched
from .http import Answer, Http, Status

_DENIED: Final = (401, 403, 407)
_GONE: Final = (404, 410)


@dataclass(slots=True)
class Web:
    """One file at an address. etag: what its first answer was marked with; another mark later means that it was replaced."""

    http: Http
    url: str
    etag: str = ""

    def files(self, label: str) -> Fetched:
        """The file as a place that holds just it. errors: WrongUse where there is none, NothingThere where it is not given."""
        name = unquote(urlsplit(self.url).path).rpartition("/")[2]
        if inside("", name) != name:
            raise of_place(Unreachable(f"{self.url}: an address of a single file ends with its name", "missing"))
        try:
            answer = self._ask(0, FIRST)
        except Unreachable as fault:
            raise of_place(fault) from None
        self.etag = answer.headers.get("etag", "")
        size = len(answer.body) if answer.size is None else answer.size
        files = Fetched(label, (Entry(name, size, name),), self.fetch, Source(self.url, "url", self.etag.strip('W/"')))
        files.held[name] = [(0, answer.body)]
        return files

    def fetch(self, name: str, start: int, stop: int) -> bytes:
        """Bytes of the file. errors: Unreachable."""
        answer = self._ask(start, stop)
        if answer.headers.get("etag", "") != self.etag:
            raise Unreachable(f"{self.url}: it was replaced while it was read; try again", "cut")
        return answer.body

    def _ask(self, start: int, stop: int) -> Answer:
        try:
            return self.http.get(self.url, self.url, start, stop)
        except Status as refused:
            if refused.code == 416:  # an empty file has no bytes to give a range of
                return Answer(206, refused.headers, b"", self.url, 0)
            code = f"HTTP {refused.code}"
            if refused.code in _GONE:
                raise Unreachable(f"{self.url}: there is no such file ({code})", "missing") from None
            if refused.code in _DENIED:
                raise Unreachable(f"{self.url}: it is not given to everyone ({code}); use a signed address", "denied") from None
            raise Unreachable(f"{self.url}: {refused.busy or code}; try later", "busy") from None
