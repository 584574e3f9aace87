"""Safetensors headers: what safetensors itself reads is read the same."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.dtypes import BY_NAME
from dtypecheck.files import Directory, OneFile
from dtypecheck.read.header import CONTRADICTS
from dtypecheck.read.weights import DTYPES, read_safetensors
from dtypecheck.testing import safetensors as written

from .headers import METADATA, ODD_KEYS, ONE, built, columns, header_of, only, safetensors, same_as_safetensors, tensor


def test_a_real_file_of_every_dtype_is_read_as_safetensors_reads_it(real: Path) -> None:
    (entry,) = OneFile(real).entries()
    header = read_safetensors(OneFile(real), entry)
    assert header.problems == ()
    with safetensors.safe_open(real, "pt") as file:
        assert header.metadata == file.metadata()
        found = {key: (file.get_slice(key).get_dtype(), file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    assert columns(header) == found
    assert {dtype for dtype, _ in found.values()} == {name for name, dtype in DTYPES.items() if dtype.torch}
    assert set(ODD_KEYS) <= set(found)


def test_a_directory_and_a_dict_give_the_same_header(real: Path) -> None:
    (entry,) = Directory(real.parent).entries()
    assert read_safetensors(Directory(real.parent), entry) == header_of(real.read_bytes())


@pytest.mark.parametrize(
    "header",
    [
        {}, {"__metadata__": {}}, {"__metadata__": METADATA}, {"__metadata__": None}, {"__metadata__": None, **ONE},
        {"__metadata__": METADATA, **ONE}, {**ONE, "__metadata__": METADATA}, ONE,
        {"scalar": tensor("F64", [], 0, 8)}, {"none": tensor("I64", [0], 0, 0)}, {"none": tensor("F32", [3, 0, 2], 0, 0), **ONE},
        {**ONE, "none": tensor("F32", [0], 8, 8)}, {"b": tensor("F16", [2], 4, 8), "a": tensor("F16", [2], 0, 4)},
        {"b": tensor("F16", [2], 4, 8), "none": tensor("U8", [0], 4, 4), "a": tensor("F16", [2], 0, 4)},
        {"big": tensor("F32", [18446744073709551615, 0], 0, 0)}, {"big": tensor("F32", [0, 1 << 63, 1 << 63], 0, 0)},
        {"long": tensor("F32", [1] * 65 + [2], 0, 8)}, {"six": tensor("F6_E2M3", [4], 0, 3)},
        {"six": tensor("F6_E3M2", [8], 0, 6)},
        {"four": tensor("F4", [3, 2], 0, 3)},
    ],
    ids=json.dumps,
)  # fmt: skip
@pytest.mark.parametrize("style", ["usual", "padded", "blanks", "indented", "escaped", "fields"])
def test_a_header_is_read_alike_however_its_json_is_spelled(header: dict[str, Any], style: str) -> None:
    usual = json.dumps(header, separators=(",", ":"), ensure_ascii=False)
    moved = {key: dict(reversed(info.items())) if key != "__metadata__" else info for key, info in header.items()}
    spelled = {
        "usual": usual,
        "padded": usual + " " * 13 + "\r\n\t",
        "blanks": "\n " + json.dumps(header),
        "indented": json.dumps(header, indent=2),
        "escaped": json.dumps(header, separators=(",", ":"), ensure_ascii=True).replace('"a"', r'"\u0061"'),
        "fields": json.dumps(moved, separators=(",", ":")),
    }[style]
    data = max((info["data_offsets"][1] for key, info in header.items() if key != "__metadata__"), default=0)
    content = built(spelled, data)
    same_as_safetensors(content)
    assert dict(header_of(content).metadata) == (header.get("__metadata__") or {})


@pytest.mark.parametrize("key", ODD_KEYS)
def test_every_key_is_read_as_it_is(key: str) -> None:
    same_as_safetensors(built(json.dumps({key: tensor("F32", [2], 0, 8)}, separators=(",", ":"), ensure_ascii=False), 8))
    same_as_safetensors(built({key: tensor("F32", [2], 0, 8)}, 8))


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "C128"])
def test_every_dtype_takes_the_bytes_that_safetensors_gives_it(name: str) -> None:
    size = BY_NAME[name].nbytes(8)
    same_as_safetensors(built({"a": tensor(name, [2, 4], 0, size)}, size))
    assert only(header_of(built({"a": tensor(name, [2, 4], 0, size + 1)}, size + 1))).kind == CONTRADICTS


def test_further_fields_of_a_tensor_are_let_be() -> None:
    same_as_safetensors(built({"a": {**ONE["a"], "note": ["x", {"dtype": -0.0}]}}, 8))
    same_as_safetensors(
        built('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":-0,"y":123456789012345678901234567890}}', 8)
    )


@pytest.mark.parametrize("magic", [b"\x1f\x8b\0\0", b"PK\x03\x04"])
def test_a_header_whose_length_looks_like_another_formats_magic_is_read(magic: bytes) -> None:
    length = int.from_bytes(magic, "little")
    if length > 1 << 20:
        raw = json.dumps(ONE, separators=(",", ":")).encode()
        content = struct.pack("<Q", length) + raw + b" " * (length - len(raw)) + bytes(8)
        header = header_of(content)
        assert (len(header.tensors or ()), header.problems) == (1, ())
    else:
        same_as_safetensors(built(json.dumps(ONE).ljust(length), 8))


def test_many_tensors_across_the_blocks_they_are_cut_in_are_all_there() -> None:
    content, size = written(
        [(f"layer.{number}.{'x' * 50}", ("F16", "F32")[number % 2], (number % 7, 2)) for number in range(30_000)], METADATA
    )
    assert len(content) > 3 << 20
    content += bytes(size - len(content))
    same_as_safetensors(content)
    assert header_of(content).metadata == METADATA


def test_the_header_of_a_sparse_file_is_read_without_its_data() -> None:
    content, size = written([("a", "F16", (1 << 20, 1 << 16))])
    assert size > 1 << 37
    header = header_of(content, size)
    assert (columns(header), header.problems) == ({"a": ("F16", [1 << 20, 1 << 16])}, ())
