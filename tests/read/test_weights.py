"""Safetensors headers: what safetensors itself says of a file, this reader says, and what it refuses is one clear problem."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtypecheck.dtypes import BY_NAME
from dtypecheck.files import Directory, Entry, Memory, OneFile
from dtypecheck.read.header import CONTRADICTS, LFS_POINTER, NOT_UNDERSTOOD, TRUNCATED, UNREADABLE, Header
from dtypecheck.read.weights import DTYPES, read_safetensors
from dtypecheck.subjects import Problem
from dtypecheck.testing import safetensors as written

safetensors = pytest.importorskip("safetensors")

METADATA = {"format": "pt", "braces": '{"a":{"b":[1]}},"c"', "quote": '"', "empty": "", "ü": "\n\\n", "": "no name"}
ODD_KEYS = [
    "",
    " ",
    "a.b",
    "größe",
    "日本",
    "\U0001f600",
    'with "quotes"',
    "back\\slash",
    "a\\",
    "},",
    '},"',
    "]},:[",
    '":{"',
    "tab\there",
    "nul\0",
    "\x7f",
]


def built(header: str | bytes | dict[str, Any], data: int = 0) -> bytes:
    """A file of this header and that many bytes of data."""
    if isinstance(header, dict):
        header = json.dumps(header, separators=(",", ":"))
    raw = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(raw)) + raw + bytes(data)


def tensor(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def header_of(content: bytes, size: int | None = None) -> Header:
    size = len(content) if size is None else size
    return read_safetensors(Memory({"m": content}, sizes={"m": size}), Entry("m", size, "m"))


def columns(header: Header) -> dict[str, tuple[str, list[int]]]:
    assert header.tensors is not None, header.problems
    assert len(header.tensors) == len(header.tensors.dtypes) == len(header.tensors.shapes)
    return {tensor.key: (tensor.dtype.name, list(tensor.shape)) for tensor in header.tensors}


def truth(content: bytes) -> dict[str, tuple[str, list[int]]]:
    """What safetensors itself reads. errors: SafetensorError."""
    return {key: (info["dtype"], info["shape"]) for key, info in safetensors.deserialize(content)}


def refused(content: bytes) -> bool:
    try:
        truth(content)
    except safetensors.SafetensorError:
        return True
    return False


def only(header: Header) -> Problem:
    """The one problem of a header, its words fit for a terminal."""
    (problem,) = header.problems
    assert problem.where.path == "m"
    assert problem.detail.isprintable()
    assert len(problem.detail) < 500
    return problem


def same_as_safetensors(content: bytes) -> None:
    header = header_of(content)
    assert header.problems == ()
    assert columns(header) == truth(content)


ONE = {"a": tensor("F32", [2], 0, 8)}
TWO = '{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[8,16]}}'


# what must be left alone: whatever safetensors accepts


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of safetensors with every dtype that torch can save, odd keys, scalars and empty tensors."""
    torch, save_file = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch").save_file
    tensors = {}
    for dtype in DTYPES.values():
        if not dtype.torch:
            continue
        kind = getattr(torch, dtype.torch)
        packed = dtype.name == "F4"
        for name, shape in (("matrix", (2, 4)), ("empty", (0, 3)), *(() if packed else (("scalar", ()),))):
            made = torch.zeros(shape, dtype=torch.uint8).view(kind) if packed else torch.zeros(shape).to(kind)
            tensors[f"{dtype.name}.{name}"] = made
    tensors |= {key: torch.zeros(number % 3, 2) for number, key in enumerate(ODD_KEYS)}
    path = tmp_path_factory.mktemp("real") / "m"
    save_file(tensors, path, METADATA)
    return path


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


# each way to be broken: one problem


def test_a_file_cut_at_any_byte_has_exactly_one_problem(real: Path) -> None:
    for content in (real.read_bytes(), built(TWO, 16), built(json.dumps({"__metadata__": METADATA, **ONE}), 8)):
        assert header_of(content).problems == ()
        step = max(1, len(content) // 500)
        for length in {*range(min(len(content), 400)), *range(0, len(content), step)}:
            problem = only(header_of(content[:length]))
            assert problem.kind == TRUNCATED, length
            assert f"{length:,} bytes" in problem.detail


def test_a_cut_file_says_how_much_is_there_and_still_gives_its_tensors() -> None:
    header = header_of(built(TWO, 16)[:-4])
    assert "cut short" in only(header).detail
    assert "97 % is there" in only(header).detail
    assert set(columns(header)) == {"a", "b"}


def test_bytes_behind_the_last_tensor_are_told() -> None:
    problem = only(header_of(built(TWO, 19)))
    assert (problem.kind, problem.detail) == (CONTRADICTS, "3 bytes follow the last tensor that the header describes")
    assert only(header_of(built("{}", 8))).kind == CONTRADICTS


@pytest.mark.parametrize(
    ("length", "kind"),
    [
        (0, CONTRADICTS), (1, CONTRADICTS), (7, CONTRADICTS), (200, TRUNCATED), (99_999_999, TRUNCATED), (100_000_000, TRUNCATED),
        (100_000_001, NOT_UNDERSTOOD), (1 << 32, NOT_UNDERSTOOD), ((1 << 63) - 1, NOT_UNDERSTOOD), (1 << 63, NOT_UNDERSTOOD),
        ((1 << 64) - 1, NOT_UNDERSTOOD),
    ],
)  # fmt: skip
def test_a_header_length_that_lies_is_one_problem(length: int, kind: str) -> None:
    content = struct.pack("<Q", length) + TWO.encode() + bytes(16)
    assert refused(content)
    assert only(header_of(content)).kind == kind


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", TRUNCATED, "0 bytes"),
        (b"\r\n", TRUNCATED, "2 bytes"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n", LFS_POINTER, "12,345 bytes"),
        (b"version https://git-lfs", LFS_POINTER, "Git-LFS"),
        (b"<!DOCTYPE html><html>", NOT_UNDERSTOOD, "a web page"),
        (b"\n  <html>", NOT_UNDERSTOOD, "a web page"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", NOT_UNDERSTOOD, "XML"),
        (b"<<<<<<< HEAD\nx", NOT_UNDERSTOOD, "merge conflict"),
        (b"GGUF\3\0\0\0" + bytes(40), NOT_UNDERSTOOD, "GGUF"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), NOT_UNDERSTOOD, "HDF5"),
        (gzip.compress(b"x" * 99, mtime=0), NOT_UNDERSTOOD, "gzip"),
        (b'{"error":"Repository not found"}', NOT_UNDERSTOOD, "not a safetensors file"),
        (b"\x80\x02}q\0.........", NOT_UNDERSTOOD, "not a safetensors file"),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else "",
)
def test_what_stands_where_weights_should_is_told_by_its_name(content: bytes, kind: str, words: str) -> None:
    problem = only(header_of(content))
    assert (problem.kind, words in problem.detail) == (kind, True), problem


def test_a_zip_under_the_name_is_told() -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 100)
    assert "zip archive" in only(header_of(buffer.getvalue())).detail


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    problem = only(read_safetensors(Directory(tmp_path), Entry("m", 10, "m")))
    assert (problem.kind, problem.detail) == (UNREADABLE, "No such file or directory")


A = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
BROKEN = {
    "not utf-8": b'{"\xff":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "bom": b"\xef\xbb\xbf" + json.dumps(ONE).encode(),
    "no json": '{"a":{"dtype":"F32"',
    "list": "[]",
    "text": '"a"',
    "number": "1",
    "tensor null": '{"a":null}',
    "tensor list": '{"a":[]}',
    "tensor number": '{"a":3}',
    "no fields": '{"a":{}}',
    "no dtype": '{"a":{"shape":[2],"data_offsets":[0,8]}}',
    "no shape": '{"a":{"dtype":"F32","data_offsets":[0,8]}}',
    "no offsets": '{"a":{"dtype":"F32","shape":[2]}}',
    "dtype number": '{"a":{"dtype":32,"shape":[2],"data_offsets":[0,8]}}',
    "dtype null": '{"a":{"dtype":null,"shape":[2],"data_offsets":[0,8]}}',
    "dtype lower": '{"a":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}}',
    "dtype unknown": '{"a":{"dtype":"F12","shape":[2],"data_offsets":[0,8]}}',
    "dtype C128": '{"a":{"dtype":"C128","shape":[1],"data_offsets":[0,16]}}',
    "shape text": '{"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}}',
    "shape null": '{"a":{"dtype":"F32","shape":null,"data_offsets":[0,8]}}',
    "shape object": '{"a":{"dtype":"F32","shape":{},"data_offsets":[0,4]}}',
    "shape float": '{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}',
    "shape bool": '{"a":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}',
    "shape negative": '{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}',
    "shape nested": '{"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}}',
    "shape exponent": '{"a":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}}',
    "shape too large": '{"a":{"dtype":"F32","shape":[18446744073709551616,0],"data_offsets":[0,0]}}',
    "shape overflows": '{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}',
    "bytes overflow": '{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}',
    "huge number": '{"a":{"dtype":"F32","shape":[' + "9" * 5000 + '],"data_offsets":[0,8]}}',
    "offset missing": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}',
    "offset too many": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}',
    "offsets shared out": '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8,8]},'
    '"b":{"dtype":"U8","shape":[0],"data_offsets":[8]}}',
    "offset negative": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}',
    "offset minus zero": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[-0,8]}}',
    "offset float": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8.0]}}',
    "offset leading zero": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,08]}}',
    "offset leading zeros": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[00,8]}}',
    "shape leading zero": '{"a":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}}',
    "offset not ascii": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,٨]}}',
    "offset beyond 64 bits": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551616]}}',
    "offset large": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[18446744073709551607,18446744073709551615]}}',
    "offsets reversed": '{"a":{"dtype":"F32","shape":[0],"data_offsets":[8,0]}}',
    "size too small": '{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}',
    "size too large": '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}',
    "begins late": '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
    "overlap": '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "gap": '{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
    "empty tensor inside": '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},'
    '"b":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}}',
    "half byte": '{"a":{"dtype":"F4","shape":[15],"data_offsets":[0,8]}}',
    "six bits": '{"a":{"dtype":"F6_E2M3","shape":[10],"data_offsets":[0,8]}}',
    "four bits as bytes": '{"a":{"dtype":"F4","shape":[8],"data_offsets":[0,8]}}',
    "dtype twice": '{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "metadata twice": '{"__metadata__":{},"__metadata__":{},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "metadata list": '{"__metadata__":[],"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "metadata number": '{"__metadata__":{"a":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "metadata null inside": '{"__metadata__":{"a":null},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "metadata number shadowed": '{"__metadata__":{"a":1,"a":"x"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "half a character shadowed": '{"__metadata__":{"a":"\\ud800","a":"x"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "metadata a tensor": '{"__metadata__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "metadata a later tensor": f'{{{A},"__metadata__":{{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}}}',
    "no comma": '{"__metadata__":{}"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "comma after metadata": '{"__metadata__":{},}',
    "comma at the end": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},}',
    "no closing brace": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}',
    "two braces": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}',
    "only open": "{",
    "text behind": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} x',
    "nul behind": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}\0\0',
    "no-break space behind": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}\u00a0',
    "newline in a key": '{"a\nb":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "control in metadata": '{"__metadata__":{"a":"\x01"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "half a character": '{"\\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "half a character in metadata": '{"__metadata__":{"a":"\\udc00"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "half a character in a field": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":"\\udfff"}}',
    "NaN in a field": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":NaN}}',
    "1e999 in a field": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1e999}}',
    "bad escape": '{"\\x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "single quotes": "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}}",
    "comment": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}/**/}',
    "deep": "[" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "deep metadata": '{"__metadata__":' + "[" * 100_000,
    "deep in a field": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":' + "[" * 200 + "]" * 200 + "}}",
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_header_that_safetensors_refuses_has_one_problem(name: str) -> None:
    content = built(BROKEN[name], 8)
    assert refused(content)
    only(header_of(content))


@pytest.mark.parametrize("levels", [124, 125, 126])
def test_fields_may_nest_as_deep_as_safetensors_reads(levels: int) -> None:
    content = built('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":' + "[" * levels + "]" * levels + "}}", 8)
    assert bool(header_of(content).problems) == refused(content)


def test_a_repeated_key_is_told_though_safetensors_takes_the_last() -> None:
    same = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
    content = built(f"{{{same},{same}}}", 8)
    assert not refused(content)
    assert "'a' twice" in only(header_of(content)).detail


def test_the_message_names_the_tensor_and_both_sizes() -> None:
    header = header_of(built({"unet.w": tensor("F16", [3, 2], 0, 8)}, 8))
    assert only(header).detail == "unet.w: 3x2 fp16 takes 12 bytes, its offsets give 8"
    assert only(header).where.at == "unet.w"


def test_each_unknown_dtype_is_named_once_and_not_without_end() -> None:
    unknown = {f"{name}.{number}": tensor(name, [1], number, number + 1) for number, name in enumerate(("X1", "X2", "X1", "X2"))}
    header = header_of(built(unknown, 4))
    assert [problem.kind for problem in header.problems] == [NOT_UNDERSTOOD] * 2
    assert ["X1" in header.problems[0].detail, "X2" in header.problems[1].detail] == [True, True]
    many = {str(number): tensor(f"X{number}", [1], number, number + 1) for number in range(1000)}
    assert 1 <= len(header_of(built(many, 1000)).problems) <= 20


def test_a_key_of_control_characters_is_shown_harmlessly() -> None:
    only(header_of(built({"\x1b[2J": tensor("F32", [1], 0, 8)}, 8)))
    only(header_of(built({"k" * 100_000: tensor("X\x1b", [1], 0, 8)}, 8)))


def test_a_shape_of_a_million_dimensions_is_refused_soon() -> None:
    header = '{"a":{"dtype":"F32","shape":[' + ",".join(["9999999999999999999"] * 200_000) + '],"data_offsets":[0,8]}}'
    assert only(header_of(built(header, 8))).kind == CONTRADICTS


# against safetensors, on headers that nobody thought of

ACCEPTED_BY_SAFETENSORS_ALONE = {
    "twice": "the format's README forbids duplicate keys; the reader takes the last",
    "lacks a dtype": "serde takes a tensor as an array, or a dtype as an object; nobody writes either",
}

numbers = st.one_of(st.integers(0, 16), st.sampled_from([1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, -1]))
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def tidy(draw: st.DrawFn) -> tuple[str, int]:
    """A header that safetensors accepts, in some spelling, and the bytes of its data."""
    keys = draw(
        st.lists(
            st.one_of(st.text(max_size=6), st.sampled_from(ODD_KEYS)).filter(lambda key: key != "__metadata__"),
            max_size=5,
            unique=True,
        )
    )
    header: dict[str, Any] = {}
    if draw(st.booleans()):
        header["__metadata__"] = draw(st.dictionaries(st.text(max_size=4), st.text(max_size=8), max_size=3))
    offset = 0
    for key in keys:
        dtype = draw(st.sampled_from(list(DTYPES)))
        shape = draw(st.lists(st.integers(0, 4), max_size=3))
        if DTYPES[dtype].bits < 8:
            shape = [*shape, 8]
        count = DTYPES[dtype].nbytes(int.__mul__(1, __import__("math").prod(shape)))
        header[key] = tensor(dtype, shape, offset, offset + count)
        offset += count
    spaced = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :\n")]))
    order = draw(st.permutations(list(header)))
    text = json.dumps({key: header[key] for key in order}, separators=spaced, ensure_ascii=draw(st.booleans()))
    return text + " " * draw(st.integers(0, 9)), offset


@st.composite
def mutated(draw: st.DrawFn) -> tuple[bytes, int]:
    """A header with something changed: a character, a piece, a value, a field."""
    text, size = draw(tidy())
    match draw(st.integers(0, 3)):
        case 0:
            at = draw(st.integers(0, len(text)))
            put = draw(
                st.one_of(
                    st.sampled_from([*'{}[]":,0123456789 \\-e.', '""', "},", '},"', "null", "true", "\n", "\0", "\ufeff"]),
                    st.text(max_size=2),
                )
            )
            text = text[:at] + put + text[at + draw(st.integers(0, 3)) :]
        case 1:
            header = json.loads(text)
            for key in draw(st.lists(st.sampled_from(list(header)), max_size=2)) if header else []:
                field = draw(st.sampled_from(["dtype", "shape", "data_offsets", "more", ""]))
                if isinstance(header[key], dict) and field:
                    header[key][field] = draw(st.one_of(junk, st.lists(numbers, max_size=3)))
                else:
                    header[key] = draw(junk)
            text = json.dumps(header, separators=(",", ":"))
        case 2:
            start, stop = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
            text = text[:stop] + text[start:]
        case _:
            size += draw(st.integers(-3, 3))
    return text.encode("utf-8", "surrogatepass"), max(size, 0)


@given(tidy())
def test_whatever_header_safetensors_would_write_is_read_the_same(made: tuple[str, int]) -> None:
    same_as_safetensors(built(*made))


def agrees(content: bytes) -> None:
    header = header_of(content)
    if not refused(content):
        if header.problems:
            assert any(words in only(header).detail for words in ACCEPTED_BY_SAFETENSORS_ALONE), header.problems
        else:
            assert columns(header) == truth(content)
    else:
        assert header.problems
        assert all(problem.detail.isprintable() for problem in header.problems)


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_a_changed_header_has_a_problem_exactly_when_safetensors_refuses_it(made: tuple[bytes, int]) -> None:
    agrees(built(*made))


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None)
@given(mutated())
def test_twenty_thousand_changed_headers_have_a_problem_exactly_when_refused(made: tuple[bytes, int]) -> None:
    agrees(built(*made))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64), st.integers(0, 80))
def test_no_bytes_at_all_raise(content: bytes, length: int) -> None:
    assert header_of(content).problems or not refused(content)
    agrees(struct.pack("<Q", length) + content)


MILLION = """
import resource, sys, time
from dtypecheck.files import Entry, Memory
from dtypecheck.read.weights import read_safetensors
parts, offset = [], 0
for i in range(1_000_000):
    size = (i % 50 + 1) * 16
    span = f'"data_offsets":[{offset},{offset + size}]'
    parts.append(f'"layers.{i // 10}.up.{i}.weight":{{"dtype":"F16","shape":[{i % 50 + 1},8],{span}}}')
    offset += size
text = ('{"__metadata__":{"format":"pt"},' + ",".join(parts) + "}").encode()
del parts
content = len(text).to_bytes(8, "little") + text
files, entry = Memory({"m": content}, sizes={"m": len(content) + offset}), Entry("m", len(content) + offset, "m")
start = time.process_time()
header = read_safetensors(files, entry)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
print(len(header.tensors), len(header.problems), time.process_time() - start, peak)
"""


@pytest.mark.slow
def test_a_header_of_a_million_tensors_is_read_in_six_seconds_and_700_mb() -> None:
    done = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True, timeout=300)
    tensors, problems, seconds, megabytes = map(float, done.stdout.split())
    assert (tensors, problems) == (1_000_000, 0)
    assert seconds < 6
    assert megabytes < 700
