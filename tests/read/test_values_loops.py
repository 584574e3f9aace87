"""Loops in machine code count what the passes of numpy count, bit for bit; without a compiler, all is counted by numpy."""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dtypecheck.dtypes import BF16, F8_E4M3, F16, F32, F64, DType
from dtypecheck.files import OneFile
from dtypecheck.read.located import locate
from dtypecheck.read.values import blocks, look, machine, stream
from dtypecheck.read.values.casts import Scratch
from dtypecheck.read.values.machine import WORTH, Machine, Summed
from dtypecheck.read.values.patterns import PATTERNS, Bits
from dtypecheck.read.values.pieces import CHUNK
from dtypecheck.read.values.source import open_source
from dtypecheck.read.values.tally import Tally
from dtypecheck.subjects.values import Numbers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="loops are used on Linux alone")
HALVES = np.arange(1 << 16, dtype=np.uint16)
LENGTHS = (1, 15, 16, 17, 31, 32, 33, 100, 1000)


@pytest.fixture(scope="module")
def loops() -> dict[bool, dict[DType, Summed]]:
    """By whether they are for a closer look."""
    made = Machine(spent=1)
    found = {full: made.loops((F32, BF16, F16), full, 1) for full in (True, False)}
    assert made.why == ""
    assert {full: set(each) for full, each in found.items()} == {full: {F32, BF16, F16} for full in (True, False)}
    return found


def tally_of(bits: Bits, dtype: DType, full: bool, loop: Summed | None, length: int) -> Tally:
    raw, tally = bits.view(np.uint8), Tally()
    step = length * bits.itemsize
    parts = (raw[at : at + step] for at in range(0, len(raw), step))
    look.look(parts, dtype, Scratch(step) if full else None, tally, loop)
    if not tally.f16 and dtype is not F32:
        tally.looked = tally.telling = 0  # told of no tensor that was in no narrower dtype
    return tally


def agree(bits: Bits, dtype: DType, loops: dict[bool, dict[DType, Summed]], length: int | None = None) -> None:
    for full in (True, False):
        loop, size = loops[full][dtype], length or len(bits)
        assert tally_of(bits, dtype, full, loop, size) == tally_of(bits, dtype, full, None, size), (full, size)


# bit for bit


@pytest.mark.parametrize("dtype", [F16, BF16], ids=str)
def test_all_patterns_of_16_bits_are_counted_as_numpy_counts_them(dtype: DType, loops: dict[bool, dict[DType, Summed]]) -> None:
    agree(HALVES, dtype, loops)
    for length in (16, 33, 100, 1000):
        agree(HALVES, dtype, loops, length)


@pytest.mark.parametrize("dtype", [F16, BF16], ids=str)
def test_each_pattern_of_16_bits_that_no_pass_is_needed_for_is_told_apart(
    dtype: DType, loops: dict[bool, dict[DType, Summed]]
) -> None:
    sizes = HALVES & 0x7FFF
    common = HALVES[sizes < PATTERNS[dtype].uncommon]
    for pattern in common[::7]:
        agree(np.array([pattern, 0x2000], np.uint16), dtype, loops)


def near(*numbers: float) -> Bits:
    """The patterns of float32 around each of the numbers, of both signs."""
    bits = np.array(numbers, np.float32).view(np.uint32).astype(np.int64)
    around = (bits[:, None] + np.arange(-3, 4)).reshape(-1).clip(0).astype(np.uint32)
    return np.concatenate([around, around ^ np.uint32(1 << 31)])


EDGES = near(
    *(2.0**power for power in (-149, -148, -140, -135, -134, -133, -127, -126, -125, -26, -25, -24, -23, -17, -15, -14, -13)),
    *(3 * 2.0**power for power in (-136, -128, -27, -26, -25, -24, -16)),
    *(2.0**-126 - 2.0**-134, 2.0**-14 - 2.0**-24, 2.0**-14 - 2.0**-25, 2.0**-14 - 2.0**-26, 1e-40, 1.0, 0.1, 65503.0),
)


def test_edges_of_32_bits_are_counted_as_numpy_counts_them(loops: dict[bool, dict[DType, Summed]]) -> None:
    agree(EDGES, F32, loops)
    for number in EDGES:
        agree(np.array([number, 0], np.uint32), F32, loops)


@pytest.mark.parametrize("seed", range(6))
def test_numbers_of_any_size_are_counted_as_numpy_counts_them(seed: int, loops: dict[bool, dict[DType, Summed]]) -> None:
    draw = np.random.default_rng(seed)
    agree(draw.integers(0, 1 << 32, 5001, dtype=np.uint32), F32, loops, 500)
    for power in (-43, -38, -25, -8, -6, -4, -2, 0, 4):
        wide = draw.standard_normal(3001).astype(np.float32) * np.float32(10.0**power)
        half = wide.astype(np.float16)
        for bits, dtype in (
            (wide.view(np.uint32), F32),
            (half.astype(np.float32).view(np.uint32), F32),
            (wide.view(np.uint32) & np.uint32(0xFFFF0000), F32),
            ((wide.view(np.uint32) >> 16).astype(np.uint16), BF16),
            ((half.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16), BF16),
            (half.view(np.uint16), F16),
        ):
            agree(bits, dtype, loops)
            agree(bits, dtype, loops, 1000)


@pytest.mark.parametrize("dtype", [F32, BF16, F16], ids=str)
@pytest.mark.parametrize("length", LENGTHS)
def test_what_is_left_over_by_64_bytes_is_counted(length: int, dtype: DType, loops: dict[bool, dict[DType, Summed]]) -> None:
    numbers = np.random.default_rng(length).standard_normal(length).astype(np.float32) * np.float32(1e-4)
    kinds = {F32: numbers.view(np.uint32), F16: numbers.astype(np.float16).view(np.uint16)}
    agree(kinds.get(dtype, (numbers.view(np.uint32) >> 16).astype(np.uint16)), dtype, loops)


@pytest.mark.parametrize("at", [0, 1, 63, 64, 98, 99])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 65504.0, -65504.0, 65520.0, -70000.0, 3.4e38])
def test_one_number_out_of_the_common_is_found_wherever_it_stands(
    at: int, number: float, loops: dict[bool, dict[DType, Summed]]
) -> None:
    numbers = np.full(100, 1e-5, np.float32)
    numbers[at] = number
    with np.errstate(over="ignore"):
        half = numbers.astype(np.float16)
    agree(numbers.view(np.uint32), F32, loops, 50)
    agree(half.view(np.uint16), F16, loops, 50)
    agree((numbers.view(np.uint32) >> 16).astype(np.uint16), BF16, loops, 50)


def test_a_block_of_more_numbers_than_the_counts_hold_is_left_to_numpy(loops: dict[bool, dict[DType, Summed]]) -> None:
    inexact = np.full((machine._LONGEST >> 1) + 32, 0x3C01, np.uint16)
    assert loops[True][F16](inexact) == ()
    assert loops[True][F16](inexact[:-32]) == (0x3C01, len(inexact) - 32)
    agree(inexact, F16, loops)


def test_a_loop_takes_no_byte_beyond_its_block(loops: dict[bool, dict[DType, Summed]]) -> None:
    room = mmap.mmap(-1, 2 * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    bits = np.frombuffer(room, np.uint32)
    bits[mmap.PAGESIZE // 4 :] = 0x40000000
    for length in (1, 16, 17, 100):
        end = mmap.PAGESIZE // 4
        assert loops[False][F32](bits[end - length : end]) == (0,)
        assert loops[False][F32](bits[end - length : end + 1]) == (0x40000000,)


def test_long_blocks_for_loops_are_counted_as_short_ones_for_numpy(loops: dict[bool, dict[DType, Summed]]) -> None:
    wide = np.random.default_rng(0).standard_normal(700_001).astype(np.float32) * np.float32(1e-3)
    was_half = wide.astype(np.float16).astype(np.float32)
    for at in (None, 5, 300_000, 600_000):
        if at is not None:
            wide[at] = was_half[at] = np.inf
        for bits, dtype in (
            (wide.view(np.uint32), F32),
            (was_half.view(np.uint32), F32),
            ((was_half.view(np.uint32) >> 16).astype(np.uint16), BF16),
            (was_half.astype(np.float16).view(np.uint16), F16),
        ):
            for full in (True, False):
                short, long = Tally(), Tally()
                raw, room = bits.view(np.uint8), Scratch(CHUNK) if full else None
                look.look(look.parts(raw, CHUNK), dtype, room, short)
                look.look(look.parts(raw, blocks.LONG), dtype, room, long, loops[full][dtype])
                assert long == short or (not (long.f16 or short.f16) and dtype is not F32), (dtype, full, at)
                if dtype is F32 and at is None:
                    assert (long.looked, long.f16) == ((700_001, True) if bits.base is was_half else (0, False))


# whole files


def numbers_of(path: Path, full: bool) -> list[Numbers]:
    files = OneFile(path)
    places = locate(files, next(iter(files.entries()))).places
    found = stream.count(places, lambda: open_source(files, path.name), full)
    return [tally.numbers(path.name, place) for tally, place in zip(found, places, strict=True)]


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("children", [True, False])
def test_files_are_counted_as_without_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool, children: bool) -> None:
    draw = torch.Generator().manual_seed(2)
    wide = torch.randn(1301, 1009, generator=draw) * 1e-3
    saved = {
        "wide": wide,
        "half": wide.half(),
        "was half": wide.half().float(),
        "bf16": wide.bfloat16(),
        "half in bf16": (wide * 1e-2).half().bfloat16(),
        "gaps": wide[:300, ::3],
        "special": torch.tensor([1.0, float("nan"), float("inf"), 70000.0, 1e-7, 1e-30, 0.0, -2e-5]),
        "double": wide[:5].double(),
        "byte": wide[0].to(torch.float8_e4m3fn),
    } | {f"small {i}": wide[0, :i].clone() for i in range(1, 40)}
    torch.save(saved, tmp_path / "a.bin")
    used: list[int] = []
    looked = blocks.look

    def watched(*given: object) -> None:
        used.append(given[-1] is not None)
        looked(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(blocks, "look", watched)
    monkeypatch.setattr(stream, "LARGE", 0)
    monkeypatch.setattr(stream, "can_fork", lambda: children)
    monkeypatch.setattr(stream, "MACHINE", Machine(why="not asked for"))
    expected = numbers_of(tmp_path / "a.bin", full)
    assert not any(used)
    monkeypatch.setattr(stream, "MACHINE", made := Machine(spent=1))
    assert numbers_of(tmp_path / "a.bin", full) == expected
    assert {dtype for dtype, _ in made.made} == {F32, BF16, F16}
    assert children or any(used)


# when they are worth their while


def test_loops_are_made_once_there_is_enough_to_look_at() -> None:
    few = Machine()
    assert few.loops([F32], True, WORTH[True] // 2) == {}
    assert few.loops([F32], False, WORTH[False] // 4) == {}
    assert set(few.loops([F32, F16, F32], True, WORTH[True] // 4)) == {F32, F16}
    assert few.loops([F32], True, 1) == {F32: few.made[F32, True]}
    assert set(few.loops([BF16], False, 1)) == {BF16}


def test_dtypes_that_have_no_loop_ask_for_none() -> None:
    none = Machine(spent=1)
    assert none.loops([F64, F8_E4M3], True, 1 << 40) == {}
    assert (none.spent, none.why) == (1, "")


IN_A_NEW_PROCESS = """
import json, os, sys, threading
import numpy
from dtypecheck.api import scan
from dtypecheck.read.values.children import can_fork
from dtypecheck.read.values.machine import MACHINE

path, spent, without = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
sys.modules.update(dict.fromkeys(without))
wrote = []
def heard(event, given):
    if event == "open" and (given[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or event in ("os.mkdir", "os.rename"):
        wrote.append(str(given[0]))
sys.addaudithook(heard)
MACHINE.spent = spent
threads = len(os.listdir("/proc/self/task"))
counted = scan(path, values="full").values[0].values[0].shown.numbers
print(json.dumps({
    "numbers": [repr(each) for each in counted],
    "made": sorted(dtype.name for dtype, _ in MACHINE.made),
    "why": MACHINE.why,
    "imported": "llvmlite" in sys.modules,
    "threads": len(os.listdir("/proc/self/task")) - threads,
    "can fork": can_fork(),
    "wrote": wrote,
}))
"""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    numbers = torch.randn(70, 1001, generator=torch.Generator().manual_seed(4)) * 1e-3
    save_file({"a": numbers, "b": numbers.half(), "c": numbers.bfloat16()}, tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def scanned(weights: Path, spent: float, *without: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, str(weights), str(spent), *without], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_process_with_loops_starts_no_thread_writes_nothing_and_can_be_copied(weights: Path) -> None:
    few, many, without = scanned(weights, 0), scanned(weights, 1), scanned(weights, 1, "llvmlite")
    assert (few["made"], few["imported"]) == ([], False)
    assert (many["made"], many["imported"], many["why"]) == (["BF16", "F16", "F32"], True, "")
    assert (many["threads"], many["wrote"], many["can fork"]) == (0, [], True)
    assert without["made"] == []
    assert str(without["why"]).startswith("ModuleNotFoundError")
    assert few["numbers"] == many["numbers"] == without["numbers"]


def broken(how: str) -> Iterator[tuple[str, ModuleType | None]]:
    """Modules as they are found where llvmlite is not there, very old, has lost its library, or does not know the processor."""
    package, binding = ModuleType("llvmlite"), ModuleType("llvmlite.binding")
    package.binding = binding  # type: ignore[attr-defined]
    faults = {"lost": OSError("Could not find/load shared object file"), "unknown": RuntimeError("no target for this processor")}

    def fails() -> None:
        raise faults[how]

    if how in faults:
        binding.initialize_native_target = fails  # type: ignore[attr-defined]
    yield "llvmlite", None if how == "missing" else package
    yield "llvmlite.binding", None if how == "missing" else binding


@pytest.mark.parametrize(
    ("how", "why"), [("missing", "ModuleNotFound"), ("old", "Attribute"), ("lost", "OS"), ("unknown", "Runtime")]
)
def test_where_loops_cannot_be_had_numpy_counts_and_nobody_tries_again(
    weights: Path, monkeypatch: pytest.MonkeyPatch, how: str, why: str
) -> None:
    expected = numbers_of(weights, True)
    for name, module in broken(how):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(stream, "MACHINE", none := Machine(spent=1))
    assert numbers_of(weights, True) == expected
    assert none.why.startswith(f"{why}Error: ")
    monkeypatch.undo()
    assert none.loops([F32], True, 1 << 40) == {}
