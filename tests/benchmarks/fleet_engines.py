"""What an engine costs by itself: batches with nothing to do. Prints a table.

    python tests/benchmarks/fleet_engines.py [--batches 2000] [--jobs 2] [local dask ray]

Each engine has a process of its own. Start is the time to the first row, each that of a further batch, close that to its end.
Memory is of this process and of it with all that it started (what is shared is shared out), at the end of the work.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

LIBRARIES = {"local": "concurrent.futures", "dask": "distributed", "ray": "ray"}


def held(pid: int) -> int:
    """Bytes that a process holds."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024


def below(pid: int) -> list[int]:
    """A process and all that it started."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def measure(name: str, batches: int, jobs: int) -> None:
    """One line of the table."""
    start = time.perf_counter()
    from dtypecheck.fleet.chosen import engine_of
    from dtypecheck.fleet.rows import Job
    from tests.fleet.works import nothing

    engine = engine_of(name, jobs, None, batches)  # type: ignore[arg-type]
    run = engine.run(nothing, ((Job(str(number)),) for number in range(batches + 1)))
    next(run)
    began = time.perf_counter()
    assert sum(1 for _ in run) == batches
    ended = time.perf_counter()
    everyone = below(os.getpid())
    own, whole = held(os.getpid()), sum(held(pid) for pid in everyone)
    closing = time.perf_counter()
    engine.close()
    closed = time.perf_counter() - closing
    print(
        f"{name:8}{began - start:9.2f}{1000 * (ended - began) / batches:10.2f}{closed:9.2f}"
        f"{len(everyone):11}{own / 1e6:11.0f}{whole / 1e6:11.0f}",
        flush=True,
    )


def main() -> None:
    """Those that are asked for and installed, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("engines", nargs="*", default=list(LIBRARIES))
    asked = parser.parse_args()
    if os.environ.get("DTYPECHECK_MEASURED"):
        measure(asked.engines[0], asked.batches, asked.jobs)
        return
    print(f"{asked.batches:,} empty batches, {asked.jobs} processes")
    print(f"{'':8}{'start s':>9}{'each ms':>10}{'close s':>9}{'processes':>11}{'driver MB':>11}{'whole MB':>11}", flush=True)
    for name in asked.engines:
        if find_spec(LIBRARIES[name]) is None:
            print(f"{name:8}  {LIBRARIES[name]} is not installed")
            continue
        command = [sys.executable, __file__, "--batches", str(asked.batches), "--jobs", str(asked.jobs), name]
        subprocess.run(command, check=True, timeout=600, env=os.environ | {"DTYPECHECK_MEASURED": "1"})


if __name__ == "__main__":
    main()
