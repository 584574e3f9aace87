"""First bytes that are no weights: named for what they are, and real headers that only look alike are let through."""

from __future__ import annotations

import pytest

from dtypecheck.files import Entry
from dtypecheck.read.header import LFS_POINTER, NOT_UNDERSTOOD
from dtypecheck.read.strange import look_alike, pointer

ENTRY = Entry("vae/model.safetensors", 100, "x")
SHA = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"\0",
        b"\x60\0\0\0\0\0\0\0{",
        b"\x1f\x8b\0\0\0\0\0\0{",
        b"PK\x03\x04\0\0\0\0{",
        b"  text",
        b"version 1",
        b"<",
        b"<<<<<<<",
        b"<svg>",
        b"<<<<<<<HEAD",
        b"PK",
        b"GGU",
        b"\x1f",
        b"{}",
    ],
)
def test_bytes_that_may_be_weights_are_let_through(first: bytes) -> None:
    assert look_alike(first, ENTRY) is None


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (b"<!DOCTYPE html>", "a web page, not weights"),
        (b"<!doctype HTML>", "a web page"),
        (b"\r\n\t<HTML lang=de>", "a web page"),
        (b'<?xml version="1.0"?>', "an XML document"),
        (b" \n<?XML", None),
        (b"<<<<<<< HEAD", "marks of a merge conflict"),
        (b"PK\x03\x04\x14\0\0\0\x08\0", "a zip archive, as torch.save writes"),
        (b"PK\x03\x04", "a zip archive"),
        (b"GGUF\3", "a GGUF file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x1f\x8b\x08\0abcd", "a gzip archive"),
    ],
)
def test_what_is_no_weights_is_named(first: bytes, words: str | None) -> None:
    problem = look_alike(first, ENTRY)
    if words is None:
        assert problem is None
        return
    assert problem is not None
    assert (problem.kind, problem.where.path) == (NOT_UNDERSTOOD, "vae/model.safetensors")
    assert words in problem.detail


@pytest.mark.parametrize(
    ("text", "size", "sha"),
    [
        (f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize 1234567\n", 1_234_567, SHA),
        (f"version https://git-lfs.github.com/spec/v1\r\noid sha256:{SHA}\r\nsize 12\r\n", 12, SHA),
        ("version https://git-lfs.github.com/spec/v1\nsize many\noid sha256:abc\n", None, None),
        ("version https://git-lfs", None, None),
    ],
)
def test_a_pointer_tells_the_size_and_digest_of_what_it_stands_for(text: str, size: int | None, sha: str | None) -> None:
    assert pointer(text.encode()) == (size, sha)
    problem = look_alike(text.encode(), ENTRY)
    assert problem is not None
    assert problem.kind == LFS_POINTER
    assert problem.detail == "a Git-LFS pointer, not the weights" + (f" ({size:,} bytes)" if size else "")
