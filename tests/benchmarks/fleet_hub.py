"""How much faster a fleet reads models of the Hub than one after the other: python tests/benchmarks/fleet_hub.py [--count 200]

A Hub on loopback in a process of its own gives every answer 50 ms late. It speaks the routes that a scan asks and sends large
files from a second host, as the tests' Hub does, but costs less of the processors that it shares with the fleet. The models are
the fixtures in turn. "one after the other" is the same fleet with one process and one target at a time; a loop of `dtypecheck
scan` is what one would write otherwise (timed for the first ten, and reckoned up).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "fixtures")]

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".bin", ".gguf", ".pt")
LATENCY = 0.05


class Answers(asyncio.Protocol):
    """One connection. folders: of the models, by their place in the list; other: the address of the second host."""

    asked = nbytes = 0

    def __init__(self, folders: list[Path], other: str) -> None:
        self.folders, self.other, self.given = folders, other, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.given += data
        while b"\r\n\r\n" in self.given:
            head, _, self.given = self.given.partition(b"\r\n\r\n")
            asyncio.get_running_loop().call_later(LATENCY, self.answer, head.decode("latin-1"))

    def answer(self, head: str) -> None:
        path = unquote(urlsplit(head.split(" ", 2)[1]).path)
        found = re.search(r"^range: bytes=(\d+)-(\d+)", head, re.MULTILINE | re.IGNORECASE)
        span = (int(found[1]), int(found[2]) + 1) if found else None
        status, more, body = self.found(path, span)
        Answers.asked += 1
        Answers.nbytes += len(body)
        lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(body)}", *more, "", ""]
        self.transport.write("\r\n".join(lines).encode() + body)

    def found(self, path: str, span: tuple[int, int] | None) -> tuple[int, list[str], bytes]:
        if path.startswith("/large/"):
            return self.file(Path(path[6:]), span)
        if api := re.fullmatch(r"/api/models/our/m(\d+)/(revision|tree)/.+", path):
            told = {"sha": COMMIT} if api[2] == "revision" else self.tree(self.folders[int(api[1])])
            return 200, [], json.dumps(told).encode()
        file = re.fullmatch(r"/our/m(\d+)/resolve/[^/]+/(.+)", path)
        if not file or not (place := self.folders[int(file[1])] / file[2]).is_file():
            return 404, [], b""
        return (302, [f"Location: {self.other}/large{place}"], b"") if place.name.endswith(LARGE) else self.file(place, span)

    def file(self, path: Path, span: tuple[int, int] | None) -> tuple[int, list[str], bytes]:
        size = path.stat().st_size
        start, stop = (span[0], min(span[1], size)) if span else (0, size)
        with path.open("rb") as content:
            content.seek(start)
            body = content.read(stop - start)
        return (206, [f"Content-Range: bytes {start}-{stop - 1}/{size}"], body) if span else (200, [], body)

    def tree(self, folder: Path) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name, size = path.relative_to(folder).as_posix(), path.stat().st_size
                oid = hashlib.sha256(name.encode()).hexdigest()
                lfs = {"lfs": {"oid": oid, "size": size}} if name.endswith(LARGE) else {}
                rows.append({"type": "file", "oid": oid[:40], "size": size, "path": name, **lfs})
        return rows


async def serve(folders: list[Path]) -> None:
    """Two hosts, until a line comes; then what they were asked."""
    loop = asyncio.get_running_loop()
    second = await loop.create_server(lambda: Answers(folders, ""), "127.0.0.1", 0)
    other = f"http://127.0.0.1:{second.sockets[0].getsockname()[1]}"
    first = await loop.create_server(lambda: Answers(folders, other), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{first.sockets[0].getsockname()[1]}", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(Answers.asked, Answers.nbytes, flush=True)
        Answers.asked = Answers.nbytes = 0


def fleet(room: Path, hub: str, out: str, *more: str) -> float:
    """Seconds of a whole process."""
    environment = os.environ | {"HF_ENDPOINT": hub, "HF_HOME": str(room / "hf"), "PYTHONPATH": str(ROOT)}
    environment |= {"DTYPECHECK_CACHE": str(room / out)}
    verb = ["scan", *more, "-q"] if out == "scan" else ["fleet", "-q", "--from-file", str(room / "list"), *more]
    to = [] if out == "scan" else ["-o", str(room / f"{out}.jsonl")]
    start = time.perf_counter()
    command = [sys.executable, "-m", "dtypecheck", *verb, *to, "--fail-on", "never"]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


def main() -> None:
    """Serve, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--threads", default="64")
    asked = parser.parse_args()
    if asked.serve:
        cases = sorted(asked.serve.iterdir())
        asyncio.run(serve([cases[number % len(cases)] for number in range(asked.count)]))
        return
    from lay_out import lay_out

    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        lay_out(room / "cases")
        names = [f"our/m{number}" for number in range(asked.count)]
        (room / "list").write_text("\n".join(names))
        command = [sys.executable, __file__, "--serve", str(room / "cases"), "--count", str(asked.count)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            hub = server.stdout.readline().strip()

            def told(name: str, seconds: float, than: float | None = None) -> float:
                print("", file=server.stdin, flush=True)
                requests, nbytes = server.stdout.readline().split()  # type: ignore[union-attr]
                times = f"{than / seconds:6.1f} x" if than else ""
                print(
                    f"{name:44} {seconds:7.2f} s {times:8} {requests:>7} requests {int(nbytes):>11,} bytes",
                    flush=True,
                )
                return seconds

            fast = told("fleet", fleet(room, hub, "many", "--threads", asked.threads))
            told("fleet, second run, nothing changed", fleet(room, hub, "many", "--threads", asked.threads))
            loop = sum(fleet(room, hub, "scan", name) for name in names[:10]) * asked.count / 10
            told("a loop of scans (ten, reckoned up)", loop)
            slow = told("one after the other", fleet(room, hub, "one", "--jobs", "1", "--threads", "1"))
            print(f"the fleet is {slow / fast:.1f} times as fast as one after the other, {loop / fast:.1f} as fast as the loop")
            same = (room / "one.jsonl").read_bytes() == (room / "many.jsonl").read_bytes()
            print("the same bytes" if same else "OTHER BYTES")
            server.stdin.close()


if __name__ == "__main__":
    main()
