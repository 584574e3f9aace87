"""Bytes of a file over HTTP by ranges, through the Hub library's session: tried again where that helps, with an end to waiting.

The library's own file system asks the Hub again for every range, and reads the whole answer of a server that knows no ranges;
its retries wait for as long as a server says (tests/benchmarks/remote.py counts). That is why the requests themselves are made
here; proxies, certificates and the token are the library's.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from .. import __version__
from .faults import Unreachable

TRIES: Final = 4
"""How often one thing is asked for at most."""
WAITS: Final = (0.5, 1.0, 2.0)
"""Seconds between tries where the server names none."""
PATIENCE: Final = 60.0
"""Seconds that a server may ask to wait; where it wants more, that is told instead."""
WINDOW: Final = 330.0
"""The same for who asks for thousands of models: the Hub counts requests by windows of five minutes."""
TIMEOUT: Final = (10.0, 30.0, 30.0, 30.0)
"""Seconds to connect, and without a byte received, sent or a free connection, after which one counts as cut."""
LOST: Final = 3
"""Files that were given up on after which no further one is tried."""
SMALL: Final = 1 << 20
"""Bytes of a file that is read whole from a server that knows no ranges."""
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. size: of the whole file where the server told it; url: where it came from in the end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    size: int | None = None


class Status(Exception):
    """A server's refusal, for the caller to put into words. busy: it was asked as often as makes sense."""

    def __init__(self, code: int, headers: Mapping[str, str], url: str, busy: str = "") -> None:
        super().__init__(f"HTTP {code}")
        self.code, self.headers, self.url, self.busy = code, headers, url, busy


@dataclass(slots=True)
class Http:
    """A session. headers: sent with every request, the authorisation to `home` alone. patience: seconds, as PATIENCE.

    requests, nbytes: what it has cost.
    """

    client: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    home: str = ""
    sleep: Callable[[float], None] = time.sleep
    patience: float = PATIENCE
    requests: int = 0
    nbytes: int = 0
    lost: int = 0
    _over: Status | None = None
    _not_before: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, url: str, what: str, start: int | None = None, stop: int | None = None, most: int = 64 << 20) -> Answer:
        """An answer's body, or the bytes from start to stop of it. what: the file or place, for messages.

        errors: Status for a refusal; Unreachable for a connection that does not last, a server that knows no ranges, or more
        than `most` bytes.
        """
        for number in range(TRIES):
            last = number == TRIES - 1
            self._wait_for_others()
            if self._over is not None:
                raise self._over
            if self.lost >= LOST:
                raise Unreachable(f"{what}: not tried, {self.lost} files before it could not be read", "cut")
            try:
                return self._once(url, what, start, stop, most)
            except Status as refused:
                wait = _retry_after(refused.headers)
                if refused.code not in _AGAIN:
                    raise
                if last or (wait or 0) > self.patience:
                    asks = f", and asks to wait {wait:,.0f} s" if wait else ""
                    tries = f"{number + 1} tries" if number else "one try"
                    refused.busy = f"HTTP {refused.code} after {tries}{asks}"
                    self._over = refused  # who is busy for one file is so for all
                    raise
                self._pause(WAITS[number] if wait is None else wait)
            except self._faults() as fault:
                if last:
                    self.lost += 1
                    why = str(fault) or type(fault).__name__
                    raise Unreachable(
                        f"{what}: {urlsplit(url).netloc} does not answer, or cuts the connection ({why}), {TRIES} times: "
                        "check the network, HTTPS_PROXY and HF_ENDPOINT",
                        "cut",
                    ) from None
                self.sleep(WAITS[number])
            except self._invalid() as fault:
                raise Unreachable(f"{what}: {url!r} is no address: {fault}", "missing") from None
        raise AssertionError

    def _once(self, url: str, what: str, start: int | None, stop: int | None, most: int) -> Answer:
        at_home = bool(self.home) and urlsplit(url)[:2] == urlsplit(self.home)[:2]
        headers = {key: value for key, value in self.headers.items() if at_home or key.lower() != "authorization"}
        if start is not None and stop is not None:
            headers |= {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        self.requests += 1
        with self.client.stream("GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT) as answer:
            told = {key.lower(): value for key, value in answer.headers.items()}
            if answer.status_code not in (200, 206):
                raise Status(answer.status_code, told, str(answer.url))
            length = told.get("content-length", "")
            size = int(length) if length.isdecimal() else None
            if start is not None and stop is not None:
                if answer.status_code == 206:
                    size = _size(told.get("content-range", ""), start, what)
                elif size is None or (size > SMALL and (start, stop) != (0, size)):
                    raise Unreachable(
                        f"{what}: {urlsplit(str(answer.url)).netloc} gives no part of a file (it ignores Range), and a weight "
                        "file is not downloaded for a look at it: download it and name its path",
                        "no ranges",
                    )
            body = bytearray()
            for part in answer.iter_bytes():
                body += part
                self.nbytes += len(part)
                if answer.status_code == 206 and start is not None and stop is not None and len(body) > stop - start:
                    break  # who has just what was asked for reads on to the end: the connection can be used again then
                if len(body) > most:
                    raise Unreachable(f"{what}: the answer has more than {most:,} bytes", "too much")
        data = bytes(body)
        if start is not None and stop is not None:
            data = data[start:stop] if answer.status_code == 200 else data[: stop - start]
            if size is not None and len(data) < min(stop, size) - start:
                raise _Cut(f"{len(data):,} of {min(stop, size) - start:,} bytes came")
        return Answer(answer.status_code, told, data, str(answer.url), size)

    def _faults(self) -> tuple[type[Exception], ...]:
        """What the session raises for a connection that fails."""
        return (_Cut, *(library.RequestError for library in self._libraries()))

    def _invalid(self) -> tuple[type[Exception], ...]:
        """What the session raises for an address that is none."""
        return tuple(library.InvalidURL for library in self._libraries())

    def _libraries(self) -> list[Any]:
        """The library of the session, which goes by several names."""
        names = {kind.__module__.partition(".")[0] for kind in type(self.client).__mro__}
        return [import_module(name) for name in sorted(names & {"httpx", "httpx2"})]

    def _pause(self, seconds: float) -> None:
        """Nobody asks this server before that."""
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _wait_for_others(self) -> None:
        left = self._not_before - time.monotonic()
        if left > 0:
            self.sleep(left)


class _Cut(Exception):
    """Fewer bytes came than were promised."""


def _size(content_range: str, start: int, what: str) -> int | None:
    """The size of the whole file out of `bytes 0-99/1234`. errors: Unreachable where other bytes came than were asked for."""
    span, _, total = content_range.removeprefix("bytes").strip().partition("/")
    if span.partition("-")[0].strip() != str(start):
        raise Unreachable(f"{what}: bytes from {start:,} were asked for, the server sent {content_range!r}", "no ranges")
    return int(total) if total.isdecimal() else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait, None where it names none. The Hub says `RateLimit: "api";r=0;t=55`: 55 s from now."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    spent = re.search(r"\br=0\b.*\bt=(\d{1,6})\b", headers.get("ratelimit", ""))
    if spent and not text:
        return float(spent[1])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time()) if text else None
    except (ValueError, OverflowError):
        return None


def session(endpoint: str = "", patience: float | None = None) -> Http:
    """A session of the Hub's library, with the token where it goes to the Hub. errors: WrongUse without the library."""
    from ..request import WrongUse

    try:
        from huggingface_hub import get_session, get_token
    except ImportError as fault:
        missing = fault.name or "huggingface_hub"
        raise WrongUse(f"a model that is not on this disk needs {missing}: pip install 'dtypecheck[remote]'") from None
    client = get_session()
    if not hasattr(client, "stream"):
        raise WrongUse("a model that is not on this disk needs huggingface_hub 1.0 or newer: pip install -U huggingface_hub")
    # the library's own headers cost a request of their own to find out which agent asks
    headers = {"user-agent": f"dtypecheck/{__version__}"}
    if endpoint and (token := get_token()):
        headers["authorization"] = f"Bearer {token}"
    return Http(client, headers, endpoint, patience=PATIENCE if patience is None else patience)
