"""Where numbers lie: the bytes that are told for each tensor are those that torch itself reads from them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dtypecheck.files import Entry, Memory, OneFile
from dtypecheck.read.located import Place, Unlocated, locate, located, steps


def entry_of(path: Path) -> tuple[OneFile, Entry]:
    files = OneFile(path)
    return files, next(iter(files.entries()))


def places(path: Path) -> dict[str, Place]:
    return {place.key: place for place in located(*entry_of(path))}


def tensors() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    base = torch.randn(60, generator=draw)
    return {
        "plain": torch.randn(3, 4, generator=draw),
        "turned": torch.randn(4, 6, generator=draw).t(),
        "every third": base[10:22:3],
        "view": base[:30].view(5, 6),
        "expanded": torch.randn(1, 4, generator=draw).expand(3, 4),
        "channels last": torch.randn(2, 3, 4, 5, generator=draw).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 3),
        "half": torch.randn(7, generator=draw).half(),
        "bf16": torch.randn(9, generator=draw).bfloat16(),
        "whole": torch.arange(3),
        "parameter": torch.nn.Parameter(torch.randn(2, generator=draw)),
    }


def read(path: Path, place: Place) -> torch.Tensor:
    """The tensor, from the bytes that its place names."""
    raw = bytearray(path.read_bytes()[place.start : place.start + place.reach])
    assert len(raw) == place.reach
    kind = getattr(torch, place.dtype.torch)
    flat = torch.frombuffer(raw, dtype=kind) if raw else torch.zeros(0, dtype=kind)
    return torch.as_strided(flat, place.shape, place.stride)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "older form"])
@pytest.mark.parametrize("inside", [False, True], ids=["bare", "in a state_dict"])
def test_every_tensor_of_a_torch_file_is_where_its_place_says(tmp_path: Path, zipped: bool, inside: bool) -> None:
    path, saved = tmp_path / "a.bin", tensors()
    torch.save({"state_dict": saved, "epoch": 3} if inside else saved, path, _use_new_zipfile_serialization=zipped)
    found = places(path)
    assert list(found) == list(saved)
    for key, tensor in saved.items():
        assert torch.equal(read(path, found[key]), tensor), key
        assert found[key].contiguous == tensor.is_contiguous(), key
        assert found[key].elements == tensor.numel()


def test_every_tensor_of_a_safetensors_file_is_where_its_place_says(tmp_path: Path) -> None:
    path, saved = tmp_path / "a.safetensors", {key: tensor.detach().clone().contiguous() for key, tensor in tensors().items()}
    save_file(saved, path)
    for key, place in places(path).items():
        assert place.contiguous
        assert torch.equal(read(path, place), saved[key])


def test_tied_weights_of_a_pickle_name_the_same_bytes(tmp_path: Path) -> None:
    shared = torch.randn(4, 4)
    torch.save({"a": shared, "b": shared}, tmp_path / "a.bin")
    found = places(tmp_path / "a.bin")
    assert found["a"].start == found["b"].start


def test_strides_are_those_of_torch() -> None:
    for shape in ((), (3,), (2, 3), (2, 1, 4), (5, 2, 3, 4)):
        assert steps(shape) == torch.zeros(shape).stride()


@pytest.mark.filterwarnings("ignore")
def test_tensors_whose_numbers_are_scaled_sparse_or_conjugated_are_hidden_and_the_rest_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    scaled = torch.quantize_per_tensor(torch.randn(4), 0.1, 0, torch.qint8)
    mirrored = torch.randn(3, dtype=torch.complex64).conj()
    torch.save({"scaled": scaled, "sparse": torch.eye(3).to_sparse(), "mirrored": mirrored, "plain": torch.ones(2)}, path)
    found = locate(*entry_of(path))
    assert [place.key for place in found.places] == ["plain"]
    assert [key for key, _ in found.hidden] == ["scaled", "sparse", "mirrored"]
    with pytest.raises(Unlocated, match="scaled: its numbers are not plainly in the file"):
        located(*entry_of(path))


def test_a_compressed_archive_is_not_located(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(100)}, tmp_path / "a.bin")
    with zipfile.ZipFile(tmp_path / "a.bin") as old, zipfile.ZipFile(tmp_path / "b.bin", "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            new.writestr(item.filename, old.read(item))
    with pytest.raises(Unlocated, match="compressed"):
        located(*entry_of(tmp_path / "b.bin"))


def test_a_cut_file_is_not_located(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(100)}, tmp_path / "a.safetensors")
    torch.save({"a": torch.zeros(100)}, tmp_path / "a.bin")
    torch.save({"a": torch.zeros(100)}, tmp_path / "b.bin", _use_new_zipfile_serialization=False)
    for name in ("a.safetensors", "a.bin", "b.bin"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(Unlocated):
            located(*entry_of(path))


def test_big_endian_numbers_are_not_located(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(100)}, tmp_path / "a.bin")
    with zipfile.ZipFile(tmp_path / "a.bin") as old, zipfile.ZipFile(tmp_path / "b.bin", "w") as new:
        for item in old.infolist():
            new.writestr(item.filename, b"big" if item.filename.endswith("byteorder") else old.read(item))
    with pytest.raises(Unlocated, match="big-endian"):
        located(*entry_of(tmp_path / "b.bin"))


@pytest.mark.parametrize("name", ["a.gguf", "a.onnx"])
def test_other_formats_are_not_located(name: str) -> None:
    files = Memory({name: b"GGUF" + bytes(100)})
    with pytest.raises(Unlocated, match=r"GGUF|no format"):
        located(files, next(iter(files.entries())))
