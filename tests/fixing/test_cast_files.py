"""A file that is written out of others holds what torch and safetensors would have written, whatever it is made of."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file, save, save_file

from dtypecheck.edits import Store, Take
from dtypecheck.files import Directory, Files, Memory
from dtypecheck.fixing.cast import Layout, Written, laid_out, losses, write
from dtypecheck.fixing.cast.engines import Name
from dtypecheck.fixing.refusal import Refusal
from dtypecheck.read.weights import read_safetensors

Tensors = Mapping[str, torch.Tensor]
ENGINES: tuple[Name, ...] = ("numpy", "torch")


def weights() -> dict[str, torch.Tensor]:
    """Tensors of every kind that a file holds: long and short ones, none and one number, integers, bools and packed bytes."""
    seeded = torch.Generator().manual_seed(3)
    return {
        "unet.conv.weight": torch.randn(300_001, generator=seeded) * 0.02,
        "unet.conv.bias": torch.randn(5, generator=seeded),
        "a.alpha": torch.tensor(8.0),
        "empty": torch.zeros(0, 4),
        "half": torch.randn(7, 3, generator=seeded).half(),
        "brain": torch.randn(3, generator=seeded).bfloat16(),
        "double": torch.randn(9, generator=seeded).double(),
        "ids": torch.arange(77)[None],
        "mask": torch.tensor([True, False, True]),
        "packed": torch.arange(11, dtype=torch.uint8),
        "fp8": torch.randn(6, generator=seeded).to(torch.float8_e4m3fn),
        "complex": torch.randn(2, generator=seeded, dtype=torch.complex64),
    }


def converted(tensors: Tensors, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    wide = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    return {key: tensor.to(dtype) if tensor.dtype in wide else tensor for key, tensor in tensors.items()}


def made(files: Files, edit: Store, **options: Any) -> tuple[bytes, Written]:
    out = io.BytesIO()
    done = write(files, laid_out(files, edit), out, **options)
    assert len(out.getvalue()) == done.nbytes
    return out.getvalue(), done


def assert_equal(found: Tensors, wanted: Tensors) -> None:
    assert found.keys() == wanted.keys()
    for key, tensor in wanted.items():
        assert found[key].dtype is tensor.dtype, key
        assert found[key].shape == tensor.shape, key
        assert torch.equal(found[key].reshape(-1).view(torch.uint8), tensor.contiguous().reshape(-1).view(torch.uint8)), key


@pytest.mark.parametrize("by", ENGINES)
@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
def test_the_file_is_byte_for_byte_what_safetensors_writes_of_torchs_cast(dtype: str, by: Name) -> None:
    tensors = weights()
    files = Memory({"m.safetensors": save(tensors, {"format": "pt"})})
    data, done = made(files, Store("o.safetensors", (Take("m.safetensors", "", dtype),)), by=by)
    wanted = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[dtype]
    assert data == save(converted(tensors, wanted), {"format": "pt"})
    assert done.sha256 == hashlib.sha256(data).hexdigest()


def test_without_a_dtype_nothing_changes() -> None:
    tensors = {**weights(), 'odd "ü\\/\n\u2028': torch.ones(2)}
    data = save(tensors, {"format": "pt"})
    assert made(Memory({"m.safetensors": data}), Store("o.safetensors", (Take("m.safetensors"),)))[0] == data


def test_the_planned_header_and_size_are_those_of_the_file() -> None:
    files = Memory({"m.safetensors": save(weights())})
    layout = laid_out(files, Store("o.safetensors", (Take("m.safetensors", "", "F16"),)))
    out = io.BytesIO()
    write(files, layout, out)
    assert out.getvalue().startswith(layout.header)
    assert layout.nbytes == len(out.getvalue())
    read = read_safetensors(Memory({"o": out.getvalue()}), next(Memory({"o": out.getvalue()}).entries()))
    assert not read.problems
    assert read.tensors == layout.tensors
    assert read.metadata == layout.metadata == {"format": "pt"}


def test_the_first_take_that_matches_a_key_has_it_and_the_rest_are_left_out() -> None:
    one, two = {"a.x": torch.ones(2), "b.x": torch.ones(3)}, {"a.x": torch.zeros(2), "c.x": torch.full((4,), 2.0)}
    files = Memory({"1.safetensors": save(one), "2.safetensors": save(two)})
    takes = (Take("1.safetensors", r"^a\.", "F16"), Take("2.safetensors", r"[ac]\.", "BF16"), Take("1.safetensors", "z$"))
    found = load(made(files, Store("o.safetensors", takes))[0])
    assert_equal(found, {"a.x": torch.ones(2).half(), "c.x": torch.full((4,), 2.0).bfloat16()})


def test_keys_are_all_that_is_taken() -> None:
    files = Memory({"m.safetensors": save(weights())})
    edit = Store("o.safetensors", (Take("m.safetensors", "", "F16"),), keys=("ids", "a.alpha"))
    assert sorted(load(made(files, edit)[0])) == ["a.alpha", "ids"]
    with pytest.raises(Refusal, match=r"^o.safetensors: the tensor nowhere is in none of m.safetensors$"):
        laid_out(files, Store("o.safetensors", edit.takes, keys=("ids", "nowhere")))


@pytest.mark.parametrize("by", ENGINES)
def test_eight_bit_floats_are_widened_only_when_they_are_named_whole(by: Name) -> None:
    tensors = weights()
    files = Memory({"m.safetensors": save(tensors)})
    takes = (Take("m.safetensors", "^fp8$", "F16", whole=True), Take("m.safetensors"))
    found = load(made(files, Store("o.safetensors", takes), by=by)[0])
    assert_equal(found, {**tensors, "fp8": tensors["fp8"].half()})


def test_position_ids_that_were_saved_as_floats_become_whole_again() -> None:
    ids = torch.arange(77)[None]
    files = Memory({"m.safetensors": save({"ids": ids.float(), "w": torch.ones(1)})})
    takes = (Take("m.safetensors", "ids", "I64", whole=True), Take("m.safetensors"))
    assert torch.equal(load(made(files, Store("o.safetensors", takes))[0])["ids"], ids)


@pytest.mark.parametrize(
    ("numbers", "dtype", "wrong"),
    [
        (torch.tensor([1.0, 0.5]), "I64", "0.5"),
        (torch.tensor([1.0, float("nan")]), "I64", "nan"),
        (torch.tensor([float("inf")]), "I64", "inf"),
        (torch.tensor([2.0**63], dtype=torch.float64), "I64", "9.2"),
        (torch.tensor([300]), "U8", "300"),
        (torch.tensor([-1]), "U64", "-1"),
        (torch.tensor([2, 0]), "BOOL", "2"),
        (torch.tensor([2**53 + 1]), "F64", "9007199254740993"),
        (torch.tensor([2**63 - 1]), "F32", "9223372036854775807"),
        (torch.tensor([257]), "BF16", "257"),
        (torch.tensor([-0.5], dtype=torch.bfloat16), "I8", "-0.5"),
    ],
    ids=str,
)
def test_a_whole_cast_that_would_change_a_number_is_refused(numbers: torch.Tensor, dtype: str, wrong: str) -> None:
    files = Memory({"m.safetensors": save({"ids": numbers})})
    layout = laid_out(files, Store("o.safetensors", (Take("m.safetensors", "", dtype, whole=True),)))
    for act in (lambda: write(files, layout, io.BytesIO()), lambda: losses(files, layout)):
        with pytest.raises(Refusal, match=f"^m.safetensors: ids holds {wrong}.*, which .* cannot hold$"):
            act()


@pytest.mark.parametrize(
    ("numbers", "dtype"),
    [
        (torch.tensor([0.0, -3.0, 2.0**62]), "I64"),
        (torch.tensor([True, False]), "F16"),
        (torch.tensor([1.0, 0.0]), "BOOL"),
        (torch.tensor([-(2**63), 2**62]), "F32"),
        (torch.tensor([-128, 127]), "I8"),
        (torch.tensor([256, -3]), "BF16"),
        (torch.arange(200_001), "I32"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.dtype}",
)
def test_a_whole_cast_that_changes_no_number_is_torchs(numbers: torch.Tensor, dtype: str) -> None:
    files = Memory({"m.safetensors": save({"ids": numbers})})
    found = load(made(files, Store("o.safetensors", (Take("m.safetensors", "", dtype, whole=True),)))[0])["ids"]
    assert torch.equal(found, numbers.to(found.dtype))
    assert len(found) == len(numbers)


# losses


@pytest.mark.parametrize("by", ENGINES)
def test_a_number_that_would_become_inf_is_refused_and_named_with_its_tensor(by: Name) -> None:
    large = torch.zeros(400_000)
    large[7], large[399_999] = 65_520.0, -7e4
    files = Memory({"m.safetensors": save({"ok": torch.full((3,), 65_519.0), "z.large": large})})
    layout = laid_out(files, Store("o.safetensors", (Take("m.safetensors", "", "F16"),)))
    with pytest.raises(Refusal, match=r"^m.safetensors: z.large holds 70000, fp16 ends at 65504: 2 of its numbers would") as told:
        write(files, layout, io.BytesIO(), by=by)
    assert told.value.offers == ("--to bf16", "--clamp")
    found = losses(files, layout)
    assert [(it.key, it.count, it.top) for it in found.overflows] == [("z.large", 2, 7e4)]
    assert str(found).startswith("2 numbers overflow")


@pytest.mark.parametrize("by", ENGINES)
def test_with_clamp_it_becomes_the_largest_number_and_inf_and_nan_stay(by: Name) -> None:
    numbers = torch.tensor([1e9, -1e9, 65_519.0, float("inf"), -float("inf"), float("nan"), 1.0])
    files = Memory({"m.safetensors": save({"w": numbers})})
    data, done = made(files, Store("o.safetensors", (Take("m.safetensors", "", "F16"),), clamp=True), by=by)
    found = load(data)["w"]
    assert found[:5].tolist() == [65_504.0, -65_504.0, 65_504.0, float("inf"), -float("inf")]
    assert found[5].isnan()
    assert found[6] == 1.0
    assert [tally.over for tally in done.tallies.values()] == [2]


def test_inf_and_nan_in_the_source_are_no_overflow() -> None:
    files = Memory({"m.safetensors": save({"w": torch.tensor([float("inf"), float("nan"), 1.0])})})
    data, done = made(files, Store("o.safetensors", (Take("m.safetensors", "", "F16"),)))
    assert load(data)["w"].isinf().tolist() == [True, False, False]
    assert [tally.over for tally in done.tallies.values()] == [0]


def test_losses_without_writing_are_those_of_writing() -> None:
    tensors = weights() | {"tiny": torch.tensor([1e-9, 1e-6, 0.0, 1.0])}
    files = Memory({"m.safetensors": save(tensors)})
    layout = laid_out(files, Store("o.safetensors", (Take("m.safetensors", "", "F16"),)))
    heard: list[int] = []
    found = losses(files, layout, heard.append)
    assert found.tallies == write(files, layout, io.BytesIO()).tallies
    assert sum(heard) == layout.nbytes
    assert found.total.zeroed >= 1
    assert found.total.subnormal >= 1
    assert not found.overflows


def test_losses_are_said_in_words() -> None:
    files = Memory({"m.safetensors": save({"w": torch.tensor([1.0] * 5000 + [1e-9])})})
    layout = laid_out(files, Store("o.safetensors", (Take("m.safetensors", "", "F16"),)))
    assert str(losses(files, layout)) == "nothing overflows, 0.02 % underflow to zero"
    layout = laid_out(files, Store("o.safetensors", (Take("m.safetensors", "", "BF16"),)))
    assert str(losses(files, layout)) == "nothing overflows, nothing underflows"


# sources


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("by", ENGINES)
def test_a_pickle_becomes_the_file_that_its_tensors_make(tmp_path: Path, by: Name, legacy: bool) -> None:
    base = torch.randn(40, 30)
    tensors = {"w": base, "tied": base, "turned": base.t(), "part": base[1:5, ::2], "wide": torch.ones(3)[None].expand(4, 3)}
    tensors |= {"ids": torch.arange(5), "scalar": torch.tensor(2.0), "none": torch.zeros(0, 3)}
    torch.save(tensors, tmp_path / "m.bin", _use_new_zipfile_serialization=not legacy)
    data, _ = made(Directory(tmp_path), Store("m.safetensors", (Take("m.bin", "", "F16"),)), by=by)
    assert_equal(load(data), {key: tensor.contiguous() for key, tensor in converted(tensors, torch.float16).items()})
    kept, _ = made(Directory(tmp_path), Store("m.safetensors", (Take("m.bin"),)), by=by)
    assert_equal(load(kept), {key: tensor.contiguous() for key, tensor in tensors.items()})


def test_a_turned_tensor_larger_than_what_is_read_at_once_is_put_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from dtypecheck.fixing.cast import gather

    monkeypatch.setattr(gather, "SLAB", 1000)
    monkeypatch.setattr(gather, "_SPAN", 3000)
    base = torch.randn(70, 50, 9)
    tensors = {"a": base.permute(2, 0, 1), "b": base.permute(1, 2, 0)[:, ::3], "c": base[:, :, 4], "d": base[0, 0].expand(60, 9)}
    torch.save(tensors, tmp_path / "m.bin")
    data, _ = made(Directory(tmp_path), Store("m.safetensors", (Take("m.bin", "", "BF16"),)))
    assert_equal(load(data), {key: tensor.bfloat16().contiguous() for key, tensor in tensors.items()})


def test_the_sha256_of_a_source_comes_for_nothing_when_it_is_read_in_order(tmp_path: Path) -> None:
    save_file(weights(), tmp_path / "m.safetensors")
    files = Directory(tmp_path)
    wanted = {"m.safetensors": hashlib.sha256((tmp_path / "m.safetensors").read_bytes()).hexdigest()}
    edit = Store("o.safetensors", (Take("m.safetensors", "", "BF16"),))
    order = laid_out(files, edit).parts
    assert [part.place.start for part in order] != sorted(part.place.start for part in order)
    assert made(files, edit, sources_hashed=True)[1].sources == {"m.safetensors": None}
    kept = Store("o.safetensors", (Take("m.safetensors", "", ""),))
    assert made(files, kept, sources_hashed=True)[1].sources == wanted
    floats = {key: tensor for key, tensor in weights().items() if tensor.dtype is torch.float32} | {"ids": torch.arange(3)}
    save_file(floats, tmp_path / "f.safetensors")
    digest = hashlib.sha256((tmp_path / "f.safetensors").read_bytes()).hexdigest()
    whole = made(files, Store("o.safetensors", (Take("f.safetensors", "", "F16"),)), sources_hashed=True)[1]
    assert whole.sources == {"f.safetensors": digest}
    assert made(files, kept)[1].sources == {"m.safetensors": None}


def test_a_source_of_which_much_was_left_out_has_no_sha256(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2), "b": torch.ones(300_000), "c": torch.ones(2)}, tmp_path / "m.safetensors")
    edit = Store("o.safetensors", (Take("m.safetensors", "a|c", "F16"),))
    assert made(Directory(tmp_path), edit, sources_hashed=True)[1].sources == {"m.safetensors": None}


def test_the_sha256_of_a_pickle_comes_for_nothing_too(tmp_path: Path) -> None:
    """Between its tensors lie a few bytes of the archive, and behind them its directory."""
    torch.save({f"{number}": torch.randn(10_000) for number in range(9)}, tmp_path / "p.bin")
    wanted = hashlib.sha256((tmp_path / "p.bin").read_bytes()).hexdigest()
    for dtype in ("", "F16"):
        done = made(Directory(tmp_path), Store("o.safetensors", (Take("p.bin", "", dtype),)), sources_hashed=True)[1]
        assert done.sources == {"p.bin": wanted}


def test_what_was_made_so_far_is_told() -> None:
    files = Memory({"m.safetensors": save(weights())})
    heard: list[int] = []
    out = io.BytesIO()
    done = write(files, laid_out(files, Store("o.safetensors", (Take("m.safetensors", "", "F16"),))), out, heard.append)
    assert sum(heard) == done.nbytes
    assert len(heard) > 3


# what cannot be done


def cut(data: bytes) -> bytes:
    return data[:-1]


@pytest.mark.parametrize(
    ("contents", "edit", "text"),
    [
        ({}, Store("o", (Take("m.safetensors"),)), "m.safetensors: there is no such file"),
        ({"m.safetensors": cut}, Store("o", (Take("m.safetensors"),)), "m.safetensors: cut short"),
        ({"m.safetensors": lambda _: b""}, Store("o", (Take("m.safetensors"),)), "m.safetensors: "),
        ({"m.bin": lambda _: b"no pickle at all"}, Store("o", (Take("m.bin"),)), "m.bin: a text, not weights"),
        ({"m.gguf": lambda _: b"GGUF"}, Store("o", (Take("m.gguf"),)), "m.gguf: the numbers of a GGUF file are packed"),
        ({"m.txt": bytes}, Store("o", (Take("m.txt"),)), "m.txt: no format of weights"),
        (
            {"m.safetensors": bytes},
            Store("o", (Take("m.safetensors", "nowhere"),)),
            "o: no tensor of m.safetensors would be left",
        ),
        ({"m.safetensors": bytes}, Store("o", ()), "o: no tensor of no file would be left"),
        (
            {"m.safetensors": bytes},
            Store("o", (Take("m.safetensors", "(", "F16"),)),
            "the pattern '\\(' is no regular expression",
        ),
        ({"m.safetensors": bytes}, Store("o", (Take("m.safetensors", "", "F17"),)), "m.safetensors: 'F17' is no dtype"),
        (
            {"m.safetensors": bytes},
            Store("o", (Take("m.safetensors", "^half", "F8_E4M3"),)),
            "half is fp16; it is not cast to fp8",
        ),
        (
            {"m.safetensors": bytes},
            Store("o", (Take("m.safetensors", "complex", "F16", True),)),
            "complex is complex64; it is not",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_edit_that_cannot_be_done_is_refused_with_file_and_cause(
    contents: Mapping[str, Callable[[bytes], bytes]], edit: Store, text: str
) -> None:
    data = save(weights())
    with pytest.raises(Refusal, match=text):
        laid_out(Memory({name: change(data) for name, change in contents.items()}), edit)


def test_a_source_that_is_cut_while_it_is_read_is_refused(tmp_path: Path) -> None:
    data = save({"w": torch.randn(1000)})
    (tmp_path / "m.safetensors").write_bytes(data)
    for dtype in ("", "F16"):
        layout = laid_out(Directory(tmp_path), Store("o", (Take("m.safetensors", "", dtype),)))
        (tmp_path / "m.safetensors").write_bytes(data[:-40])
        with pytest.raises(Refusal, match=r"^m.safetensors: it ends at byte .*; it was cut while it was read$"):
            write(Directory(tmp_path), layout, io.BytesIO())
        (tmp_path / "m.safetensors").write_bytes(data)


def test_a_disk_that_is_full_is_told_as_it_is() -> None:
    files = Memory({"m.safetensors": save({"w": torch.randn(3_000_000)})})
    layout = laid_out(files, Store("o", (Take("m.safetensors", "", "F16"),)))
    with open("/dev/full", "r+b", buffering=0) as full, pytest.raises(OSError, match="No space left on device"):
        write(files, layout, full)


def test_a_file_that_takes_only_a_part_at_a_time_gets_all() -> None:
    class Slow(io.BytesIO):
        def write(self, data: Any, /) -> int:
            return super().write(memoryview(data)[:70_001])

    data = save({"w": torch.randn(100_000)}, {"format": "pt"})
    out = Slow()
    files = Memory({"m.safetensors": data})
    write(files, laid_out(files, Store("o", (Take("m.safetensors"),))), out)
    assert out.getvalue() == data


def test_without_numpy_casting_says_what_to_install_and_copying_works(monkeypatch: pytest.MonkeyPatch) -> None:
    from dtypecheck.fixing.cast import engines

    files = Memory({"m.safetensors": save({"w": torch.ones(3)}, {"format": "pt"})})
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    layout = laid_out(files, Store("o", (Take("m.safetensors", "", "F16"),)))
    for act in (lambda: write(files, layout, io.BytesIO()), lambda: losses(files, layout)):
        with pytest.raises(Refusal, match="numpy, which is not installed") as told:
            act()
        assert told.value.offers == ("pip install numpy",)
    assert made(files, Store("o", (Take("m.safetensors"),)))[0] == files.contents["m.safetensors"]


def test_both_engines_write_the_same_bytes_of_random_files() -> None:
    random = np.random.default_rng(11)
    kinds = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    for _ in range(25):
        tensors = {}
        for number in range(random.integers(1, 6)):
            kind = random.choice(list(kinds))
            raw = torch.from_numpy(random.integers(0, 256, 8 * random.integers(0, 60), dtype=np.uint8)).view(kinds[kind])
            tensors[f"{number}.{kind}"] = raw.nan_to_num(1.0)
        files = Memory({"m.safetensors": save(tensors)})
        edit = Store("o", (Take("m.safetensors", "", str(random.choice(list(kinds)))),), clamp=True)
        (one, first), (two, second) = (made(files, edit, by=by) for by in ENGINES)
        assert one == two
        assert first == second


def planned(files: Files, dtype: str) -> Layout:
    return laid_out(files, Store("o", (Take("m.safetensors", "", dtype),)))


def test_a_loaded_file_is_what_load_file_gives(tmp_path: Path) -> None:
    files = Memory({"m.safetensors": save(weights())})
    with (tmp_path / "o.safetensors").open("w+b") as out:
        write(files, planned(files, "BF16"), out)
    assert_equal(load_file(tmp_path / "o.safetensors"), converted(weights(), torch.bfloat16))
