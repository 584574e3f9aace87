"""GGUF heads: what the gguf package wrote is what the reader says, and a head cannot make it read or keep too much."""

from __future__ import annotations

import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.files import Entry, Memory, OneFile
from dtypecheck.read.ggml_types import GGML_TYPES
from dtypecheck.read.gguf import read_gguf
from dtypecheck.read.header import CONTRADICTS, LFS_POINTER, NOT_UNDERSTOOD, TRUNCATED, Header

gguf = pytest.importorskip("gguf")
numpy = pytest.importorskip("numpy")

PLAIN = {"F32": "F32", "F16": "F16", "F64": "F64", "I8": "I8", "I16": "I16", "I32": "I32", "I64": "I64"}


def header_of(content: bytes, size: int | None = None) -> Header:
    size = len(content) if size is None else size
    return read_gguf(Memory({"m.gguf": content}, sizes={"m.gguf": size}), Entry("m.gguf", size, "m"))


def kinds(header: Header) -> list[str]:
    return [problem.kind for problem in header.problems]


def columns(header: Header) -> dict[str, tuple[str, tuple[int, ...]]]:
    assert header.tensors is not None, header.problems
    return {tensor.key: (tensor.dtype.name, tensor.shape) for tensor in header.tensors}


def written(path: Path, **options: Any) -> bytes:
    """A file of the gguf package: every plain dtype, four quantised ones, a tokenizer, and metadata of every kind."""
    writer = gguf.GGUFWriter(path, "flux", **options)
    writer.add_file_type(15)
    writer.add_quantization_version(2)
    writer.add_name("tiny")
    writer.add_array("tokenizer.ggml.tokens", [f"token {number}" for number in range(300)])
    writer.add_array("tokenizer.ggml.scores", [float(number) for number in range(300)])
    writer.add_float32("a.float", 1.5)
    writer.add_bool("a.bool", True)
    writer.add_uint64("a.long", 2**63)
    for name in PLAIN:
        dtype = {"F": "float", "I": "int"}[name[0]] + name[1:]
        writer.add_tensor(f"plain.{name}", numpy.zeros((2, 3, 4), dtype))
    for name, length in (("Q4_0", 64), ("Q8_0", 96), ("Q4_K", 512), ("Q6_K", 256), ("BF16", 7)):
        kind = gguf.GGMLQuantizationType[name]
        block, nbytes = gguf.GGML_QUANT_SIZES[kind]
        writer.add_tensor(f"packed.{name}", numpy.zeros((5, length // block * nbytes), numpy.uint8), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


EXPECTED = {
    **{f"plain.{name}": (dtype, (2, 3, 4)) for name, dtype in PLAIN.items()},
    "packed.Q4_0": ("U8", (5, 64)),
    "packed.Q8_0": ("U8", (5, 96)),
    "packed.Q4_K": ("U8", (5, 512)),
    "packed.Q6_K": ("U8", (5, 256)),
    "packed.BF16": ("BF16", (5, 7)),
}


@pytest.mark.parametrize("options", [{}, {"endianess": gguf.GGUFEndian.BIG}, {"use_temp_file": True}], ids=str)
def test_a_file_of_the_gguf_package_reads_as_written(tmp_path: Path, options: dict[str, Any]) -> None:
    header = header_of(written(tmp_path / "m.gguf", **options))
    assert columns(header) == EXPECTED
    assert header.problems == ()
    assert header.metadata["general.architecture"] == "flux"
    assert header.metadata["general.file_type"] == "15"
    assert header.metadata["general.quantization_version"] == "2"
    assert header.metadata["general.name"] == "tiny"
    assert header.metadata["version"] == ("3, big-endian" if "endianess" in options else "3")
    counts = dict(part.split(": ") for part in header.metadata["ggml_types"].split(", "))
    assert counts == dict.fromkeys([*PLAIN, "Q4_0", "Q8_0", "Q4_K", "Q6_K", "BF16"], "1")


def test_a_file_reads_as_the_gguf_package_reads_it(tmp_path: Path) -> None:
    written(tmp_path / "m.gguf")
    place = OneFile(tmp_path / "m.gguf")
    (entry,) = place.entries()
    header = read_gguf(place, entry)
    theirs = gguf.GGUFReader(tmp_path / "m.gguf").tensors
    assert {key: shape for key, (_, shape) in columns(header).items()} == {
        tensor.name: tuple(tensor.shape.tolist()[::-1]) for tensor in theirs
    }
    assert header.metadata["tensor_bytes"] == str(sum(tensor.n_bytes for tensor in theirs))


def test_the_table_of_formats_is_that_of_the_gguf_package() -> None:
    ours = {number: (known.name, known.block, known.nbytes) for number, known in GGML_TYPES.items()}
    theirs = {kind.value: (kind.name, *gguf.GGML_QUANT_SIZES[kind]) for kind in gguf.GGMLQuantizationType}
    assert {number: ours.get(number) for number in theirs} == theirs


def head(tensors: int = 0, items: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, items)


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def row(name: bytes = b"a", lengths: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(lengths)}QIQ", len(lengths), *lengths, kind, offset)


def test_version_1_has_short_lengths() -> None:
    content = b"GGUF" + struct.pack("<III", 1, 1, 1) + struct.pack("<I", 3) + b"a.b" + struct.pack("<II", 8, 1) + b"x"
    content += struct.pack("<I", 1) + b"w" + struct.pack("<IIIIQ", 2, 4, 3, 1, 0)
    header = header_of(content.ljust(200, b"\0"))
    assert columns(header) == {"w": ("F16", (3, 4))}
    assert header.problems == ()


def test_an_unknown_format_is_named_and_the_rest_is_read() -> None:
    content = head(3) + row(b"a") + row(b"b", kind=99) + row(b"c", kind=1, offset=128)
    header = header_of(content, 1000)
    assert columns(header) == {"a": ("F32", (32,)), "c": ("F16", (32,))}
    assert kinds(header) == [NOT_UNDERSTOOD]
    assert "99" in header.problems[0].detail
    assert header.problems[0].where.at == "b"


def test_a_file_shorter_than_its_tensors_is_cut(tmp_path: Path) -> None:
    content = written(tmp_path / "m.gguf")
    (problem,) = header_of(content[:-200]).problems
    assert problem.kind == TRUNCATED
    assert f"{len(content) - 200:,} bytes" in problem.detail
    for size in range(5, len(content) - 100, 97):
        assert kinds(header_of(content[:size])) == [TRUNCATED], size


@pytest.mark.parametrize(
    ("content", "kind", "detail"),
    [
        (b"", TRUNCATED, "empty"),
        (b"GG", TRUNCATED, "2 bytes"),
        (b"GGUF", TRUNCATED, "cut short"),
        (b"PK\x03\x04", NOT_UNDERSTOOD, "zip"),
        (b"<html>", NOT_UNDERSTOOD, "web page"),
        (b"ggml....", NOT_UNDERSTOOD, "not a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 12\n", LFS_POINTER, "12 bytes"),
        (head(version=9), NOT_UNDERSTOOD, "version 9"),
        (head(tensors=2**40), NOT_UNDERSTOOD, "1,099,511,627,776 tensors"),
        (head(items=2**40), NOT_UNDERSTOOD, "1,099,511,627,776 metadata"),
        (head(items=1) + struct.pack("<Q", 2**62), NOT_UNDERSTOOD, "text of"),
        (head(items=1) + text(b"a") + struct.pack("<I", 13), NOT_UNDERSTOOD, "type 13"),
        (head(items=1) + text(b"a") + struct.pack("<IIQ", 9, 13, 1), NOT_UNDERSTOOD, "type 13"),
        (head(items=1) + text(b"general.alignment") + struct.pack("<II", 4, 3), NOT_UNDERSTOOD, "alignment is 3"),
        (head(items=1) + text(b"general.alignment") + struct.pack("<II", 4, 0), NOT_UNDERSTOOD, "alignment is 0"),
        (head(tensors=1) + text(b"a") + struct.pack("<I", 2**31), NOT_UNDERSTOOD, "dimensions"),
    ],
)
def test_what_cannot_be_read_is_named(content: bytes, kind: str, detail: str) -> None:
    header = header_of(content)
    assert header.tensors is None
    assert kinds(header) == [kind]
    assert detail in header.problems[0].detail


@pytest.mark.parametrize(
    ("rows", "detail"),
    [
        (row(lengths=(2**40, 2**40)), "more than 2^63"),
        (row(lengths=(0, 2**63)), "more than 2^63"),
        (row(lengths=(33,), kind=2), "blocks of 32"),
        (row(b"a") + row(b"a"), "this name"),
    ],
)
def test_rows_that_contradict_are_told(rows: bytes, detail: str) -> None:
    header = header_of(head(1 + ("name" in detail)) + rows, 10_000)
    assert kinds(header) == [CONTRADICTS]
    assert detail in header.problems[0].detail


def test_a_name_that_is_no_utf_8_can_be_printed() -> None:
    header = header_of(head(1) + row(b"\xff\xed\xa0\x80"), 10_000)
    assert [key.encode() for key in columns(header)] == [b"\\xff\\xed\\xa0\\x80"]


def test_a_tokenizer_of_300_000_words_is_stepped_over_soon() -> None:
    words = b"".join(text(b"word%d" % number) for number in range(300_000))
    content = head(1, 1) + text(b"tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 300_000) + words + row() + bytes(200)
    tracemalloc.start()
    begun = time.thread_time()
    header = header_of(content)
    taken, peak = time.thread_time() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert columns(header) == {"a": ("F32", (32,))}
    assert taken < 5
    assert peak < 5_000_000


def test_a_long_plain_array_is_not_read() -> None:
    content = head(0, 1) + text(b"a") + struct.pack("<IIQ", 9, 10, 10_000_000_000)
    (problem,) = header_of(content).problems
    assert problem.kind == TRUNCATED
    header = header_of(content, len(content) + 80_000_000_000)
    assert header.problems == ()


@pytest.mark.parametrize(
    "array",
    [
        struct.pack("<IIQ", 9, 8, 2**40),
        struct.pack("<IIQ", 9, 9, 2**40),
        struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 10_000,
        struct.pack("<I", 9) + struct.pack("<IQ", 9, 2_000) + struct.pack("<IQ", 8, 10**9) * 2_000,
        struct.pack("<IIQ", 9, 0, 2**64 - 1),
        struct.pack("<IIQ", 9, 8, 1000) + struct.pack("<Q", 2**64 - 1) * 1000,
    ],
)
def test_an_array_without_end_ends(array: bytes) -> None:
    for size in (None, 10**12):
        tracemalloc.start()
        begun = time.thread_time()
        header = header_of(head(0, 1) + text(b"a") + array, size)
        taken, peak = time.thread_time() - begun, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert header.problems or size
        assert taken < 20
        assert peak < 10_000_000


def test_long_texts_are_kept_short() -> None:
    content = head(0, 2) + text(b"general.description") + struct.pack("<I", 8) + text(b"x" * 5_000_000)
    content += text(b"chat") + struct.pack("<I", 8) + text(b"y" * 5_000_000)
    header = header_of(content)
    assert len(header.metadata["general.description"]) == 1_000
    assert "chat" not in header.metadata
