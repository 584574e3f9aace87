"""What a scan of a Hub repository costs, against the library's file system: python tests/benchmarks/remote.py [--latency 0.05]

The SDXL fixture is served by a Hub on loopback that sends large files from a second host. The library reads what a scan reads:
every settings file, and of every weight file the eight bytes of length and the header.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "fixtures")]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    asked = parser.parse_args()
    from lay_out import lay_out

    from tests.remote.hub import served

    with tempfile.TemporaryDirectory() as room:
        (folder,) = lay_out(Path(room), ["sdxl"])
        needed = sum(_wanted(path) for path in folder.rglob("*") if path.is_file())
        with served({"our/sdxl": folder}, page=1000, latency=asked.latency) as hub:
            os.environ |= {"HF_ENDPOINT": hub.hub, "HF_HOME": room + "/hf"}
            ways: dict[str, Callable[[], None]] = {
                "dtypecheck scan": _scan,
                "HfFileSystem as it is": lambda: _library(folder, hub.hub),
                "HfFileSystem, blocks of 64 KiB": lambda: _library(folder, hub.hub, block_size=1 << 16),
                "HfFileSystem, no blocks": lambda: _library(folder, hub.hub, cache_type="none"),
            }
            print(f"settings and headers: {needed:,} bytes; {asked.latency * 1000:g} ms before every answer")
            print(f"{'':32}{'requests':>10}{'bytes':>14}{'times':>8}{'seconds':>9}")
            for name, way in ways.items():
                hub.asked.clear()
                start = time.perf_counter()
                way()
                took = time.perf_counter() - start
                print(f"{name:32}{hub.requests:>10}{hub.nbytes:>14,}{hub.nbytes / needed:>8.2f}{took:>9.2f}")


def _wanted(path: Path) -> int:
    if path.suffix != ".safetensors":
        return path.stat().st_size
    with path.open("rb") as file:
        return 8 + int.from_bytes(file.read(8), "little")


def _scan() -> None:
    from dtypecheck.api import scan

    assert scan("our/sdxl", dtype="float16").seen["pipelines"] == 1


def _library(folder: Path, endpoint: str, **settings: object) -> None:
    from huggingface_hub import HfFileSystem

    system = HfFileSystem(endpoint=endpoint, token=False, skip_instance_cache=True)
    for name in system.find("our/sdxl"):
        with system.open(name, "rb", **settings) as file:
            if name.endswith(".safetensors"):
                file.read(int.from_bytes(file.read(8), "little"))
            else:
                file.read((folder / name.removeprefix("our/sdxl/")).stat().st_size)


if __name__ == "__main__":
    main()
