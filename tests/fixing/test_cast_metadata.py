"""The metadata of a converted file is kept, and what it says about the numbers is true of the new ones."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from dtypecheck.edits import Store, Take
from dtypecheck.files import Entry, Memory
from dtypecheck.fixing.cast import laid_out, write
from dtypecheck.read.weights import read_safetensors


def lora(numbers: int = 700_000) -> dict[str, torch.Tensor]:
    seeded = torch.Generator().manual_seed(5)
    return {
        "lora_unet_mid.lora_down.weight": torch.randn(numbers, generator=seeded),
        "lora_unet_mid.lora_up.weight": torch.randn(64, generator=seeded),
        "lora_unet_mid.alpha": torch.tensor(4.0),
    }


def converted(metadata: Mapping[str, str], tensors: Mapping[str, torch.Tensor] | None = None, dtype: str = "F16") -> bytes:
    data, _ = noted(metadata, tensors, dtype)
    return data


def noted(
    metadata: Mapping[str, str], tensors: Mapping[str, torch.Tensor] | None = None, dtype: str = "F16"
) -> tuple[bytes, tuple[str, ...]]:
    files = Memory({"m.safetensors": save(dict(tensors or lora()), dict(metadata))})
    layout = laid_out(files, Store("o.safetensors", (Take("m.safetensors", "", dtype),)))
    out = io.BytesIO()
    done = write(files, layout, out)
    assert out.tell() == done.nbytes == layout.nbytes == len(out.getvalue())
    assert done.sha256 == hashlib.sha256(out.getvalue()).hexdigest()
    return out.getvalue(), done.notes


def metadata_of(data: bytes) -> Mapping[str, str]:
    read = read_safetensors(Memory({"o": data}), Entry("o", len(data), ""))
    assert not read.problems
    return read.metadata


def trainers_hashes(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> tuple[str, str]:
    """As trainers take them: of the file that safetensors writes with their own metadata alone."""
    data = save(dict(tensors), {key: text for key, text in metadata.items() if key.startswith("ss_")})
    numbers = data[8 + int.from_bytes(data[:8], "little") :]
    return hashlib.sha256(numbers).hexdigest(), hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8]


def test_keys_alphas_and_texts_are_kept() -> None:
    told = {"ss_network_dim": "8", "ss_mixed_precision": "fp16", "note": 'a "quoted"\n text: ü', "format": "pt"}
    data = converted(told)
    assert metadata_of(data) == told
    assert load(data).keys() == lora().keys()
    assert load(data)["lora_unet_mid.alpha"] == 4.0


def test_a_missing_format_is_added_and_told_where_there_was_other_metadata() -> None:
    data, notes = noted({"a": "b"})
    assert metadata_of(data) == {"a": "b", "format": "pt"}
    assert notes == ("metadata: format: pt added",)


@pytest.mark.parametrize("numbers", [700_000, 100], ids=["long", "shorter than where the old hash begins"])
@pytest.mark.parametrize("extra", [{}, {"ss_network_dim": "8", "other": "x" * 3000}], ids=["bare", "texts"])
def test_the_hashes_of_trainers_are_those_of_the_new_numbers(numbers: int, extra: dict[str, str]) -> None:
    stale = {"sshs_model_hash": "ab" * 32, "sshs_legacy_hash": "12345678", **extra}
    halves = {key: tensor.half() for key, tensor in lora(numbers).items()}
    data, notes = noted(stale, lora(numbers))
    found = metadata_of(data)
    assert (found["sshs_model_hash"], found["sshs_legacy_hash"]) == trainers_hashes(halves, extra)
    assert any("sshs_model_hash" in note and "computed anew" in note for note in notes)
    assert load(data)["lora_unet_mid.alpha"] == 4.0


def test_the_hashes_of_unchanged_numbers_stay_what_they_were() -> None:
    texts = {"ss_network_dim": "8"}
    model, legacy = trainers_hashes(lora(), texts)
    told = {**texts, "sshs_model_hash": model, "sshs_legacy_hash": legacy, "format": "pt"}
    assert metadata_of(converted(told, dtype="")) == told


@pytest.mark.parametrize("name", ["sha256", "md5", "sha512", "blake2b"])
def test_the_named_hash_of_the_model_spec_is_that_of_all_behind_the_header(name: str) -> None:
    data = converted({f"modelspec.hash_{name}": "0xdead", "modelspec.title": "t"})
    numbers = data[8 + int.from_bytes(data[:8], "little") :]
    assert metadata_of(data)[f"modelspec.hash_{name}"] == "0x" + hashlib.new(name, numbers).hexdigest()
    assert metadata_of(data)["modelspec.title"] == "t"


def test_a_hash_that_nobody_here_can_take_is_dropped_and_told() -> None:
    data, notes = noted({"modelspec.hash_autov2": "ABCDEF", "modelspec.hash_shake_128": "0x00", "format": "pt"})
    assert metadata_of(data) == {"format": "pt"}
    assert len(notes) == 1
    assert "hash_autov2" in notes[0]
    assert "dropped" in notes[0]


def test_a_legacy_hash_that_would_cover_the_header_itself_is_dropped() -> None:
    data, notes = noted({"ss_tag_frequency": "y" * 0x100000, "sshs_legacy_hash": "12345678"})
    assert metadata_of(data).keys() == {"ss_tag_frequency", "format"}
    assert any("sshs_legacy_hash dropped" in note for note in notes)


@pytest.mark.parametrize(
    ("old", "new"),
    [("fp32", "fp16"), ("float32", "float16"), ("torch.float32", "torch.float16"), ("F32", "F16"), ("gptq", "gptq")],
)
def test_a_text_that_is_the_stored_dtype_is_changed_with_it(old: str, new: str) -> None:
    data, notes = noted({"modelspec.data_format": old, "format": "pt", "ss_base": old})
    assert metadata_of(data) == {"modelspec.data_format": new, "format": "pt", "ss_base": old}
    assert notes == ((f"metadata: modelspec.data_format: {old} -> {new}",) if old != new else ())


def test_of_two_sources_the_first_that_has_a_text_is_believed() -> None:
    files = Memory(
        {
            "1.safetensors": save({"a": torch.ones(1)}, {"k": "1"}),
            "2.safetensors": save({"b": torch.ones(1)}, {"k": "2", "l": "3"}),
        }
    )
    layout = laid_out(files, Store("o", (Take("1.safetensors"), Take("2.safetensors"))))
    assert layout.metadata == {"k": "1", "l": "3", "format": "pt"}


def test_a_file_that_cannot_be_read_back_has_no_sha256_when_its_header_holds_hashes(tmp_path: Path) -> None:
    files = Memory({"m.safetensors": save(lora(), {"sshs_model_hash": "ab" * 32})})
    layout = laid_out(files, Store("o", (Take("m.safetensors", "", "BF16"),)))
    with (tmp_path / "o").open("wb") as out:
        done = write(files, layout, out)
    assert done.sha256 == ""
    brains = {key: tensor.bfloat16() for key, tensor in lora().items()}
    assert metadata_of((tmp_path / "o").read_bytes())["sshs_model_hash"] == trainers_hashes(brains, {})[0]


def test_a_file_that_is_written_behind_other_bytes_leaves_those(tmp_path: Path) -> None:
    files = Memory({"m.safetensors": save(lora(10), {"sshs_model_hash": "ab" * 32, "format": "pt"})})
    layout = laid_out(files, Store("o", (Take("m.safetensors"),)))
    out = io.BytesIO()
    out.write(b"before")
    done = write(files, layout, out)
    assert out.getvalue().startswith(b"before")
    assert done.sha256 == hashlib.sha256(out.getvalue()[6:]).hexdigest()
    assert metadata_of(out.getvalue()[6:])["sshs_model_hash"] == trainers_hashes(lora(10), {})[0]
