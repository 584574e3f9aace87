"""The numbers: bit for bit what torch says of every pattern, of odd shapes, of strided and shared tensors, and of bad files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dtypecheck import dtypes
from dtypecheck.api import scan
from dtypecheck.dtypes import BF16, F8_E4M3, F8_E4M3FNUZ, F8_E5M2, F8_E5M2FNUZ, F16, F32, F64, DType
from dtypecheck.files import Entry, OneFile
from dtypecheck.read.located import Place
from dtypecheck.read.values import blocks, stream
from dtypecheck.read.values.casts import Scratch
from dtypecheck.read.values.look import look
from dtypecheck.read.values.pieces import TASK, cut, tasks
from dtypecheck.read.values.source import Shrunk, open_source
from dtypecheck.read.values.tally import Tally
from dtypecheck.report import Report
from dtypecheck.request import WrongUse
from dtypecheck.subjects.values import Counted, Numbers

PATTERNS = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16)
EDGES = torch.tensor(
    [
        65504, 65519.99, 65520, 65536, 2**-14, 2**-14 - 2**-25, 2**-14 - 2**-26, 2**-24, 2**-25, 1.0001 * 2**-25, 2**-26,
        3 * 2**-25, 1e-40,
        2**-133, 2**-134, 1.01 * 2**-134, 2**-126, 2**-126 - 2**-134, 3.3895e38, 3.396e38, 3.4e38, 0, -0.0, 1, 1 + 2**-10,
        1 + 2**-11, 1 + 2**-7, 1 + 2**-8, float("nan"), float("inf"), -float("inf"),
    ],
    dtype=torch.float64,
)  # fmt: skip


def tally_of(tensor: torch.Tensor, dtype: DType, full: bool = True) -> Tally:
    raw = tensor.contiguous().view(torch.uint8).numpy().reshape(-1)
    tally = Tally()
    look((raw,), dtype, Scratch(raw.nbytes) if full else None, tally)
    return tally


def agree(tensor: torch.Tensor, dtype: DType) -> None:
    """Every count of a tensor is what torch's own isfinite, abs, max and casts give."""
    wide = tensor.double()
    finite = torch.isfinite(wide)
    held = tensor[finite]
    expected = {
        "nan": int(wide.isnan().sum()),
        "inf": int((wide == float("inf")).sum()),
        "low_inf": int((wide == -float("inf")).sum()),
        "absmax": float(wide.abs()[finite].max()) if len(held) else -1.0,
        "overflow": int((~torch.isfinite(held.half())).sum()),
        "wide_overflow": int((~torch.isfinite(held.bfloat16())).sum()),
    }
    for full in (False, True):
        tally = tally_of(tensor, dtype, full)
        assert {name: getattr(tally, name) for name in expected} == expected
    for narrow in (F16, BF16):
        if narrow in tally.casts:
            cast = held.to(getattr(torch, narrow.torch))
            kept = torch.isfinite(cast.double())
            zero = (cast == 0) & (held != 0)
            low = (cast != 0) & (cast.double().abs() < torch.finfo(cast.dtype).tiny)
            other = (cast.double() != held.double()) & kept
            assert tally.casts[narrow] == [int(count.sum()) for count in (~kept, zero, low, other)], narrow


# bit for bit


@pytest.mark.parametrize("dtype", [F16, BF16], ids=str)
def test_all_patterns_of_16_bits_are_counted_as_torch_counts_them(dtype: DType) -> None:
    every = PATTERNS.view(getattr(torch, dtype.torch))
    agree(every, dtype)
    for piece in every.split(61):
        agree(piece, dtype)
    for at in (0x0000, 0x0001, 0x03FF, 0x0400, 0x7BFF, 0x7C00, 0x7C01, 0x7F7F, 0x7F80, 0x7FFF, 0x8000, 0xFBFF, 0xFC00, 0xFFFF):
        agree(every[at : at + 1], dtype)


@pytest.mark.parametrize("dtype", [F8_E4M3, F8_E5M2, F8_E4M3FNUZ, F8_E5M2FNUZ], ids=str)
def test_all_patterns_of_8_bits_are_counted_as_torch_counts_them(dtype: DType) -> None:
    every = torch.arange(256, dtype=torch.int32).to(torch.uint8).view(getattr(torch, dtype.torch))
    for piece in (every, *every.split(1), *every.split(50)):
        wide = piece.float()
        finite = wide[torch.isfinite(wide)]
        tally = tally_of(piece, dtype, full=False)
        assert tally.nan == int(wide.isnan().sum())
        assert tally.inf + tally.low_inf == int(wide.isinf().sum())
        assert tally.absmax == (float(finite.abs().max()) if len(finite) else -1.0)


def test_random_and_special_numbers_of_32_bits_are_counted_as_torch_counts_them() -> None:
    draw = torch.Generator().manual_seed(0)
    for _ in range(20):
        bits = torch.randint(-(2**31), 2**31, (5000,), generator=draw, dtype=torch.int64).to(torch.int32)
        agree(bits.view(torch.float32), F32)
    near = torch.cat([EDGES.float().view(torch.int32) + step for step in range(-3, 4)])
    near = torch.cat([near, near ^ -(2**31)]).view(torch.float32)
    agree(near, F32)
    for number in near.split(1):
        agree(number, F32)


def test_float64_is_cast_by_way_of_float32_as_torch_does() -> None:
    draw = torch.Generator().manual_seed(0)
    small = torch.randn(2000, generator=draw, dtype=torch.float64)
    agree(torch.cat([EDGES, -EDGES, small * 1e-4, small * 1e-38, torch.tensor([1e300, 65519.9999999, 1e-60])]), F64)


def test_numbers_at_exactly_the_largest_of_fp16_are_counted_on_both_sides() -> None:
    tally = tally_of(torch.tensor([65504.0, -65504.0, 65504.0, 65472.0]).half(), F16)
    assert (tally.saturated, tally.saturated_low) == (2, 1)
    tally = tally_of(torch.tensor([65504.0, float("nan"), -65472.0]).half(), F16)
    assert (tally.saturated, tally.saturated_low, tally.nan) == (1, 0, 1)


# the past of numbers


def noise(*shape: int, wide: float = 0.02) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1)) * wide


def test_the_past_of_numbers_is_told_by_their_bits() -> None:
    numbers = noise(300, 300)
    told = {
        "fp32": tally_of(numbers, F32),
        "fp16 in fp32": tally_of(numbers.half().float(), F32),
        "bf16 in fp32": tally_of(numbers.bfloat16().float(), F32),
        "bf16": tally_of(noise(600, 600).bfloat16(), BF16),
        "fp16 in bf16": tally_of(noise(600, 600).half().bfloat16(), BF16),
    }
    assert {name: (tally.f16, tally.bf16) for name, tally in told.items() if "fp32" in name} == {
        "fp32": (False, False),
        "fp16 in fp32": (True, False),
        "bf16 in fp32": (False, True),
    }
    assert (told["bf16"].f16, told["fp16 in bf16"].f16) == (False, True)
    assert told["fp16 in fp32"].telling > 1000
    assert told["fp16 in bf16"].telling > 64


def test_one_number_with_all_its_digits_settles_it_wherever_it_stands() -> None:
    for at in (0, 5000, 89_999):
        numbers = noise(300, 300).half().float()
        numbers.view(-1)[at] = 0.1
        assert not tally_of(numbers, F32).f16


def test_numbers_beyond_fp16_were_never_in_it() -> None:
    assert not tally_of(torch.tensor([1.0, 70000.0]).bfloat16(), BF16).f16
    assert not tally_of(torch.tensor([1.0, 2.0**20]), F32).f16


# files


def numbers_of(report: Report) -> dict[str, Numbers]:
    return {numbers.key: numbers for numbers in counted_of(report).numbers}


def counted_of(report: Report) -> Counted:
    counted = report.values[0].values[0].shown
    assert counted
    return counted


def odd_tensors() -> dict[str, torch.Tensor]:
    base = noise(1000)
    found = {f"blocks.{i}.weight": noise(33, 17 + i) for i in range(30)}
    return found | {
        "large": noise(900, 1001),
        "turned": noise(700, 901).t(),
        "every third": noise(901, 1200)[:, ::3],
        "channels last": noise(9, 64, 5, 5).to(memory_format=torch.channels_last),
        "expanded": noise(1, 50).expand(20, 50),
        "one": torch.tensor(7.5),
        "empty": torch.zeros(0, 4),
        "half": noise(3).half(),
        "byte": noise(77).to(torch.float8_e4m3fn),
        "after": noise(5),
        "view": base[100:200],
        "other view": base[50:150],
        "double": noise(31).double(),
        "special": torch.tensor([1.0, float("nan"), float("inf"), -float("inf"), 70000.0]),
    }


@pytest.mark.parametrize("name", ["a.safetensors", "a.bin", "a.pt"])
@pytest.mark.parametrize("depth", ["quick", "full"])
def test_every_tensor_of_a_file_is_counted_whatever_its_shape_and_place(tmp_path: Path, name: str, depth: str) -> None:
    saved = odd_tensors()
    if name.endswith("safetensors"):
        save_file({key: tensor.clone().contiguous() for key, tensor in saved.items()}, tmp_path / name)
    else:
        torch.save(saved | {"whole": torch.arange(9)}, tmp_path / name, _use_new_zipfile_serialization=name == "a.bin")
    report = scan(tmp_path / name, values=depth)
    found = numbers_of(report)
    assert found.keys() == saved.keys()
    assert counted_of(report).skipped == (not name.endswith("safetensors"))
    for key, tensor in saved.items():
        wide = tensor.double()
        finite = wide[torch.isfinite(wide)]
        numbers = found[key]
        assert numbers.absmax == (float(finite.abs().max()) if len(finite) else None), key
        assert (numbers.elements, numbers.nan) == (tensor.numel(), int(wide.isnan().sum())), key
        assert (numbers.inf, numbers.low_inf) == (int((wide == float("inf")).sum()), int((wide == -float("inf")).sum())), key
        if depth == "full" and tensor.dtype == torch.float32 and len(finite):
            cast = finite.float().half().double()
            expected = int(((cast != finite) & torch.isfinite(cast)).sum())
            assert [narrowed.inexact for narrowed in numbers.narrowed if narrowed.dtype is F16] == [expected], key


@pytest.mark.parametrize("chunk", [64, 4096, blocks.CHUNK])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_size_of_the_pieces_and_the_number_of_threads_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, threads: int
) -> None:
    saved = {"a": noise(100, 300), "b": noise(7).half(), "c": noise(60, 61)[:, ::2], "d": torch.tensor([70000.0, float("nan")])}
    torch.save(saved, tmp_path / "a.bin")
    expected = numbers_of(scan(tmp_path / "a.bin", values="full"))
    monkeypatch.setattr(blocks, "CHUNK", chunk)
    monkeypatch.setattr(stream, "AT_ONCE", threads)
    monkeypatch.setattr("dtypecheck.read.values.pieces.GAPS", chunk)
    monkeypatch.setattr("dtypecheck.read.values.pieces.TASK", max(4096, chunk))
    again = numbers_of(scan(tmp_path / "a.bin", values="full"))
    for key, numbers in expected.items():
        other = again[key]
        assert (numbers.absmax, numbers.nan, numbers.overflow, numbers.narrowed) == (
            other.absmax, other.nan, other.overflow, other.narrowed,
        )  # fmt: skip


def test_a_tensor_that_lies_at_an_odd_byte_is_read_right(tmp_path: Path) -> None:
    data = noise(500).numpy().tobytes()
    (tmp_path / "a.bin").write_bytes(b"xyz" + data)
    files = OneFile(tmp_path / "a.bin")
    places = [Place("a", F32, (100,), 3, True, (1,), 400), Place("b", F32, (400,), 403, True, (1,), 1600)]
    tallies = stream.count(places, lambda: open_source(files, "a.bin"), full=True)
    assert tallies[0].absmax == float(noise(500)[:100].abs().max())
    assert tallies[1].absmax == float(noise(500)[100:].abs().max())


@pytest.mark.parametrize("dtype", [F32, F16, BF16, F8_E5M2], ids=str)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("many", [10, 1 << 16])
def test_blocks_of_any_length_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch, dtype: DType, full: bool, many: int) -> None:
    monkeypatch.setattr("dtypecheck.read.values.look._MANY", many)
    draw = torch.Generator().manual_seed(3)
    wide = torch.cat([torch.randn(3001, generator=draw) * 1e-4, EDGES.float(), torch.zeros(40), -EDGES.float()])
    tensor = wide.to(getattr(torch, dtype.torch))
    whole = tally_of(tensor, dtype, full)
    raw = tensor.view(torch.uint8).numpy()
    size = dtype.bits // 8
    for length in (1, 3, 7, 8, 9, 64, 1000):
        tally = Tally()
        blocks = (raw[at : at + length * size] for at in range(0, len(raw), length * size))
        look(blocks, dtype, Scratch(length * size) if full else None, tally)
        for name in ("absmax", "nan", "inf", "low_inf", "overflow", "wide_overflow", "saturated", "saturated_low", "casts"):
            assert getattr(tally, name) == getattr(whole, name), (name, length)


@pytest.mark.parametrize("start", [0, 1, 8, TASK - 3, TASK - 8, TASK, 3 * TASK + 1000])
@pytest.mark.parametrize("elements", [1, 2, TASK // 2, 2 * TASK + 1])
def test_a_tensor_is_cut_into_whole_numbers_near_multiples_in_the_file(start: int, elements: int) -> None:
    pieces = cut(0, Place("a", F32, (elements,), start, True, (1,), 4 * elements)).pieces
    ends = [piece.start + piece.nbytes for piece in pieces]
    assert [start, *ends[:-1]] == [piece.start for piece in pieces]
    assert ends[-1] == start + 4 * elements
    assert all(0 < piece.nbytes <= TASK and piece.nbytes % 4 == 0 for piece in pieces)
    assert all(-end % TASK < 8 for end in ends[:-1])
    together = list(tasks([cut(0, Place("a", F32, (elements,), start, True, (1,), 4 * elements))]))
    assert [piece for task in together for piece in task] == list(pieces)


def test_numbers_with_gaps_are_cut_into_pieces_without_what_lies_between() -> None:
    place = Place("a", F32, (1000, 1000), 0, False, (5000, 2), 4_000_000)
    pieces = cut(0, place).pieces
    assert sum(np.prod(piece.shape, dtype=int) if piece.shape else piece.nbytes // 4 for piece in pieces) == 1_000_000
    assert max(piece.start + piece.nbytes for piece in pieces) == place.reach


def test_a_tensor_that_names_numbers_again_and_again_is_left_out_and_said(tmp_path: Path) -> None:
    base = noise(1000)
    torch.save({"windows": torch.as_strided(base, (900, 90), (1, 1)), "plain": base}, tmp_path / "a.bin")
    report = scan(tmp_path / "a.bin", values="quick")
    assert list(numbers_of(report)) == ["plain"]
    assert counted_of(report).unread == (("a.bin windows", "its numbers overlap each other"),)


def test_shared_numbers_are_read_once_and_told_for_each_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = noise(2000)
    torch.save({f"k{i}": weight for i in range(500)}, tmp_path / "a.bin")
    read: list[int] = []
    into = blocks.Room.read
    monkeypatch.setattr(blocks.Room, "read", lambda room, start, nbytes: (read.append(nbytes), into(room, start, nbytes))[1])
    found = numbers_of(scan(tmp_path / "a.bin", values="quick"))
    assert len(found) == 500
    assert sum(read) == 8000


def test_a_hub_cache_with_the_same_blob_twice_reads_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = tmp_path / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    save_file({"decoder.weight": noise(40, 40)}, blob)
    for revision in ("one", "two"):
        folder = tmp_path / "snapshots" / revision
        folder.mkdir(parents=True)
        (folder / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
        (folder / "diffusion_pytorch_model.safetensors").symlink_to(blob)
    read: list[int] = []
    original = stream.count
    monkeypatch.setattr(
        "dtypecheck.read.values.survey.count", lambda places, *rest: (read.append(len(places)), original(places, *rest))[1]
    )
    report = scan(tmp_path, values="quick")
    assert len(report.values) == 2
    assert {numbers.path for s in report.values for v in s.values for c in v.sets for numbers in c.numbers} == {
        f"snapshots/{revision}/diffusion_pytorch_model.safetensors" for revision in ("one", "two")
    }
    assert read == [1]


# single files and components


def test_the_components_of_a_single_file_are_told_apart(tmp_path: Path) -> None:
    save_file(
        {
            "model.diffusion_model.input_blocks.0.0.weight": noise(4, 4),
            "model.diffusion_model.output_blocks.11.0.skip_connection.weight": noise(4, 4),
            "first_stage_model.decoder.conv_in.weight": torch.full((4, 4), 9.0),
            "cond_stage_model.transformer.x.weight": torch.full((4, 4), 3.0),
        },
        tmp_path / "a.safetensors",
    )
    report = scan(tmp_path / "a.safetensors", values="quick")
    assert {v.component.name: v.shown and v.shown.absmax for v in report.values[0].values if v.component.name != "unet"} == {
        "vae": 9.0,
        "text_encoder": 3.0,
    }


# what must be left alone, and bad files


def test_without_values_no_number_is_read(tmp_path: Path) -> None:
    save_file({"a.weight": torch.full((4, 4), float("nan"))}, tmp_path / "a.safetensors")
    report = scan(tmp_path / "a.safetensors")
    assert not report.values
    assert not any(finding.code.startswith("DT4") for finding in report.findings)


def test_a_truncated_file_keeps_its_finding_and_gets_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a.weight": noise(40, 40)}, path)
    path.write_bytes(path.read_bytes()[:-8])
    report = scan(path, values="full")
    assert [finding.code for finding in report.findings] == ["DT003"]


def test_a_file_that_shrinks_while_it_is_read_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    save_file({f"{i}.weight": noise(400, 400) for i in range(8)}, path)

    def shrinking(files: OneFile, name: str) -> object:
        os.truncate(path, 300_000)
        return open_source(files, name)

    monkeypatch.setattr("dtypecheck.read.values.survey.open_source", shrinking)
    report = scan(path, values="quick")
    assert [(finding.code, finding.where.path) for finding in report.findings] == [("DT003", "a.safetensors")]
    assert "cut short while it was read: it ends before byte 300,000" in report.findings[0].message


def test_a_file_that_goes_away_while_it_is_read_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"0.weight": noise(400, 400)}, path)

    def vanishing(files: OneFile, name: str) -> object:
        path.unlink(missing_ok=True)
        return open_source(files, name)

    monkeypatch.setattr("dtypecheck.read.values.survey.open_source", vanishing)
    assert [finding.code for finding in scan(path, values="quick").findings] == ["DT001"]


def test_a_source_says_at_which_byte_it_ends(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    source = open_source(OneFile(tmp_path / "a"), "a")
    with pytest.raises(Shrunk) as fault:
        source.into(4, memoryview(bytearray(8)))
    source.close()
    assert fault.value.at == 10


def test_a_gguf_file_is_not_looked_into_and_that_is_said(tmp_path: Path) -> None:
    from dtypecheck.read.values.survey import _look

    (tmp_path / "a.gguf").write_bytes(b"GGUF" + bytes(100))
    found = _look(OneFile(tmp_path / "a.gguf"), Entry("a.gguf", 104, ""), "quick")
    assert found.unread == (("", "the numbers of a GGUF file are packed"),)


def test_without_numpy_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"a.weight": noise(4, 4)}, tmp_path / "a.safetensors")
    for name in [name for name in sys.modules if name.startswith("dtypecheck.read.values.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(WrongUse, match="--values needs numpy: pip install numpy"):
        scan(tmp_path / "a.safetensors", values="quick")


def test_an_unknown_depth_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="quick or full"):
        scan(tmp_path, values="deep")


def test_integers_are_skipped_and_counted(tmp_path: Path) -> None:
    save_file({"a": torch.arange(9), "b": torch.ones(3, dtype=torch.bool), "c": noise(3)}, tmp_path / "a.safetensors")
    counted = counted_of(scan(tmp_path / "a.safetensors", values="full"))
    assert (counted.skipped, [numbers.key for numbers in counted.numbers]) == (2, ["c"])


def test_every_float_that_torch_has_is_looked_at() -> None:
    from dtypecheck.read.values.look import LOOKED_AT

    assert {dtype for dtype in dtypes.ALL if dtype.is_float and dtype.torch and dtype.bits >= 8} == LOOKED_AT


@pytest.mark.slow
def test_a_large_file_is_read_in_little_memory(tmp_path: Path) -> None:
    import subprocess

    head = b'{"a.weight":{"dtype":"BF16","shape":[5000000000],"data_offsets":[0,10000000000]}}'
    with (tmp_path / "large.safetensors").open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.truncate(8 + len(head) + 10_000_000_000)
    code = (
        "import sys; from dtypecheck.api import scan; r = scan(sys.argv[1], values='full');"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "large.safetensors")], capture_output=True, text=True, check=True, timeout=600
    )
    assert int(done.stdout) < 300 * 1024
