"""How fast weights are converted, against what people do instead: python tests/benchmarks/convert.py [--gb 1.5] [--rounds 3]

A denoiser of about that size in float32, of random weights, is saved once by diffusers and kept (--folder). Every way reads the
same file from a warm cache in a process of its own; the ways take turns, so that a noisy machine is noisy for all of them.
Importing libraries is not counted. "whole" is what a fix does besides: sha256 of the source and of the new file, and fsync.
"floor" only reads the file and writes half as many bytes, on as many threads: no way that does not map the file can be faster.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NAME = "diffusion_pytorch_model.safetensors"
TORCH = {"F16": "float16", "BF16": "bfloat16"}
WAYS = ("numpy", "torch", "save_file", "save_pretrained", "floor", "whole")
BARS = {("torch", "save_file"): 1.5, ("numpy", "save_file"): 1.0, ("torch", "save_pretrained"): 2.0}
MEMORY = 500


def build(folder: Path, gb: float) -> None:
    """The layout of Stable Diffusion 1.5's denoiser, which has 3.44 GB at a width of 320."""
    import diffusers

    width = max(32, round(320 * math.sqrt(gb / 3.44) / 32) * 32)
    model = diffusers.UNet2DConditionModel(block_out_channels=(width, 2 * width, 4 * width, 4 * width), cross_attention_dim=768)
    model.save_pretrained(folder, max_shard_size="100GB")


def ours(folder: Path, out: Path, dtype: str, by: Any, whole: bool = False) -> Callable[[], None]:
    from dtypecheck.edits import Store, Take
    from dtypecheck.files import Directory
    from dtypecheck.fixing.cast import laid_out, write

    if by == "torch":
        import torch  # noqa: F401
    import numpy as np  # noqa: F401

    def run() -> None:
        files = Directory(folder)
        layout = laid_out(files, Store("out.safetensors", (Take(NAME, "", dtype),)))
        with (out / NAME).open("w+b", buffering=0) as file:
            write(files, layout, file, by=by, hashed=whole, sources_hashed=whole)
            if whole:
                os.fsync(file.fileno())

    return run


def save_file(folder: Path, out: Path, dtype: str) -> Callable[[], None]:
    import torch
    from safetensors.torch import load_file, save_file

    target = getattr(torch, TORCH[dtype])

    def run() -> None:
        tensors = {key: tensor.to(target) for key, tensor in load_file(folder / NAME).items()}
        save_file(tensors, out / NAME, {"format": "pt"})

    return run


def save_pretrained(folder: Path, out: Path, dtype: str) -> Callable[[], None]:
    import diffusers
    import torch

    target, klass = getattr(torch, TORCH[dtype]), diffusers.UNet2DConditionModel

    def run() -> None:
        klass.from_pretrained(folder, torch_dtype=target).save_pretrained(out, max_shard_size="100GB")

    return run


def floor(folder: Path, out: Path) -> Callable[[], None]:
    """Every thread reads the next megabyte and writes half of it to its place."""
    step = 1 << 20

    def carry(source: int, target: int, first: int, threads: int, size: int) -> None:
        buffer = memoryview(bytearray(step))
        for at in range(first * step, size, threads * step):
            count = os.preadv(source, [buffer], at)
            os.pwrite(target, buffer[: count // 2], at // 2)

    def run() -> None:
        threads = min(4, len(os.sched_getaffinity(0)))
        with (folder / NAME).open("rb") as source, (out / NAME).open("w+b") as target, ThreadPoolExecutor(threads) as pool:
            size = os.fstat(source.fileno()).st_size
            jobs = [pool.submit(carry, source.fileno(), target.fileno(), first, threads, size) for first in range(threads)]
            for job in jobs:
                job.result()

    return run


def one(way: str, folder: Path, out: Path, dtype: str) -> None:
    """Run one way, print seconds, seconds of CPU and peak memory in MB."""
    run = {
        "numpy": lambda: ours(folder, out, dtype, "numpy"),
        "torch": lambda: ours(folder, out, dtype, "torch"),
        "whole": lambda: ours(folder, out, dtype, "torch", whole=True),
        "floor": lambda: floor(folder, out),
        "save_file": lambda: save_file(folder, out, dtype),
        "save_pretrained": lambda: save_pretrained(folder, out, dtype),
    }[way]()
    gc.collect()  # of what the imports left behind
    began, busy = time.perf_counter(), time.process_time()
    run()
    seconds, work = time.perf_counter() - began, time.process_time() - busy
    status = Path("/proc/self/status").read_text("utf-8")
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps([seconds, work, peak / 1000]))


def measured(way: str, folder: Path, out: Path, dtype: str) -> tuple[float, float, float]:
    words = [sys.executable, __file__, "--one", way, "--folder", str(folder), "--out", str(out), "--dtype", dtype]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"{way}: {done.stderr[-2000:]}")
    for file in out.iterdir():
        file.unlink()
    os.sync()
    seconds, work, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, work, peak


def compare(folder: Path, out: Path, dtype: str, rounds: int, ways: tuple[str, ...]) -> bool:
    """Print the table for one dtype; whether all bars are met."""
    size = (folder / NAME).stat().st_size
    runs: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            runs[way].append(measured(way, folder, out, dtype))
    print(f"\nF32 -> {dtype}, {size / 1e9:.2f} GB, {rounds} rounds; seconds: median (least to most)\n")
    print(f"{'way':18}{'seconds':>24}{'CPU s':>8}{'GB/s read':>11}{'peak MB':>9}")
    middle = {way: statistics.median(seconds for seconds, *_ in found) for way, found in runs.items()}
    for way, found in runs.items():
        times = [seconds for seconds, *_ in found]
        work = statistics.median(work for _, work, _ in found)
        spread = f"{middle[way]:.2f} ({min(times):.2f} to {max(times):.2f})"
        print(f"{way:18}{spread:>24}{work:>8.2f}{size / middle[way] / 1e9:>11.2f}{max(peak for *_, peak in found):>9.0f}")
    met = True
    for (way, other), bar in BARS.items():
        if way in middle and other in middle:
            ratio = middle[other] / middle[way]
            met &= ratio >= bar
            print(f"{way} is {ratio:.2f} times as fast as {other}: the bar is {bar}, {'met' if ratio >= bar else 'MISSED'}")
    for other in ("save_file", "save_pretrained"):
        if {"floor", other} <= middle.keys():
            print(f"to read and write only is {middle[other] / middle['floor']:.2f} times as fast as {other}")
    peak = max((peak for way in ("numpy", "torch", "whole") for *_, peak in runs.get(way, [])), default=0)
    print(f"at most {peak:.0f} MB: the bar is {MEMORY}, {'met' if peak < MEMORY else 'MISSED'}")
    return met and peak < MEMORY


def main() -> None:
    """Build what is missing, measure, print."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--gb", type=float, default=1.5)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--dtypes", default="BF16,F16")
    words.add_argument("--ways", default=",".join(WAYS))
    words.add_argument("--folder", type=Path)
    words.add_argument("--out", type=Path)
    words.add_argument("--one")
    words.add_argument("--dtype")
    given = words.parse_args()
    if given.one:
        return one(given.one, given.folder, given.out, given.dtype)
    folder = given.folder or Path(tempfile.gettempdir()) / f"dtypecheck-convert-{given.gb:g}"
    out = given.out or folder.with_name(folder.name + "-out")
    if not (folder / NAME).exists():
        build(folder, given.gb)
    out.mkdir(exist_ok=True)
    with (folder / NAME).open("rb") as file:
        while file.read(1 << 26):
            pass
    met = [compare(folder, out, dtype, given.rounds, tuple(given.ways.split(","))) for dtype in given.dtypes.split(",")]
    raise SystemExit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
