"""How long a scan takes and how much memory, beside what a user would do instead. Prints a table; no test times anything.

    python tests/benchmarks/scan.py [--million]

Lays the fixtures out below a temporary folder. Every figure is of a whole process, the median of five runs taken in turn.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "fixtures")]

from lay_out import lay_out  # noqa: E402

from dtypecheck.files import Entry, OneFile  # noqa: E402
from dtypecheck.read.weights import read_safetensors  # noqa: E402

PEAK = """
import sys
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""
"""What a measured program says last: the most memory it ever held, in kB (ru_maxrss would count its parent's too)."""


def program_of(*arguments: str) -> str:
    """A program that does what `dtypecheck ARGUMENTS` does."""
    return f"from dtypecheck.cli import main\ntry:\n    main({list(arguments)!r})\nexcept SystemExit:\n    pass"


def whole(program: str) -> tuple[float, float]:
    """Seconds and peak megabytes of one Python process that runs a program."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program + PEAK], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=True
    )
    return time.perf_counter() - start, int(done.stderr.split()[-1]) / 1024


def median(programs: dict[str, str], runs: int = 5) -> dict[str, tuple[float, float]]:
    """The median seconds and the most megabytes of each program; one warm-up, then all of them in turn."""
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for turn in range(runs + 1):
        for name, program in programs.items():
            figure = whole(program)
            if turn:
                figures[name].append(figure)
    return {name: (statistics.median(s for s, _ in rows), max(m for _, m in rows)) for name, rows in figures.items()}


def headers(files: list[Path]) -> tuple[float, float, int]:
    """Files a second: ours and safetensors', with dtype and shape of each key; the median of nine turns, and the tensors."""
    from safetensors import safe_open

    entries = [(OneFile(path), Entry(path.name, path.stat().st_size, "")) for path in files]
    names = [str(path) for path in files]

    def ours() -> int:
        return sum(len(header.tensors or ()) for place, entry in entries for header in [read_safetensors(place, entry)])

    def theirs() -> int:
        count = 0
        for name in names:
            with safe_open(name, "pt") as file:
                rows = []
                for key in file.keys():  # noqa: SIM118 - a safetensors file is no dict
                    part = file.get_slice(key)
                    rows.append((key, part.get_dtype(), part.get_shape()))
                count += len(rows)
        return count

    theirs()
    gc.collect()
    gc.freeze()  # what torch brought with it is none of either's business
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for turn in range(10):
        for name, read in (("ours", ours), ("theirs", theirs)):
            start = time.process_time()
            count = read()
            if turn:
                times[name].append(time.process_time() - start)
    return len(files) / statistics.median(times["ours"]), len(files) / statistics.median(times["theirs"]), count


def many(folder: Path, case: Path, count: int) -> tuple[float, float]:
    """Seconds and peak megabytes of one process that scans `count` copies of a model directory."""
    place = folder / f"many{count}"
    for number in range(count):
        target = place / f"model{number:04}"
        target.mkdir(parents=True)
        for source in case.rglob("*"):
            if source.is_file():
                link = target / source.relative_to(case)
                link.parent.mkdir(parents=True, exist_ok=True)
                os.link(source, link)
    program = f"from dtypecheck import scan; report = scan({str(place)!r}); print(len(report.pipelines))"
    return whole(program)


def million(folder: Path) -> tuple[float, float, int]:
    """Seconds, megabytes and tensors of a 100 MB header, read in a process of its own."""
    path, offset, parts = folder / "million.safetensors", 0, []
    for number in range(1_000_000):
        span = f"[{offset},{offset + 16}]"
        parts.append(f'"l.{number:06}.mlp.gate.weight":{{"dtype":"F16","shape":[2,4],"data_offsets":{span}}}')
        offset += 16
    text = ("{" + ",".join(parts) + "}").encode()
    text += b" " * (99_999_992 - len(text))
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + offset)
    seconds, megabytes = whole(program_of("scan", str(path)))
    return seconds, megabytes, 1_000_000


def main() -> None:
    """Lay out, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", action="store_true", help="the 100 MB header too")
    parser.add_argument("--trees", type=Path, help="a folder of real model directories for the header figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(folder)
        sdxl = str(folder / "sdxl")
        figures = median(
            {
                "dtypecheck scan sdxl": program_of("scan", sdxl),
                "dtypecheck scan sdxl --dtype float16": program_of("scan", sdxl, "--dtype", "float16"),
                "dtypecheck --help": program_of("--help"),
                "python -c 'import diffusers'": "import diffusers",
                "python -c pass": "pass",
            }
        )
        print(f"{'whole process':<40} {'seconds':>8} {'MB':>6}")
        for command, (seconds, megabytes) in figures.items():
            print(f"{command:<40} {seconds:8.3f} {megabytes:6.0f}")
        ratio = figures["python -c 'import diffusers'"][0] / figures["dtypecheck scan sdxl"][0]
        print(f"{'scan against import diffusers':<40} {ratio:7.1f}x")
        files = sorted((arguments.trees or folder).rglob("*.safetensors"))
        sound = [
            f
            for f in files
            if f.stat().st_size > 1000 and not read_safetensors(OneFile(f), Entry(f.name, f.stat().st_size, "")).problems
        ]
        ours, theirs, count = headers(sound)
        print(f"\n{'headers':<40} {'files/s':>8}   ({len(sound)} files, {count:,} tensors)")
        for name, figure in (("dtypecheck", ours), ("safetensors.safe_open, dtype and shape", theirs)):
            print(f"{name:<40} {figure:8.0f}")
        print(f"{'ratio':<40} {ours / theirs:7.2f}x")
        print(f"\n{'model directories (sd15)':<40} {'seconds':>8} {'ms each':>8} {'peak MB':>8} {'kB kept each':>13}")
        first: tuple[int, float] | None = None
        for number in (125, 250, 500, 1000):
            seconds, most = many(folder, folder / "sd15", number)
            first = first or (number, most)
            kept = f"{1024 * (most - first[1]) / (number - first[0]):13.1f}" if number > first[0] else ""
            print(f"{number:<40} {seconds:8.2f} {1000 * seconds / number:8.1f} {most:8.1f} {kept}")
        if arguments.million:
            seconds, megabytes, tensors = million(folder)
            print(f"\n{f'{tensors:,} tensors in a 100 MB header':<40} {seconds:8.2f} s {megabytes:6.0f} MB")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nthis process at most {most:.0f} MB; Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
