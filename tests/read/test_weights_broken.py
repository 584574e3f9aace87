"""Each way in which a safetensors header is broken is one clear problem."""

from __future__ import annotations

import gzip
import json
import struct
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from dtypecheck.files import Directory, Entry
from dtypecheck.read.header import CONTRADICTS, LFS_POINTER, NOT_UNDERSTOOD, TRUNCATED, UNREADABLE
from dtypecheck.read.weights import read_safetensors

from .headers import METADATA, ONE, built, columns, header_of, only, refused, tensor

TWO = '{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[8,16]}}'


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
