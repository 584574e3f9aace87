"""A Hub on loopback, for the tests: the routes that a scan asks, large files on a second host, and faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".bin", ".gguf", ".pt")


@dataclass(frozen=True)
class Asked:
    """One request. host: hub or cdn; sent: bytes of the answer's body."""

    host: str
    path: str
    range: str
    token: str
    status: int
    sent: int


@dataclass(frozen=True)
class Fault:
    """An answer in place of the usual one. cut: so many bytes of the body are sent, then the connection ends."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


@dataclass
class FakeHub:
    """Repositories by name, each a folder; the branch main, a tag v1 and the commit itself are known.

    faults: by a pattern of "host /path", what is answered instead, one after the other. ranges: False ignores them.
    latency: seconds before every answer. open: the second host wants no signature. gated, private: names that want the token.
    """

    repos: dict[str, Path]
    page: int = 4
    ranges: bool = True
    token: str = "hf_secret"  # noqa: S105
    latency: float = 0.0
    open: bool = False
    gated: frozenset[str] = frozenset()
    private: frozenset[str] = frozenset()
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    hub: str = ""
    cdn: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, host: str, path: str) -> Fault | None:
        with self.lock:
            for pattern, waiting in self.faults.items():
                if waiting and re.search(pattern, f"{host} {path}"):
                    return waiting.pop(0)
        return None

    @property
    def requests(self) -> int:
        return len(self.asked)

    @property
    def nbytes(self) -> int:
        return sum(one.sent for one in self.asked)

    def tree(self, repo: str) -> list[dict[str, object]]:
        root, rows = self.repos[repo], list[dict[str, object]]()
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_dir():
                rows.append({"type": "directory", "oid": "d" * 40, "size": 0, "path": name})
                continue
            row: dict[str, object] = {"type": "file", "oid": oid(name)[:40], "size": path.stat().st_size, "path": name}
            if name.endswith(LARGE):
                row["lfs"] = {"oid": oid(name), "size": path.stat().st_size, "pointerSize": 135}
            rows.append(row)
        return rows


def oid(name: str) -> str:
    """The sha256 that this Hub tells of a file: of its name, because hashing true sizes would take long."""
    return hashlib.sha256(name.encode()).hexdigest()


def _handler(hub: FakeHub, host: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body in one piece: two would wait for each other

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            time.sleep(hub.latency)
            parts = urlsplit(self.path)
            path = unquote(parts.path)
            fault = hub.fault(host, path)
            if fault is not None and fault.status != 200:
                self.answer(fault.status, b"{}", dict(fault.headers))
            elif host == "cdn":
                self.file(Path(path), parse_qs(parts.query), fault)
            elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/(.+)", path):
                self.api(*found.groups(), parse_qs(parts.query))
            elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)", path):
                self.api(found[1], "revision", "main", {})
            elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                self.resolve(found[1], found[2], found[3], fault)
            else:
                self.answer(404, b"{}", {})

        def refused(self, repo: str, api: bool) -> bool:
            given = self.headers.get("authorization") == f"Bearer {hub.token}"
            if repo not in hub.repos:
                self.answer(404 if given else 401, b"{}", {"X-Error-Code": "RepoNotFound"} if given else {})
            elif repo in hub.private and not given:
                self.answer(401, b"{}", {})
            elif repo in hub.gated and not given and not api:
                self.answer(401, b"{}", {"X-Error-Code": "GatedRepo"})
            else:
                return False
            return True

        def api(self, repo: str, what: str, revision: str, query: Mapping[str, list[str]]) -> None:
            if self.refused(repo, True):
                return
            if revision not in ("main", "v1", COMMIT):
                self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            elif what == "revision":
                self.answer(200, json.dumps({"id": repo, "sha": COMMIT}).encode(), {})
            else:
                rows, start = hub.tree(repo), int(query.get("cursor", ["0"])[0])
                headers = {}
                if start + hub.page < len(rows):
                    following = f"/api/models/{repo}/tree/{revision}?recursive=true&expand=false&cursor={start + hub.page}"
                    headers["Link"] = f'<{hub.hub}{following}>; rel="next"'
                self.answer(200, json.dumps(rows[start : start + hub.page]).encode(), headers)

        def resolve(self, repo: str, revision: str, name: str, fault: Fault | None) -> None:
            if self.refused(repo, False):
                return
            path = hub.repos[repo] / name
            if revision not in ("main", "v1", COMMIT) or not path.is_file():
                self.answer(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            elif name.endswith(LARGE):
                self.answer(302, b"", {"Location": f"{hub.cdn}{path}?sig=1"})
            else:
                self.file(path, {"sig": ["1"]}, fault)

        def file(self, path: Path, query: Mapping[str, list[str]], fault: Fault | None) -> None:
            if not path.is_file() or (query.get("sig") != ["1"] and not hub.open):
                self.answer(403 if path.is_file() else 404, b"", {})
                return
            size = path.stat().st_size
            start, stop, status, headers = 0, size, 200, {"ETag": f'"{oid(path.name)}"'}
            if (wanted := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))) and hub.ranges:
                start, stop, status = int(wanted[1]), min(int(wanted[2]) + 1, size), 206
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
            headers |= fault.headers if fault else {}
            with path.open("rb") as content:
                content.seek(start)
                self.answer(status, content.read(min(stop - start, 1 << 24)), headers, stop - start, fault.cut if fault else None)

        def answer(
            self, status: int, body: bytes, headers: Mapping[str, str], length: int | None = None, cut: int | None = None
        ) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            body = b"" if self.command == "HEAD" else body[:cut]
            try:
                self.wfile.write(body)
            except OSError:
                body = b""
            if cut is not None or len(body) != (len(body) if length is None else length):
                self.close_connection = True
            token = self.headers.get("authorization", "")
            with hub.lock:
                hub.asked.append(Asked(host, self.path, self.headers.get("range", ""), token, status, len(body)))

    return Handler


@contextmanager
def served(repos: Mapping[str, Path], **settings: object) -> Iterator[FakeHub]:
    """The Hub and its second host, for as long as a test lasts."""
    fake = FakeHub(dict(repos), **settings)  # type: ignore[arg-type]
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake, host)) for host in ("hub", "cdn")]
    fake.hub, fake.cdn = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield fake
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


Serve = Callable[..., FakeHub]
