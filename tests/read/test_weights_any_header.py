"""What safetensors says of any header, this reader says."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtypecheck.read.weights import DTYPES

from .headers import ODD_KEYS, built, columns, header_of, only, refused, same_as_safetensors, tensor, truth

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
