"""Readers and broken files: whatever the bytes are, a Header comes back, soon, and memory stays small.

A new reader is one more row in READERS: its name, the function, and the files to start from.
"""

from __future__ import annotations

import io
import json
import os
import pickletools
import random
import struct
import tempfile
import time
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtypecheck.files import Entry, Files, Memory
from dtypecheck.read.gguf import read_gguf
from dtypecheck.read.header import Header
from dtypecheck.read.pickled import read_pickled
from dtypecheck.read.weights import read_safetensors

CI = 500
"""Random streams a reader by default, and half of the changed files."""
LONG = 50_000
"""Random streams a reader with -m slow, and as many changed files."""
SECONDS = 10.0
PEAK = 64_000_000

Reader = Callable[[Files, Entry], Header]


def pickled_seeds() -> list[bytes]:
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.zeros(1, 2)).sum().backward()
    optimizer.step()
    base = torch.zeros(2, 3, dtype=torch.float16)
    values = [
        {"a": base, "b": base[0], "c": torch.zeros(2, dtype=torch.float8_e4m3fn), "d": torch.nn.Parameter(torch.zeros(1))},
        {"state_dict": module.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 1},
        {"sparse": torch.eye(2).to_sparse(), "meta": torch.empty(3, device="meta"), "device": torch.device("cpu")},
        module,
    ]
    forms: list[dict[str, Any]] = [{}, {"pickle_protocol": 4}, {"_use_new_zipfile_serialization": False}]
    seeds = []
    for value in values:
        for form in forms:
            buffer = io.BytesIO()
            torch.save(value, buffer, **form)
            seeds.append(buffer.getvalue())
    return seeds


def gguf_seeds() -> list[bytes]:
    gguf, numpy = pytest.importorskip("gguf"), pytest.importorskip("numpy")
    seeds = []
    for endian in (gguf.GGUFEndian.LITTLE, gguf.GGUFEndian.BIG):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.gguf"
            writer = gguf.GGUFWriter(path, "flux", endianess=endian)
            writer.add_file_type(15)
            writer.add_array("tokens", ["a", "bc", "def"])
            writer.add_array("scores", [1.0, 2.0])
            writer.add_custom_alignment(64)
            writer.add_tensor("plain", numpy.zeros((2, 3), "float32"))
            writer.add_tensor("packed", numpy.zeros((2, 36), numpy.uint8), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            seeds.append(path.read_bytes())
    return seeds


def safetensors_seeds() -> list[bytes]:
    tensors = {
        "a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
        "b": {"dtype": "BF16", "shape": [], "data_offsets": [12, 14]},
    }
    headers = [
        json.dumps(head, separators=(",", ":")).encode() for head in (tensors, {"__metadata__": {"format": "pt"}} | tensors)
    ]
    headers.append(json.dumps(tensors, indent=1).encode())
    return [struct.pack("<Q", len(head)) + head + bytes(14) for head in headers]


READERS: list[tuple[str, Reader, Callable[[], list[bytes]]]] = [
    ("pickled", read_pickled, pickled_seeds),
    ("gguf", read_gguf, gguf_seeds),
    ("safetensors", read_safetensors, safetensors_seeds),
]
SEEDS = {name: cache(seeds) for name, _, seeds in READERS}
each_reader = pytest.mark.parametrize(("name", "reader"), [(name, reader) for name, reader, _ in READERS])


def check(reader: Reader, content: bytes, size: int | None = None) -> Header:
    """The property: a Header, printable, soon, and small."""
    size = len(content) if size is None else size
    place = Memory({"model": content}, sizes={"model": size})
    tracemalloc.start()
    begun = time.thread_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            header = reader(place, Entry("model", size, "model"))
        taken, peak = time.thread_time() - begun, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(header, Header)
    assert taken < SECONDS
    assert peak < PEAK
    assert header.tensors is not None or header.problems
    for tensor in header.tensors or ():
        tensor.key.encode()
        assert all(type(length) is int and length >= 0 for length in tensor.shape)
        assert tensor.elements < 1 << 63
    for problem in header.problems:
        assert problem.detail
        assert problem.detail.isprintable()
        assert len(problem.detail) < 1_000
    return header


NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1]
CALLED = (
    "_rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_qtensor _rebuild_sparse_tensor _rebuild_wrapper_subclass"
)
GLOBALS = """torch._tensor:_rebuild_from_type_v2 collections:OrderedDict collections:defaultdict torch:HalfStorage
    torch.storage:UntypedStorage torch:float16 torch:Size os:system copyreg:_reconstructor __builtin__:set"""
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nHalfStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
FRAGMENTS = [
    *(opcode.code.encode("latin-1") for opcode in pickletools.opcodes),
    *(struct.pack("<Q", number) for number in NUMBERS),
    *(struct.pack("<I", number & 0xFFFFFFFF) for number in NUMBERS),
    *(b"ctorch._utils\n" + name.encode() + b"\n" for name in CALLED.split()),
    *(b"c" + name.encode().replace(b":", b"\n") + b"\n" for name in GLOBALS.split()),
    STORAGE, b"K\x00K\x02K\x03\x86K\x03K\x01\x86\x89", b"X\x01\x00\x00\x00a", b"X\x01\x00\x00\x00b",
    b"X\x03\x00\x00\x00\xed\xa0\x80", b"}q\x00", b"]q\x01", b"h\x00", b"h\x01", b"K\x05", b")R", b"}b",
    b"\x80\x02", b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00",
    b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"GGUF", b"\x08\x00\x00\x00", b"\x09\x00\x00\x00", b"\n",
    b'{"', b'"dtype":"F16"', b'"shape":[1]',
]  # fmt: skip


def mutate(chance: random.Random, seeds: list[bytes]) -> bytes:
    """A seed with some of: flipped bits, another byte, a cut, fragments put in or over, a part repeated, one of another seed."""
    content = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 3, 6, 20))):
        if not content:
            break
        at = chance.randrange(len(content)) if chance.random() < 0.4 else chance.randrange(min(len(content), 600))
        match chance.randrange(9):
            case 0 | 1:
                content[at] ^= 1 << chance.randrange(8)
            case 2:
                content[at] = chance.randrange(256)
            case 3 if chance.random() < 0.3:
                del content[at:]
            case 3:
                del content[at : at + chance.randrange(1, 20)]
            case 4 | 5:
                content[at:at] = chance.choice(FRAGMENTS)
            case 6:
                fragment = chance.choice(FRAGMENTS)
                content[at : at + len(fragment)] = fragment
            case 7:
                content[at:at] = content[at : at + chance.randrange(1, 200)] * chance.choice((1, 2, 10))
            case 8:
                other = chance.choice(seeds)
                start = chance.randrange(len(other))
                content[at:at] = other[start : start + chance.randrange(1, 100)]
    return bytes(content)


def stream(chance: random.Random) -> bytes:
    """Random fragments that begin as one of the formats does, bare or in an archive."""
    count = chance.randrange(60)
    parts = [chance.choice(FRAGMENTS) if chance.random() < 0.8 else chance.randbytes(chance.randrange(4)) for _ in range(count)]
    body = b"".join(parts)
    match chance.randrange(8):
        case 0:
            return b"GGUF" + struct.pack("<IQQ", chance.choice((1, 2, 3)), chance.randrange(3), chance.randrange(3)) + body
        case 1:
            return struct.pack("<Q", len(body) + 1) + b"{" + body
        case 2:
            return body
    content = b"\x80\x02" + body + b"." * chance.randrange(2)
    if chance.random() < 0.4:
        return content
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", bytes(12))
    return buffer.getvalue()


def examples(count: int) -> Callable[[Any], Any]:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    return settings(max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=checks)


def run(reader: Reader, make: Callable[[random.Random], bytes], count: int) -> None:
    """Check `count` examples; a failing one is told by the seed of its chance."""

    @examples(count)
    @given(st.integers(0, 2**64))
    def inner(seed: int) -> None:
        check(reader, make(random.Random(seed)))

    inner()


def changed(name: str) -> Callable[[random.Random], bytes]:
    seeds = SEEDS[name]()
    return lambda chance: mutate(chance, seeds)


@each_reader
def test_the_seeds_themselves_have_no_problem(name: str, reader: Reader) -> None:
    for content in SEEDS[name]():
        header = check(reader, content)
        assert header.problems == ()
        assert header.tensors


@each_reader
def test_a_changed_file_gives_a_header(name: str, reader: Reader) -> None:
    run(reader, changed(name), CI * 2)


@each_reader
def test_random_opcodes_give_a_header(name: str, reader: Reader) -> None:
    run(reader, stream, CI)


@each_reader
def test_a_file_of_any_claimed_size_gives_a_header(name: str, reader: Reader) -> None:
    for content in SEEDS[name]():
        for size in (0, 1, len(content) // 2, len(content) + 1, 10 * len(content), 2**40):
            check(reader, content[:size], size)


@pytest.mark.slow
@each_reader
def test_50_000_changed_files_give_headers(name: str, reader: Reader) -> None:
    run(reader, changed(name), LONG)


@pytest.mark.slow
@each_reader
def test_50_000_random_streams_give_headers(name: str, reader: Reader) -> None:
    run(reader, stream, LONG)


def test_reading_a_pickle_that_runs_commands_runs_nothing(tmp_path: Path) -> None:
    target = tmp_path / "made"
    command = f"touch {target}".encode()
    for content in (b"cos\nsystem\n(S'" + command + b"'\ntR.", b"(S'" + command + b"'\nios\nsystem\n."):
        header = check(read_pickled, content)
        assert header.problems
        assert not os.path.lexists(target)
