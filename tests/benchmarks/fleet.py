"""How fast a fleet is, and whether it is linear and flat: thousands of model folders on this disk. Prints a table.

    python tests/benchmarks/fleet.py [--count 10000] [--make DIR]

Lays the fixtures out once and links their files into as many folders, whose models so have true sizes, all sparse. Each figure is
of a whole `dtypecheck fleet` process, run from a copy of the code: an edit meanwhile would void the cache. Memory is the largest
sum, over the process and its workers, of what they held at once.
--make: only make the folders, there, and leave them.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "fixtures")]

from lay_out import lay_out  # noqa: E402

PACE = 0.05
"""Seconds between looks at the memory."""


def make(out: Path, count: int) -> None:
    """So many model folders, m00000 and on, the fixtures in turn."""
    cases = lay_out(out / "cases")
    files = [[(path, path.relative_to(case)) for path in sorted(case.rglob("*")) if path.is_file()] for case in cases]
    for number in range(count):
        folder = out / "models" / f"m{number:05d}"
        for path, name in files[number % len(files)]:
            to = folder / name
            to.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, to)


def held(group: int) -> int:
    """Bytes that the processes of a group hold at this moment."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if os.getpgid(int(status.parent.name)) == group:
                line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
                total += int(line.split()[1]) * 1024
        except (OSError, StopIteration):
            continue
    return total


def run(folder: Path, out: Path, cache: Path, *more: str) -> tuple[float, int]:
    """Seconds and peak bytes of one fleet."""
    command = [sys.executable, "-m", "dtypecheck", "fleet", str(folder), "-o", str(out), *more, "-q", "--fail-on", "never"]
    environment = os.environ | {"DTYPECHECK_CACHE": str(cache), "PYTHONPATH": str(cache.parent / "code")}
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env=environment, start_new_session=True, cwd=cache.parent
    ) as process:
        peak, over = 0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not over.wait(PACE):
                peak = max(peak, held(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        process.wait()
        seconds = time.perf_counter() - start
        over.set()
        watcher.join()
    if process.returncode not in (0, 3):
        raise SystemExit(f"{command} ended with {process.returncode}")
    return seconds, peak


def figures(place: Path, count: int) -> Iterator[tuple[str, int, float, int]]:
    """What was run, how many folders, seconds, bytes."""
    one = place / "one.jsonl"
    for part in (count // 10, count // 3, count):
        some = place / f"some{part}"
        some.mkdir()
        for number in range(part):
            (some / f"m{number:05d}").symlink_to(place / "models" / f"m{number:05d}")
        cache = place / f"cache{part}"
        yield f"first run, --jobs 2, {part:,} folders", part, *run(some, place / "two.jsonl", cache, "--jobs", "2")
    yield "first run, --jobs 1", count, *run(some, one, place / "cache1", "--jobs", "1")
    yield "second run, nothing changed", count, *run(some, place / "again.jsonl", cache, "--jobs", "2")
    for name in ("two.jsonl", "again.jsonl"):
        same = (place / name).read_bytes() == one.read_bytes()
        print(f"{name}: {'the same bytes' if same else 'OTHER BYTES'} as with one process")


def main() -> None:
    """Make, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--make", type=Path)
    asked = parser.parse_args()
    if asked.make:
        make(asked.make, asked.count)
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), asked.count)
        for part in ("dtypecheck", "rules"):
            shutil.copytree(ROOT / part, Path(folder, "code", part), ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(Path(folder, "code"), quiet=1)
        print(f"{'':44} {'folders':>8} {'s':>7} {'ms each':>8} {'MB':>6}")
        for name, count, seconds, peak in figures(Path(folder), asked.count):
            print(f"{name:44} {count:8,} {seconds:7.1f} {1e3 * seconds / count:8.2f} {peak / 1e6:6.0f}", flush=True)


if __name__ == "__main__":
    main()
