"""Pickled weights: what torch.load would give is what the reader says, and nothing in a pickle is ever done."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtypecheck import dtypes
from dtypecheck.files import Directory, Entry, Memory, OneFile
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
from dtypecheck.read.opcodes import load
from dtypecheck.read.pickle_actions import ACTIONS
from dtypecheck.read.pickle_known import HARMLESS
from dtypecheck.read.pickle_values import Table, Thing
from dtypecheck.read.pickled import read_pickled

torch = pytest.importorskip("torch")

SHARED = Path(__file__).parents[2] / ".." / "shared"
ROUND = [
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
    "complex64",
    "complex128",
]
NEW = ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]
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


def columns_of(state: dict[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {key: (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)) for key, tensor in state.items()}


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


class Calls:
    """Pickles as a call of `what(*arguments)`."""

    def __init__(self, what: Any, *arguments: Any) -> None:
        self.what, self.arguments = what, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.what, self.arguments


# What must be left alone


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_state_dict_of_every_dtype_reads_as_torch_loads_it(form: dict[str, Any]) -> None:
    state = {f"layer.{name}": torch.zeros(2, 3, dtype=getattr(torch, name)) for name in ROUND + NEW}
    state |= {"scalar": torch.tensor(1.5), "empty": torch.zeros(0, 4), "long": torch.zeros(1, 2, 3, 4, 5)}
    content = saved(state, **form)
    header = header_of(content)
    assert columns(header) == columns_of(state)
    assert header.problems == ()
    assert header.metadata == {}
    if "_use_new_zipfile_serialization" not in form:  # torch 2.13 writes the newer dtypes in the old form and cannot read them
        assert columns(header) == columns_of(torch.load(io.BytesIO(content), weights_only=False))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_views_tied_weights_and_parameters_keep_all_their_keys(form: dict[str, Any]) -> None:
    base = torch.zeros(6, 4, dtype=torch.bfloat16)
    state = {
        "base": base,
        "tied": base,
        "row": base[2],
        "columns": base[:, 1:3],
        "turned": base.t(),
        "wide": base[:1].expand(9, 4),
    }
    state["parameter"] = torch.nn.Parameter(torch.zeros(3, dtype=torch.float16))
    state["with_state"] = torch.nn.Parameter(torch.zeros(3))
    state["with_state"].note = "kept"
    content = saved(state, **form)
    header = header_of(content)
    assert columns(header) == columns_of(torch.load(io.BytesIO(content), weights_only=False))
    assert header.problems == ()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_state_dict_of_a_module_is_read_with_its_metadata(form: dict[str, Any]) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2).half())
    header = header_of(saved(module.state_dict(), **form))
    assert columns(header) == columns_of(module.state_dict())
    assert header.problems == ()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_sparse_and_meta_tensors_are_described(form: dict[str, Any]) -> None:
    state = {
        "coo": torch.eye(3, dtype=torch.float16).to_sparse(),
        "csr": torch.eye(4).to_sparse_csr(),
        "meta": torch.empty(5, 6, device="meta", dtype=torch.bfloat16),
    }
    content = saved(state, **form)
    header = header_of(content)
    assert columns(header) == columns_of(torch.load(io.BytesIO(content), weights_only=False))
    assert header.problems == ()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_quantised_tensors_are_their_integers(form: dict[str, Any]) -> None:
    state = {
        "signed": torch._empty_affine_quantized([2, 3], scale=1.0, zero_point=0, dtype=torch.qint8),
        "unsigned": torch._empty_affine_quantized([2, 3], scale=1.0, zero_point=0, dtype=torch.quint8),
        "wide": torch._empty_per_channel_affine_quantized(
            [2, 3], scales=torch.ones(2), zero_points=torch.zeros(2), axis=0, dtype=torch.qint32
        ),
    }
    header = header_of(saved(state, **form))
    assert columns(header) == {"signed": ("int8", (2, 3)), "unsigned": ("uint8", (2, 3)), "wide": ("int32", (2, 3))}
    assert header.problems == ()


def test_a_bare_tensor_has_the_empty_key() -> None:
    assert columns(header_of(saved(torch.zeros(2, dtype=torch.float16)))) == {"": ("float16", (2,))}


def test_a_pickled_module_has_the_keys_of_its_state_dict() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Sequential(torch.nn.BatchNorm1d(3)))
    header = header_of(saved(module))
    assert columns(header) == columns_of(module.state_dict())
    assert header.problems == ()


def test_textual_inversion_files_keep_their_tokens() -> None:
    assert columns(header_of(saved({"<cat>": torch.zeros(768)}))) == {"<cat>": ("float32", (768,))}
    old = {
        "string_to_token": {"*": torch.tensor(265)},
        "string_to_param": torch.nn.ParameterDict({"*": torch.zeros(1, 768)}),
        "step": 5,
    }
    assert columns(header_of(saved({**old, "string_to_param": {"*": torch.zeros(1, 768)}})))["string_to_param.*"] == (
        "float32",
        (1, 768),
    )
    assert "string_to_param.*" in columns(header_of(saved(old)))


def test_a_checkpoint_gives_the_model_and_tells_what_lies_beside_it() -> None:
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.zeros(1, 4)).sum().backward()
    optimizer.step()
    checkpoint = {
        "epoch": 3,
        "state_dict": model.state_dict(),
        "optimizer_states": [optimizer.state_dict()],
        "ema": {"weight": torch.zeros(2, 4)},
        "callbacks": {"best": 1.0},
    }
    header = header_of(saved(checkpoint))
    assert columns(header) == columns_of(model.state_dict())
    assert header.metadata == {"inside": "state_dict", "elsewhere": "optimizer_states: 6 tensors, ema: 1 tensor"}
    assert header.problems == ()


def test_a_model_beside_other_networks_keeps_its_prefix() -> None:
    nets = {"model": {"a": torch.zeros(1)}, "text": {"b": torch.zeros(1), "c": torch.zeros(1)}}
    header = header_of(saved(nets))
    assert list(columns(header)) == ["model.a", "text.b", "text.c"]
    assert header.metadata == {}


@pytest.mark.parametrize("name", [name for names in HARMLESS.values() for name in names.split()])
def test_a_harmless_global_is_no_alarm(name: str) -> None:
    module, _, last = name.rpartition(".")
    content = zipped(b"\x80\x02c" + f"{module}\n{last}\n".encode() + b")R.")
    assert WANTS_CODE not in kinds(header_of(content))


def test_training_state_of_usual_kinds_is_no_alarm() -> None:
    import argparse
    import random

    numpy = pytest.importorskip("numpy")
    state = {
        "args": argparse.Namespace(lr=0.1, path=Path("x")),
        "numpy": numpy.arange(3.0),
        "number": numpy.float32(1),
        "rng": [torch.get_rng_state(), random.getstate(), numpy.random.get_state()],
        "counts": collections.Counter("abc"),
        "default": collections.defaultdict(int, a=1),
        "set": {1, 2},
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "size": torch.Size([1, 2]),
        "bytes": b"abc",
        "complex": 1j,
        "weight": torch.zeros(1),
    }
    for form in FORMS:
        header = header_of(saved(state, **form))
        assert "weight" in columns(header)
        assert header.problems == ()


def test_python_2_pickles_are_read() -> None:
    rows = b"\x80\x02ccollections\nOrderedDict\n](](U\x01a" + META + b"e](U\x01bK\x01ee\x85R."
    assert columns(header_of(zipped(rows))) == {"a": ("float16", (2,))}
    assert header_of(zipped(b"\x80\x02c__builtin__\nset\n](K\x01e\x85R.")).problems == ()


def test_a_compressed_pickle_is_read() -> None:
    with zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(2)}))) as archive:
        data = archive.read("archive/data.pkl")
    header = header_of(zipped(data, {"0": bytes(8)}, zipfile.ZIP_DEFLATED))
    assert columns(header) == {"a": ("float32", (2,))}
    assert header.problems == ()


def test_only_the_directory_and_the_pickle_of_a_large_archive_are_read() -> None:
    content = saved({"a": torch.zeros(1_000_000)})
    read = []

    class Counting(Memory):
        def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
            part = super().read(name, start, length)
            read.append(len(part))
            return part

    header = read_pickled(Counting({"m.pt": content}), Entry("m.pt", len(content), "m.pt"))
    assert columns(header) == {"a": ("float32", (1_000_000,))}
    assert sum(read) < 100_000


def test_a_file_on_disk_reads_as_the_same_bytes_in_memory(tmp_path: Path) -> None:
    content = saved({"a": torch.zeros(2)}, _use_new_zipfile_serialization=False)
    (tmp_path / "m.ckpt").write_bytes(content)
    for place in (Directory(tmp_path), OneFile(tmp_path / "m.ckpt")):
        (entry,) = place.entries()
        assert columns(read_pickled(place, entry)) == {"a": ("float32", (2,))}


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(min_size=1),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.tuples(inner) | st.dictionaries(st.text("ab\n'\\"), inner),
    max_leaves=20,
)


@given(PLAIN, st.integers(0, 5))
@settings(max_examples=300, deadline=None)
def test_plain_values_of_every_protocol_are_what_pickle_gives(value: Any, protocol: int) -> None:
    def plain(described: Any) -> Any:
        match described:
            case Table(pairs=pairs):
                return {key: plain(part) for key, part in pairs}
            case list():
                return list(map(plain, described))
            case tuple():
                return tuple(map(plain, described))
            case Thing(name="_codecs.encode", parts=(str() as text, _)):
                return text.encode("latin-1")
        return described

    stream = pickle.dumps(value, protocol)
    loaded = load(stream, 0, {})
    assert plain(loaded.value) == value
    assert loaded.end == len(stream)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_texts_of_protocol_0_have_the_escapes_of_python_2() -> None:
    stream = b"S'a\\n\\x41\\102\\\\\\'\\d'\n."
    assert load(stream, 0, {}).value == pickle.loads(stream) == "a\nAB\\'\\d"


def test_every_opcode_that_pickletools_knows_is_known() -> None:
    assert set(ACTIONS) == {opcode.name for opcode in pickletools.opcodes}


# Code


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (os.system, f"{os.system.__module__}.system"),
        (eval, "builtins.eval"),
        (getattr, "builtins.getattr"),
        (__import__, "builtins.__import__"),
        (pickle.loads, "pickle.loads"),
    ],
)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_call_of_a_dangerous_function_is_told_and_not_done(what: Any, name: str, form: dict[str, Any]) -> None:
    header = header_of(saved({"a": torch.zeros(2), "b": Calls(what, "exit 1")}, **form))
    (problem,) = header.problems
    assert problem.kind == WANTS_CODE
    assert problem.where.at.removeprefix("_") == name
    assert f"{name}, known to be dangerous" in problem.detail
    assert columns(header) == {"a": ("float32", (2,))}


@pytest.mark.parametrize(
    "stream",
    [
        b"cos\nsystem\n(S'exit 1'\ntR.",
        b"(S'exit 1'\nios\nsystem\n.",
        b"(cos\nsystem\nS'exit 1'\no.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.",
        b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00x\x85\x81.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85}\x92.",
        b"\x80\x04\x8c\x13torch.serialization\x8c\x09os.system\x93)R.",
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nNX\x01\x00\x00\x00x\x85NtR.",
        b"\x80\x02ccollections\ndefaultdict\ncos\nsystem\n\x85R.",
        b"\x80\x02cos\nsystem\n}b.",
        b"\x80\x02cos\nsystem\n(K\x01 this is cut off",
    ],
)
def test_every_way_to_a_dangerous_function_is_seen(stream: bytes) -> None:
    for header in (header_of(stream), header_of(zipped(stream))):
        problem = header.problems[0]
        assert problem.kind == WANTS_CODE
        assert "wants to call" in problem.detail or "}b" in repr(stream) or "cut off" in repr(stream)
        assert "os.system" in problem.detail
        assert "known to be dangerous" in problem.detail


@pytest.mark.parametrize(
    "look",
    [
        b"GGUF".ljust(9, b"\0") + b"0",
        b"MZ\x900",
        b'X\x05\0\0\0\0\0\0{"0',
        b"X\x00\x02\0\0" + b"ustar".rjust(257, b"\0").ljust(512, b"\0") + b"0",
    ],
)
def test_a_pickle_that_begins_like_another_format_is_still_run_through(look: bytes) -> None:
    for content in (look + b"cos\nsystem\n(S'exit 1'\ntR.", look + b"cos\nsystem\n(S'exit 1'\ntR\xff"):
        assert kinds(header_of(content))[0] == WANTS_CODE


def test_the_pickle_that_torch_reads_is_that_of_the_first_folder_in_any_case() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("evil/version", b"3")
        archive.writestr("good/data.pkl", b"N.")
        archive.writestr("evil/DATA.pkl", b"cos\nsystem\n)R.")
    header = header_of(buffer.getvalue())
    assert kinds(header) == [WANTS_CODE, CONTRADICTS]
    assert "good/data.pkl" in header.problems[1].detail


def test_code_in_the_pickles_before_the_object_is_seen() -> None:
    legacy = saved({"a": torch.zeros(2)}, _use_new_zipfile_serialization=False)
    bomb = b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00x\x85R0"
    header = header_of(bomb + legacy[2:])
    assert [problem.kind for problem in header.problems] == [WANTS_CODE]
    assert columns(header) == {"a": ("float32", (2,))}


@pytest.mark.parametrize(
    "stream",
    [
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch.some\ngadget\nN)NtR.",
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch.nn.modules.linear\nLinear\nN(ctorch.some\ngadget\ntNtR.",
        b"ctorch.nn.modules.linear\nLinear\n)\x81}X\x07\x00\x00\x00forwardctorch.some\ngadget\nsb)R.",
    ],
)
def test_a_function_of_torch_that_is_called_by_a_detour_is_seen(stream: bytes) -> None:
    assert kinds(header_of(zipped(b"\x80\x02" + stream))) == [WANTS_CODE]


def test_a_call_in_a_call_in_a_call_is_not_understood() -> None:
    wrap = b"ctorch._tensor\n_rebuild_from_type_v2\n"
    assert kinds(header_of(zipped(b"\x80\x02" + wrap + b"(" + wrap + b"N(ctorch.some\ngadget\nN)NtNtR."))) == [NOT_UNDERSTOOD]


def test_an_unknown_class_is_told_as_unknown_once() -> None:
    stream = b"\x80\x02(" + b"cmylib.models\nNet\n)\x81" * 3 + b"l."
    (problem,) = header_of(zipped(stream)).problems
    assert problem.detail == "wants to call mylib.models.Net, unknown here"


def test_a_class_of_a_usual_package_that_is_only_named_is_no_alarm() -> None:
    assert header_of(zipped(b"\x80\x02cpytorch_lightning.callbacks.some\nCallback\n.")).problems == ()
    (problem,) = header_of(zipped(b"\x80\x02cmylib\nCallback\n.")).problems
    assert problem.detail == "wants to import mylib.Callback, unknown here"


def test_of_many_unknown_functions_ten_are_told_and_the_rest_counted() -> None:
    stream = b"\x80\x02(" + b"".join(b"clib\nf%d\n)R" % number for number in range(25)) + b"l."
    problems = header_of(zipped(stream)).problems
    assert len(problems) == 11
    assert problems[-1].detail == "and 15 more like these"


def test_a_name_with_control_characters_is_shown_as_escapes() -> None:
    stream = b"\x80\x04\x8c\x05a\x1b[2J\x8c\x01b\x93)R."
    (problem,) = header_of(zipped(stream)).problems
    assert "\x1b" not in problem.detail


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


def meta_tensor(size: bytes, dtype: bytes = b"ctorch\nfloat16\n") -> bytes:
    return b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_meta_tensor_no_storage\n(" + dtype + size + b")\x89tRs."


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


META = b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat16\nK\x02\x85)\x89tR"
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


# Real files


@pytest.mark.shared
@pytest.mark.parametrize("name", ["extreme_values.pt", "special_values.pt", "lpips_vgg.pth", "taef2_decoder.pth"])
def test_real_files_read_as_torch_loads_them(name: str) -> None:
    path = SHARED / "data" / "weights" / name
    if not path.exists():
        pytest.skip("no ../shared/data beside this checkout")
    place = OneFile(path)
    (entry,) = place.entries()
    header = read_pickled(place, entry)
    assert header.problems == ()
    assert columns(header) == columns_of(torch.load(path, map_location="cpu"))


@pytest.mark.shared
def test_a_real_git_lfs_pointer_is_told_with_its_size() -> None:
    path = SHARED / "data" / "malformed" / "lfs_pointer.bin"
    if not path.exists():
        pytest.skip("no ../shared/data beside this checkout")
    place = OneFile(path)
    (entry,) = place.entries()
    (problem,) = read_pickled(place, entry).problems
    assert problem.kind == LFS_POINTER
    assert "334,707,217" in problem.detail


def test_all_the_dtypes_that_torch_has_a_name_for_are_read() -> None:
    for dtype in dtypes.ALL:
        if dtype.torch:
            header = header_of(zipped(meta_tensor(b"K\x02\x85", b"ctorch\n" + dtype.torch.encode() + b"\n")))
            assert header.tensors is not None
            assert list(header.tensors.dtypes) == [dtype]
            assert list(header.tensors.shapes) == [(4,) if dtype is dtypes.F4 else (2,)]
