"""Pickles that are broken, or would take without end, are one clear problem each, and soon."""

from __future__ import annotations

import io
import pickle
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.files import Directory, Entry, Memory
from dtypecheck.read.header import (
    CONTRADICTS,
    LFS_POINTER,
    NOT_UNDERSTOOD,
    OTHER_FORMAT,
    TRUNCATED,
    UNREADABLE,
    WANTS_CODE,
    Header,
)
from dtypecheck.read.pickled import read_pickled

from .pickles import FORMS, META, columns, header_of, kinds, meta_tensor, saved, torch, zipped

# What is broken


@pytest.mark.parametrize(
    ("content", "kind", "detail"),
    [
        (b"", TRUNCATED, "empty"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"1" * 64 + b"\nsize 334707217\n",
            LFS_POINTER,
            "334,707,217",
        ),
        (b"<!DOCTYPE html><html>", NOT_UNDERSTOOD, "a web page"),
        (b'<?xml version="1.0"?><Error>', NOT_UNDERSTOOD, "XML"),
        (b"Entry not found", NOT_UNDERSTOOD, "Entry not found"),
        (b'{"error": "Invalid credentials"}', NOT_UNDERSTOOD, "a text"),
        (bytes(4096), NOT_UNDERSTOOD, "zeros"),
        (b"GGUF\x03\0\0\0", NOT_UNDERSTOOD, "GGUF"),
        (struct.pack("<Q", 100) + b'{"a":{"dtype":"F16"', NOT_UNDERSTOOD, "safetensors"),
        (b"storages".ljust(257, b"\0") + b"ustar\x0000", OTHER_FORMAT, "tar archive"),
        (b"7z\xbc\xaf\x27\x1c", NOT_UNDERSTOOD, "7z"),
        (pickle.dumps({"a": 1}), NOT_UNDERSTOOD, "a pickle that torch.save did not write"),
        (zipped(b"N.", folder="x/y").replace(b"data.pkl", b"data.txt"), NOT_UNDERSTOOD, "without a data.pkl"),
        (b"PK\x03\x04" + bytes(100), TRUNCATED, "directory"),
        (b"PK\x03\x04", TRUNCATED, "directory"),
    ],
)
def test_what_is_no_checkpoint_is_named(content: bytes, kind: str, detail: str) -> None:
    header = header_of(content)
    assert header.tensors is None
    assert kinds(header) == [kind]
    assert detail in header.problems[0].detail


def test_a_torchscript_archive_is_not_understood_and_says_so(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    header = header_of(buffer.getvalue())
    assert kinds(header) == [OTHER_FORMAT]
    assert "TorchScript" in header.problems[0].detail


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_file_cut_anywhere_is_told_as_cut(form: dict[str, Any]) -> None:
    content = saved({"a": torch.zeros(64), "b": torch.zeros(64, dtype=torch.float16)}, **form)
    for size in range(40, len(content) - 30, 37):
        assert TRUNCATED in kinds(header_of(content[:size])), size


def test_a_storage_smaller_than_a_shape_contradicts() -> None:
    content = saved({"abc": torch.zeros(3, 5)})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        data = archive.read("archive/data.pkl")
    larger = data.replace(b"K\x03K\x05\x86", b"K\x09K\x05\x86")
    assert larger != data
    header = header_of(zipped(larger, {"0": bytes(60)}))
    assert kinds(header) == [CONTRADICTS]
    assert header.problems[0].where.at == "abc"
    assert columns(header) == {"abc": ("float32", (9, 5))}
    assert "is not in the archive" in header_of(zipped(data)).problems[0].detail
    assert "has 59 bytes" in header_of(zipped(data, {"0": bytes(59)})).problems[0].detail


@pytest.mark.parametrize(
    ("size", "detail"),
    [
        (b"J\xff\xff\xff\xff\x85", "negative"),
        (b"X\x01\x00\x00\x00x\x85", "not a tuple of numbers"),
        (b"\x88\x85", "not a tuple of numbers"),
        (b"K\x05", "not a tuple of numbers"),
        (b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87", "more than 2^63"),
        (b"(" + b"K\x01" * 65 + b"t", "65 dimensions"),
    ],
)
def test_an_impossible_shape_contradicts(size: bytes, detail: str) -> None:
    header = header_of(zipped(meta_tensor(size)))
    assert kinds(header) == [CONTRADICTS]
    assert header.problems[0].where.at == "a"
    assert detail in header.problems[0].detail
    assert columns(header) == {}


def test_a_dtype_that_is_not_known_is_named() -> None:
    header = header_of(zipped(meta_tensor(b"K\x01\x85", b"ctorch\ncomplex32\n")))
    assert kinds(header) == [NOT_UNDERSTOOD]
    assert "torch.complex32" in header.problems[0].detail


@pytest.mark.parametrize("saved_id", [b"N", b"K\x05", b")", b"X\x01\x00\x00\x00x\x85", b"(X\x07\x00\x00\x00storageNNNNt"])
def test_a_persistent_id_of_another_form_contradicts(saved_id: bytes) -> None:
    assert kinds(header_of(zipped(b"\x80\x02" + saved_id + b"Q."))) == [CONTRADICTS]


def test_an_archive_with_two_pickles_contradicts() -> None:
    buffer = io.BytesIO(zipped(b"N."))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("other/data.pkl", b"cos\nsystem\n.")
    header = header_of(buffer.getvalue())
    assert kinds(header) == [WANTS_CODE, CONTRADICTS]
    assert "second pickle" in header.problems[1].detail


@pytest.mark.parametrize("offset", [18, 22, 42])
@pytest.mark.parametrize("value", [0, 5, 2**31, 2**32 - 1])
def test_lying_sizes_in_a_directory_are_told(offset: int, value: int) -> None:
    content = bytearray(zipped(b"\x80\x02}X\x01\x00\x00\x00aK\x01s."))
    start = content.rfind(b"PK\x01\x02") + offset + (2 if offset < 42 else 0)
    struct.pack_into("<I", content, start, value)
    header = header_of(bytes(content))
    assert header.problems or value == 0


def test_unreadable_files_are_told() -> None:
    class Failing(Memory):
        def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
            raise PermissionError(13, "Permission denied")

    header = read_pickled(Failing({"a.bin": b""}), Entry("a.bin", 10, "a"))
    assert kinds(header) == [UNREADABLE]
    assert header.problems[0].detail == "Permission denied"


# What would take without end


def nested(depth: int) -> bytes:
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def laughs(levels: int, leaf: bytes) -> bytes:
    stream = b"\x80\x02" + leaf + b"q\x00"
    for level in range(levels):
        stream += b"(" + b"h" + bytes([level]) + (b"h" + bytes([level])) * 9 + b"l" + b"q" + bytes([level + 1])
    return stream + b"."


COPIES = b"0ccollections\nOrderedDict\nh\x00\x85R" * 5_000

WRAPPERS = b"0ctorch._utils\n_rebuild_wrapper_subclass\nh\x00R" * 5_000

REBUILDS = b"tensor tensor_v2 tensor_v3 qtensor parameter sparse_tensor nested_tensor xla_tensor wrapper_subclass".split()

BOMBS = {
    "a memo index of 2**28": b"\x80\x02Nr\x00\x00\x00\x10.",
    "a memo index of 2**32 - 1": b"\x80\x02Nr\xff\xff\xff\xff.",
    "a text of 2**63 bytes": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "bytes of 2**63 bytes": b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "a number of 2**31 bytes": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "a number of -1 bytes": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "a number of 60,000 digits": b"I" + b"9" * 60_000 + b"\n.",
    "100,000 lists in each other": nested(100_000),
    "100,000 tuples in each other": b"\x80\x02)" + b"\x85" * 100_000 + b".",
    "a tuple 100,000 deep as a key": b"\x80\x02})" + b"\x85" * 100_000 + b"Ns.",
    "shared tuples as a key": b"\x80\x02})" + b"2\x86" * 200 + b"Ns.",
    "a list as a key": b"\x80\x02}]Ns.",
    "a dict that holds itself": b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",
    "a list that holds itself": b"\x80\x02]q\x00h\x00a.",
    "billion laughs of nothing": laughs(12, b"]"),
    "billion laughs of tensors": laughs(12, META),
    "a table copied again and again": b"\x80\x02}(" + b"NN" * 5_000 + b"uq\x00" + COPIES + b".",
    "rows read again and again": b"\x80\x02](" + b"NN\x86" * 5_000 + b"eq\x00" + COPIES + b".",
    "arguments without end": b"\x80\x02(" + b"N" * 20_000 + b"tq\x00" + WRAPPERS + b".",
    "an empty stack": b"\x80\x020.",
    "marks without end": b"(" * 200_000 + b".",
    "no value": b".",
    "a protocol to come": b"\x80\x09N.",
    "lone surrogates as a key": b"\x80\x02}X\x03\x00\x00\x00\xed\xa0\x80" + META + b"s.",
    "no UTF-8 as a key": b"\x80\x02}X\x03\x00\x00\x00\xff\xfe\x80" + META + b"s.",
    "bytes as a key": b"\x80\x03}C\x02\xffb" + META + b"s.",
    "a text memo index": b"Np99999999999999999999\n.",
    "calls in calls": b"\x80\x02" + b"ctorch._tensor\n_rebuild_from_type_v2\n(" * 3_000 + b"N" + b"tR" * 3_000 + b".",
    "an extension": b"\x80\x02\x82\x01.",
    "an out-of-band buffer": b"\x80\x05\x97\x98.",
    "wrong numbers of arguments": b"\x80\x02" + b"".join(b"ctorch._utils\n_rebuild_%b\n)R0" % name for name in REBUILDS) + b"N.",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_stream_made_to_exhaust_the_reader_ends_soon_and_small(name: str) -> None:
    for content in (BOMBS[name], zipped(BOMBS[name])):
        tracemalloc.start()
        begun = time.thread_time()  # of this thread alone: how busy the machine is proves nothing
        header = header_of(content)
        taken, peak = time.thread_time() - begun, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert isinstance(header, Header)
        assert taken < 20
        assert peak < (100_000_000 if name == "billion laughs of tensors" else 64_000_000)
        for key in header.tensors.keys if header.tensors else ():
            key.encode()


def test_a_zip_bomb_is_not_unpacked() -> None:
    content = zipped(bytes(120_000_000), method=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    header = header_of(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "120,000,000 bytes" in header.problems[0].detail
    assert peak < 10_000_000


def test_a_zip_bomb_that_lies_about_its_size_is_not_unpacked() -> None:
    content = bytearray(zipped(bytes(50_000_000), method=zipfile.ZIP_DEFLATED))
    struct.pack_into("<I", content, content.rfind(b"PK\x01\x02") + 24, 100)
    tracemalloc.start()
    header = header_of(bytes(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "another size" in header.problems[0].detail
    assert peak < 10_000_000


def test_an_archive_of_100_000_entries_is_read_soon() -> None:
    item = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0)
    directory = b"".join(item + b"%06d" % number for number in range(100_000))
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 100_000, 100_000, len(directory), 4)
    end = struct.pack("<4sLQL", b"PK\x06\x07", 0, 4 + len(directory), 1) + struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0
    )
    begun = time.thread_time()
    header = header_of(b"PK\x03\x04" + directory + record + end)
    assert time.thread_time() - begun < 5
    assert "without a data.pkl" in header.problems[0].detail


def test_a_pickle_over_the_limit_says_the_limit(tmp_path: Path) -> None:
    with (tmp_path / "a.bin").open("wb") as file:
        file.write(b"\x80\x03B" + struct.pack("<I", 110_000_000))
        file.truncate(120_000_000)
    (entry,) = Directory(tmp_path).entries()
    header = read_pickled(Directory(tmp_path), entry)
    assert kinds(header) == [NOT_UNDERSTOOD]
    assert "100,000,000" in header.problems[0].detail
