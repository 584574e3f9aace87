"""However small the batches are and however many threads carry them, the file, its hashes and its losses are the same."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save, save_file

from dtypecheck.edits import Store, Take
from dtypecheck.files import Directory, Files, Memory
from dtypecheck.fixing.cast import Layout, Written, laid_out, losses, stream, write
from dtypecheck.fixing.cast.batches import batches
from dtypecheck.fixing.cast.engines import Name
from dtypecheck.fixing.cast.reading import opened
from dtypecheck.fixing.cast.turns import Stopped, Turns, together
from dtypecheck.fixing.refusal import Refusal

ENGINES: tuple[Name, ...] = ("numpy", "torch")


@pytest.fixture(params=[8, 24, 200, 4096])
def cut_small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Batches of so many bytes, carried by four threads; none is left afterwards."""
    monkeypatch.setattr(stream, "BUFFER", request.param)
    monkeypatch.setattr(stream, "hands", lambda jobs: 4)
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def weights() -> dict[str, torch.Tensor]:
    seeded = torch.Generator().manual_seed(5)
    return {
        "long": torch.randn(3_001, generator=seeded) * 1e-5,
        "short": torch.randn(5, generator=seeded),
        "scalar": torch.tensor(8.0),
        "none": torch.zeros(0, 4),
        "half": torch.randn(7, 3, generator=seeded).half(),
        "brain": torch.randn(31, generator=seeded).bfloat16(),
        "double": torch.randn(90, generator=seeded).double(),
        "ids": torch.arange(77)[None],
        "packed": torch.arange(11, dtype=torch.uint8),
    }


def planned(files: Files, dtype: str, name: str = "m.safetensors", clamp: bool = False) -> Layout:
    return laid_out(files, Store("o.safetensors", (Take(name, "", dtype),), clamp=clamp))


def made(files: Files, layout: Layout, **options: Any) -> tuple[bytes, Written]:
    out = io.BytesIO()
    done = write(files, layout, out, **options)
    return out.getvalue(), done


@pytest.mark.usefixtures("cut_small")
@pytest.mark.parametrize("by", ENGINES)
@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16", ""])
def test_the_file_is_what_safetensors_writes(dtype: str, by: Name) -> None:
    wide = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    tensors = weights()
    wanted = {key: it.to(wide.get(dtype, it.dtype)) if it.is_floating_point() else it for key, it in tensors.items()}
    files = Memory({"m.safetensors": save(tensors, {"format": "pt"})})
    data, done = made(files, planned(files, dtype), by=by)
    assert data == save(wanted, {"format": "pt"})
    assert done.sha256 == hashlib.sha256(data).hexdigest()
    for (held, target), tally in done.tallies.items():
        of = [(tensors[key], wanted[key]) for key in tensors if tensors[key].dtype is getattr(torch, held.torch)]
        assert tally.numbers == sum(before.numel() for before, _ in of)
        assert tally.zeroed == sum(int(((before != 0) & (after == 0)).sum()) for before, after in of), target
    assert losses(files, planned(files, dtype)).tallies == done.tallies


@pytest.mark.usefixtures("cut_small")
def test_the_sha256_of_a_source_is_right_though_several_threads_read_it(tmp_path: Path) -> None:
    save_file({f"{number}": torch.randn(700) for number in range(9)}, tmp_path / "m.safetensors")
    files = Directory(tmp_path)
    wanted = hashlib.sha256((tmp_path / "m.safetensors").read_bytes()).hexdigest()
    for dtype in ("F16", ""):
        assert made(files, planned(files, dtype), sources_hashed=True)[1].sources == {"m.safetensors": wanted}


@pytest.mark.usefixtures("cut_small")
def test_hashes_in_the_metadata_are_taken_in_order() -> None:
    data = save({f"{number}": torch.randn(300) for number in range(9)}, {"sshs_model_hash": "0" * 64})
    files = Memory({"m.safetensors": data})
    found, _ = made(files, planned(files, "F16"))
    numbers = found[8 + int.from_bytes(found[:8], "little") :]
    assert hashlib.sha256(numbers).hexdigest().encode() in found


@pytest.mark.usefixtures("cut_small")
def test_tensors_that_lie_turned_are_put_together(tmp_path: Path) -> None:
    base = torch.randn(40, 30)
    tensors = {"turned": base.t(), "part": base[1:5, ::2], "wide": torch.ones(3)[None].expand(4, 3), "none": base[:0].t()}
    torch.save(tensors, tmp_path / "m.bin")
    for dtype, kind in (("BF16", torch.bfloat16), ("", torch.float32)):
        found = load(made(Directory(tmp_path), planned(Directory(tmp_path), dtype, "m.bin"))[0])
        assert {key: tensor.shape for key, tensor in found.items()} == {key: tensor.shape for key, tensor in tensors.items()}
        assert all(torch.equal(found[key], tensor.to(kind)) for key, tensor in tensors.items())


@pytest.mark.usefixtures("cut_small")
@pytest.mark.parametrize("by", ENGINES)
def test_of_several_tensors_that_overflow_the_first_is_named_with_all_its_numbers(by: Name) -> None:
    first, second = torch.zeros(3_000), torch.zeros(3_000)
    first[[0, 1_500, 2_999]] = torch.tensor([7e4, -9e4, 8e4])
    second[:] = 1e9
    files = Memory({"m.safetensors": save({"a": torch.ones(9), "b": first, "c": second})})
    with pytest.raises(Refusal, match=r"^m.safetensors: b holds 90000, fp16 ends at 65504: 3 of its numbers would become inf$"):
        write(files, planned(files, "F16"), io.BytesIO(), by=by)
    found = losses(files, planned(files, "F16"))
    assert [(it.key, it.count, it.top) for it in found.overflows] == [("b", 3, float(np.float32(9e4))), ("c", 3_000, 1e9)]
    clamped = load(made(files, planned(files, "F16", clamp=True), by=by)[0])
    assert clamped["b"][[0, 1_500, 2_999]].tolist() == [65_504.0, -65_504.0, 65_504.0]
    assert clamped["c"].eq(65_504.0).all()


@pytest.mark.usefixtures("cut_small")
def test_an_error_in_one_thread_ends_them_all(tmp_path: Path) -> None:
    """A full disk half way, a source that is cut, and a reader of the progress that fails."""

    class Full(io.BytesIO):
        def write(self, data: Any, /) -> int:
            if self.tell() > 3_000:
                raise OSError(28, "No space left on device")
            return super().write(data)

    def fails(nbytes: int) -> None:
        raise KeyError(nbytes)

    data = save({f"{number}": torch.randn(700) for number in range(9)})
    (tmp_path / "m.safetensors").write_bytes(data)
    files = Directory(tmp_path)
    layout = planned(files, "F16")
    with pytest.raises(OSError, match="No space left"):
        write(files, layout, Full())
    with pytest.raises(KeyError):
        write(files, layout, io.BytesIO(), fails)
    (tmp_path / "m.safetensors").write_bytes(data[:-3_000])
    for act in (lambda: write(files, layout, io.BytesIO()), lambda: losses(files, layout)):
        with pytest.raises(Refusal, match="it was cut while it was read"):
            act()


def test_batches_cut_no_number_and_leave_no_byte_out() -> None:
    files = Memory({"m.safetensors": save(weights())})
    layout = planned(files, "F16")
    for most in (8, 9, 24, 1_001):
        with opened(files, ("m.safetensors",)) as sources:
            found = list(batches(layout.parts, sources, most))
        assert [batch.number for batch in found] == list(range(len(found)))
        assert sum(batch.nbytes for batch in found) == layout.nbytes - len(layout.header)
        assert {piece.part.place.key for batch in found for piece in batch.pieces if piece.last} == weights().keys()
        for batch in found:
            end = 0
            for piece in batch.pieces:
                assert piece.to == end
                assert piece.at % (piece.part.place.dtype.bits // 8 if piece.part.cast else 1) == 0
                assert piece.nbytes % (piece.part.dtype.bits // 8 if piece.part.cast else 1) == 0
                end = piece.to + piece.nbytes
            assert end == batch.nbytes <= most
            assert max(piece.at + piece.size for piece in batch.pieces) <= most


def test_turns_are_taken_in_order() -> None:
    turns, passed = Turns(), list[int]()

    def passing(numbers: range) -> None:
        for number in numbers:
            with turns.of(number):
                passed.append(number)

    together([partial(passing, range(first, 200, 4)) for first in (3, 2, 1, 0)], turns.stop)
    assert passed == list(range(200))


def test_whoever_waits_for_a_turn_that_will_not_come_is_sent_home() -> None:
    turns = Turns()

    def waits() -> None:
        with turns.of(7):
            pytest.fail("it is nobody's turn")

    def fails() -> None:
        raise ValueError("wrong")

    for jobs in ([waits, fails], [fails, waits], [waits, waits, fails]):
        with pytest.raises(ValueError, match="wrong"):
            together(jobs, turns.stop)
    with pytest.raises(Stopped), turns.of(0):
        pass
