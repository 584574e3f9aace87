"""How fast `--values` reads, beside numpy's max over the same bytes and beside a loop with torch; and how much memory it takes.

    python tests/benchmarks/values.py [--gb 3] [--turns 5] [--big 10] [--real]

Writes a file of fp32, one of bf16 and one of fp16 weights below a temporary folder, all read from the page cache. Every figure is
the best of turns that are taken one after the other. `--values` is timed in a process of its own, which holds no torch, as that
of `dtypecheck scan` does; what it takes to start that is left out, as the import of torch is, and what it takes to have the loops
in machine code, which is told by itself. A quick look at a few GB does without them in a process that looks at nothing else: how
fast that is, say the rows of numpy alone. The peak is VmHWM of a fresh process that scans a file of 10 GB, sparse or (with
--real) written in full, and that of the largest of its child processes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from dtypecheck.dtypes import BF16, F16, F32, DType  # noqa: E402
from dtypecheck.files import place  # noqa: E402
from dtypecheck.read.located import located  # noqa: E402

BARS = {"numpy max, mapped": (0.5, None), "torch loop": (10.0, 5.0)}
"""How many times the speed of each a quick and a full look must reach."""
BLOCK = ((1280, 1280), (1280,), (5120, 1280), (5120,), (320, 320, 3, 3), (1280,))
"""Shapes of one block of the made model, over and over."""


def header(dtype: DType, nbytes: int) -> tuple[bytes, int]:
    """A safetensors header of blocks that take about so many bytes, and how many they really take."""
    tensors: dict[str, object] = {}
    at = 0
    while at < nbytes:
        for i, shape in enumerate(BLOCK):
            size = dtype.nbytes(int(np.prod(shape)))
            tensors[f"blocks.{len(tensors)}.{i}.weight"] = {"dtype": dtype.name, "shape": shape, "data_offsets": [at, at + size]}
            at += size
    text = json.dumps(tensors, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, at


def write(path: Path, dtype: DType, nbytes: int, real: bool = True) -> int:
    """A file of weights like trained ones; a sparse one where not `real`. Gives the bytes of its tensors."""
    head, size = header(dtype, nbytes)
    numbers = np.random.default_rng(0).standard_normal(1 << 22).astype(np.float32) * np.float32(0.02)
    bits = {F32: numbers, F16: numbers.astype(np.float16), BF16: (numbers.view(np.uint32) >> 16).astype(np.uint16)}[dtype]
    with path.open("wb") as file:
        file.write(head)
        left = size if real else 0
        while left:
            left -= file.write(memoryview(bits).cast("B")[:left])
        file.truncate(len(head) + size)
    return size


def mapped(path: Path, dtype: DType) -> None:
    """numpy's max over each tensor of the mapped file, as integers."""
    files = place(path)
    data = np.memmap(path, np.uint8, "r")
    kind = np.int32 if dtype is F32 else np.int16
    for at in located(files, next(iter(files.entries()))):
        data[at.start : at.start + at.nbytes].view(kind).max()


def loop(path: Path) -> None:
    """What people write."""
    import torch
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        for key in file.keys():  # noqa: SIM118 - it is no dict
            tensor = file.get_tensor(key)
            bool(torch.isfinite(tensor).all())
            float(tensor.abs().max())


class Scans:
    """A process that scans what it is told to. without: modules that it does not have. used: what counted the last file."""

    code = (
        "import sys\nsys.modules.update(dict.fromkeys(sys.argv[1:]))\nfrom dtypecheck.api import scan\n"
        "from dtypecheck.read.values.machine import MACHINE\n"
        "for line in sys.stdin:\n    mode, path = line.split()\n    scan(path, values=mode)\n"
        "    made = any(full == (mode == 'full') for _, full in MACHINE.made)\n"
        "    print('machine code' if made else f'numpy ({MACHINE.why})' if MACHINE.why else 'numpy', flush=True)\n"
    )

    def __init__(self, *without: str) -> None:
        self.without = without
        self.used: dict[str, str] = {}

    def __enter__(self) -> Callable[[Path, str], None]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [sys.executable, "-c", self.code, *self.without]
        self.process = subprocess.Popen(command, cwd=ROOT, **pipes)  # type: ignore[call-overload]
        return self.scan

    def scan(self, path: Path, values: str) -> None:
        """Let it scan a file, and wait for it."""
        self.process.stdin.write(f"{values} {path}\n")
        self.process.stdin.flush()
        self.used[values] = self.process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=60)


def fastest(jobs: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """The fewest seconds of each job; one warm-up, then all in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(turns + 1):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: min(each) for name, each in seconds.items()}


def speeds(folder: Path, dtype: DType, nbytes: int, turns: int) -> bool:
    """Print the table for one dtype; True when every bar is reached."""
    path = folder / f"{dtype.name}.safetensors"
    size = write(path, dtype, nbytes)
    held = np.fromfile(path, np.uint8)[-size:].view(np.int32 if dtype is F32 else np.int16)
    jobs: dict[str, Callable[[], object]] = {
        "numpy max, in memory": held.max,
        "numpy max, mapped": lambda: mapped(path, dtype),
        "torch loop": lambda: loop(path),
    }
    with (scans := Scans()) as ours, (plain := Scans("llvmlite")) as alone:
        jobs |= {"--values": lambda: ours(path, "quick"), "--values=full": lambda: ours(path, "full")}
        jobs |= {"quick, numpy alone": lambda: alone(path, "quick"), "full, numpy alone": lambda: alone(path, "full")}
        seconds = fastest(jobs, turns)
    assert all(used.startswith("numpy") for used in plain.used.values()), plain.used
    print(f"{dtype.short}, {size / 1e9:.2f} GB".ljust(24), "GB/s".rjust(6), "quick is".rjust(10), "full is".rjust(10))
    fine = True
    for name, each in seconds.items():
        cells = []
        for mode, bar in zip(("--values", "--values=full"), BARS.get(name, (None, None)), strict=True):
            times = each / seconds[mode]
            cells.append(f"{times:.2f} x" + ("" if bar is None else " ok" if times >= bar else " TOO SLOW"))
            fine = fine and (bar is None or times >= bar)
        print(name.ljust(24), f"{size / each / 1e9:6.2f}", *(cell.rjust(10) for cell in cells))
    print("counted by:", ", ".join(f"{mode} {used}" for mode, used in scans.used.items()), end="\n\n")
    path.unlink()
    return fine


def making() -> None:
    """Print how long it takes a fresh process that has numpy to have the loops of each dtype."""
    code = (
        "import time, numpy\nfrom dtypecheck.dtypes import BF16, F16, F32\nfrom dtypecheck.read.values.machine import Machine\n"
        "start = time.perf_counter()\nmachine = Machine(spent=1)\nmachine.loops([F32], True, 1)\n"
        "one = time.perf_counter() - start\nmachine.loops([F32, BF16, F16], True, 1)\n"
        "print(f'{one:.3f} s for one dtype, {time.perf_counter() - start:.3f} s for three' if machine.made else machine.why)"
    )
    told = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT) for _ in range(3)]
    print("to have the loops in machine code:", min(each.stdout.strip() for each in told), end="\n\n")


def peak(folder: Path, gigabytes: float, real: bool) -> bool:
    """Print the peak memory of fresh processes that scan one large file."""
    path = folder / "large.safetensors"
    size = write(path, BF16, int(gigabytes * 1e9), real)
    fine = True
    for values in ("quick", "full"):
        code = (
            "import resource, sys; from dtypecheck.api import scan; r = scan(sys.argv[1], values=sys.argv[2]);"
            "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')));"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), values], capture_output=True, text=True, check=True, cwd=ROOT
        )
        megabytes, of_child = (int(line) / 1024 for line in done.stdout.split())
        fine = fine and max(megabytes, of_child) < 300
        took = f"{time.perf_counter() - start:.1f} s"
        print(f"{size / 1e9:.1f} GB {values}: peak {megabytes:.0f} MB, {of_child:.0f} MB in the largest child (bar 300), {took}")
    path.unlink()
    return fine


def main() -> None:
    """Measure and print; exit 1 where a bar is missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gb", type=float, default=3.0)
    options.add_argument("--turns", type=int, default=5)
    options.add_argument("--big", type=float, default=10.0)
    options.add_argument("--real", action="store_true")
    options.add_argument("--threads", type=int, default=0, help="torch's; its own choice by default")
    asked = options.parse_args()
    import torch

    if asked.threads:
        torch.set_num_threads(asked.threads)
    print(f"{os.cpu_count()} cores, torch {torch.__version__} on {torch.get_num_threads()} threads, numpy {np.__version__}\n")
    making()
    with tempfile.TemporaryDirectory() as name:
        fine = [speeds(Path(name), dtype, int(asked.gb * 1e9), asked.turns) for dtype in (F32, BF16, F16)]
        if asked.big:
            fine.append(peak(Path(name), asked.big, asked.real))
    sys.exit(0 if all(fine) else 1)


if __name__ == "__main__":
    main()
