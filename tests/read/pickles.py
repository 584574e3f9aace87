"""Pickles, and what is read of them."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from dtypecheck.files import Entry, Memory
from dtypecheck.read.header import Header
from dtypecheck.read.pickled import read_pickled

torch = pytest.importorskip("torch")

FORMS = [
    {"pickle_protocol": 2},
    {"pickle_protocol": 4},
    {"_use_new_zipfile_serialization": False},
    {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
]


def header_of(content: bytes, name: str = "model.bin") -> Header:
    return read_pickled(Memory({name: content}), Entry(name, len(content), name))


def saved(value: Any, **form: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **form)
    return buffer.getvalue()


def columns(header: Header) -> dict[str, tuple[str, tuple[int, ...]]]:
    assert header.tensors is not None, header.problems
    return {tensor.key: (tensor.dtype.torch, tensor.shape) for tensor in header.tensors}


def kinds(header: Header) -> list[str]:
    return [problem.kind for problem in header.problems]


def zipped(
    data: bytes, storages: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED, folder: str = "archive/"
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(folder + "data.pkl", data)
        for key, content in (storages or {}).items():
            archive.writestr(f"{folder}data/{key}", content)
    return buffer.getvalue()


def meta_tensor(size: bytes, dtype: bytes = b"ctorch\nfloat16\n") -> bytes:
    return b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_meta_tensor_no_storage\n(" + dtype + size + b")\x89tRs."


META = b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat16\nK\x02\x85)\x89tR"
