"""Pickled weights: what torch saves is read without unpickling, and the real ones as what they are."""

from __future__ import annotations

import collections
import io
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtypecheck import dtypes
from dtypecheck.files import Directory, Entry, Memory, OneFile
from dtypecheck.read.header import LFS_POINTER, WANTS_CODE
from dtypecheck.read.opcodes import load
from dtypecheck.read.pickle_actions import ACTIONS
from dtypecheck.read.pickle_known import HARMLESS
from dtypecheck.read.pickle_values import Table, Thing
from dtypecheck.read.pickled import read_pickled

from .pickles import FORMS, META, columns, header_of, kinds, meta_tensor, saved, torch, zipped

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


def columns_of(state: dict[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {key: (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)) for key, tensor in state.items()}


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
