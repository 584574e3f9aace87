"""After a fix every byte is as planned, the scan says so, and nothing of it needs torch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from dtypecheck.edits import Bring, Edit, Put, Remove, Rename, SetKey, Store, Take
from dtypecheck.files import Directory, Memory, place
from dtypecheck.fixing.apply import apply
from dtypecheck.fixing.overlay import after
from dtypecheck.fixing.refusal import Refusal
from dtypecheck.fixing.states import states
from dtypecheck.fixing.verify import Verified, shadow, verify
from dtypecheck.fixplan import FixPlan, Step
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import make
from dtypecheck.subjects import Request

CONFIG = '{"_class_name": "UNet2DConditionModel", "note": 1}'
ENCODER = '{"architectures": ["CLIPTextModel"], "dtype": "float16"}'


def unet(root: Path) -> Path:
    """A lone component with a variant, a text and a file that nothing touches."""
    root.mkdir()
    numbers = np.random.default_rng(3).standard_normal((4, 6)).astype(np.float32)
    tensors = {"conv_in.weight": numbers, "steps": np.arange(5), "norm.weight": numbers[0] * 2}
    save_file(tensors, root / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    save_file({key: t.astype(np.float16) for key, t in tensors.items()}, root / "diffusion_pytorch_model.old.safetensors")
    (root / "config.json").write_text(CONFIG)
    (root / "README.md").write_text("a model")
    (root / "notes.txt").write_text("old")
    return root


WEIGHTS = "diffusion_pytorch_model.safetensors"
EDITS: tuple[Edit, ...] = (
    Store(WEIGHTS, (Take(WEIGHTS, "conv_in", "F16"), Take(WEIGHTS))),
    SetKey("config.json", "/note", "2"),
    Put("new.txt", "new"),
    Rename("diffusion_pytorch_model.old.safetensors", "diffusion_pytorch_model.kept.safetensors"),
    Remove("notes.txt"),
)


def checked(
    root: Path,
    edits: Sequence[Edit],
    spoil: Callable[[Path], None] | None = None,
    codes: tuple[str, ...] = (),
    request: Request | None = None,
    torch: bool | None = False,
) -> Verified:
    """Apply the edits for real, spoil what came out, and ask."""
    before = root.parent / "before"
    subprocess.run(["cp", "-a", str(root), str(before)], check=True, timeout=60)
    plan = FixPlan("m", (Step(".", "made", tuple(edits), codes=codes),), states(place(root), edits, True))
    apply(root, plan)
    if spoil:
        spoil(root)
    return verify(root, Directory(before), plan, request or default(), Knowledge(), torch=torch)


def default() -> Request:
    """Nothing is asked for; the newest libraries."""
    return make(None, None, None, ("transformers==5.23", "diffusers==0.42.1"), Knowledge())


def test_what_is_as_planned_has_no_reasons_against_it(tmp_path: Path) -> None:
    origin = tmp_path / "brought.bin"
    origin.write_bytes(b"\0" * 100)
    result = checked(unet(tmp_path / "m"), (*EDITS, Bring("brought.txt", str(origin))))
    assert result.reasons == ()
    assert result.measured[0] == "files: 5 written as planned, 2 untouched tensors are byte-identical (64 bytes)"
    assert result.measured[1] == "scan: nothing new"


def flipped(name: str, at: int) -> Callable[[Path], None]:
    """One byte of a file is another one; `at` counted from the end if it is below zero."""

    def spoil(root: Path) -> None:
        data = bytearray((root / name).read_bytes())
        data[at] ^= 0x10
        (root / name).unlink()
        (root / name).write_bytes(data)

    return spoil


def cut(root: Path) -> None:
    os.truncate(root / WEIGHTS, (root / WEIGHTS).stat().st_size - 2)


def recast(root: Path) -> None:
    """The same size and keys, another shape of one tensor."""
    data = (root / WEIGHTS).read_bytes()
    assert data.count(b"[4,6]") == 1
    (root / WEIGHTS).write_bytes(data.replace(b"[4,6]", b"[6,4]"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (flipped(WEIGHTS, -70), "norm.weight differs from diffusion_pytorch_model.safetensors"),
        (cut, f"{WEIGHTS} has "),
        (recast, f"{WEIGHTS}: conv_in.weight is fp16 6x4, planned was fp16 4x6"),
        (flipped(WEIGHTS, 0), f"{WEIGHTS} cannot be read back"),
        (flipped("config.json", -3), "config.json holds another text than planned"),
        (flipped("new.txt", 0), "new.txt holds another text than planned"),
        (
            flipped("diffusion_pytorch_model.kept.safetensors", -1),
            "should hold the bytes of diffusion_pytorch_model.old.safetensors",
        ),
        (flipped("README.md", 1), "README.md changed, and no edit changes it"),
        (lambda root: (root / "stray.txt").write_text("x") and None, "stray.txt is there, and no edit writes it"),
        (lambda root: (root / "notes.txt").write_text("x") and None, "notes.txt should be gone and is there"),
        (lambda root: (root / "README.md").unlink(), "README.md should be there and is not"),
        (lambda root: (root / "new.txt").unlink(), "new.txt should be there and is not"),
    ],
)
def test_every_way_in_which_files_are_not_as_planned_is_a_reason(
    spoil: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    result = checked(unet(tmp_path / "m"), EDITS, spoil)
    assert [text for text in result.reasons if reason in text], result.reasons


def test_what_was_brought_is_compared_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "brought").write_bytes(b"abcdef")
    edits = (Bring("x.txt", str(tmp_path / "brought")),)
    assert checked(unet(tmp_path / "m"), edits, flipped("x.txt", 2)).reasons[0].startswith("x.txt should hold the bytes of ")


def test_a_finding_that_a_step_answers_must_be_gone(tmp_path: Path) -> None:
    root = encoder(tmp_path / "m")
    answered = checked(root, (SetKey("config.json", "/dtype", '"float32"'),), codes=("DT102",))
    assert answered.reasons == ()
    assert "DT102 answered" in answered.measured[1]


def test_a_finding_that_a_step_says_it_answers_and_does_not_is_a_reason(tmp_path: Path) -> None:
    root = encoder(tmp_path / "m")
    result = checked(root, (SetKey("config.json", "/note", "1"),), codes=("DT102",))
    assert [text for text in result.reasons if text.startswith("DT102 is still there at config.json")], result.reasons


def test_a_new_finding_is_a_reason_and_a_new_note_is_told(tmp_path: Path) -> None:
    result = checked(encoder(tmp_path / "m", "float32"), (SetKey("config.json", "/dtype", '"fp16"'),))
    assert result.reasons[0].startswith("DT105 is new at config.json"), result.reasons
    beside = Store("model.fp16.safetensors", (Take("model.safetensors"),))
    (tmp_path / "before").rename(tmp_path / "gone")
    told = checked(encoder(tmp_path / "n", "float32"), (beside,))
    assert told.reasons == ()
    assert any(line.startswith("scan: a new note, DT103") for line in told.measured), told.measured


def encoder(root: Path, dtype: str = "float16") -> Path:
    root.mkdir()
    save_file({"final_layer_norm.weight": np.ones(8, np.float32)}, root / "model.safetensors", {"format": "pt"})
    (root / "config.json").write_text(ENCODER.replace("float16", dtype))
    return root


def test_a_single_file_is_looked_at_without_what_lies_beside_it(tmp_path: Path) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        save_file({"x.lora_down.weight": np.ones((2, 4), np.float32)}, tmp_path / name)
    edit = Store("a.safetensors", (Take("a.safetensors", "", "F16"),))
    target, old = tmp_path / "a.safetensors", tmp_path / "old"
    old.mkdir()
    (old / "a.safetensors").write_bytes(target.read_bytes())
    plan = FixPlan("a", (Step("a.safetensors", "made", (edit,)),), states(place(target), (edit,), True))
    apply(target, plan)
    for root in (tmp_path, target):
        assert verify(root, place(old / "a.safetensors"), plan, Request(), Knowledge(), torch=False).reasons == ()


def test_without_torch_the_files_and_findings_are_looked_at_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = checked(unet(tmp_path / "m"), EDITS, lambda _: monkeypatch.setitem(sys.modules, "torch", None), torch=None)
    assert result.reasons == ()
    assert [line.partition(":")[0] for line in result.measured] == ["files", "scan"]


def test_torch_is_told_to_be_missing_where_it_is_demanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Refusal, match="pip install 'dtypecheck\\[torch\\]'"):
        verify(unet(tmp_path / "m"), Memory({}), FixPlan("m"), Request(), Knowledge(), torch=True)


def test_looking_at_files_imports_neither_torch_nor_numpy(tmp_path: Path) -> None:
    root = encoder(tmp_path / "m")
    code = (
        "import sys; from pathlib import Path; from dtypecheck.fixing.verify import verify\n"
        "from dtypecheck.files import place; from dtypecheck.fixplan import FixPlan; from dtypecheck.subjects import Request\n"
        "from dtypecheck.knowledge import Knowledge; root = Path(sys.argv[1])\n"
        "print(verify(root, place(root), FixPlan('m'), Request(), Knowledge(), torch=False).reasons)\n"
        "print(sorted({'torch', 'numpy', 'diffusers', 'transformers'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines() == ["()", "[]"]


def test_a_shadow_holds_settings_and_words_and_no_weights(tmp_path: Path) -> None:
    files = Memory(
        {
            "model_index.json": b"{}",
            "tokenizer/vocab.json": b'{"a": 1}',
            "tokenizer/merges.txt": b"a b",
            "tokenizer/spiece.model": b"\x01",
            "unet/config.json": b"{}",
            "unet/model.safetensors": b"\0" * 8,
            "unet/pytorch_model.bin": b"\0",
            "../outside.json": b"{}",
            "code.py": b"import os",
            "large.json": b"",
        },
        sizes={"large.json": 1 << 40},
    )
    (tmp_path / "shadow").mkdir()
    assert shadow(files, tmp_path / "shadow") == 5
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    names = ("model_index.json", "tokenizer/vocab.json", "tokenizer/merges.txt", "tokenizer/spiece.model", "unet/config.json")
    assert found == {f"shadow/{name}" for name in names}


def test_a_shadow_of_a_plan_holds_what_will_be(tmp_path: Path) -> None:
    planned = after(Memory({"config.json": b'{"a": 1}'}), [SetKey("config.json", "/a", "2"), Put("b.json", "{}")])
    shadow(planned, tmp_path)
    assert (tmp_path / "config.json").read_text() == '{"a": 2}'
    assert (tmp_path / "b.json").read_text() == "{}"


def test_the_request_decides_what_is_a_finding(tmp_path: Path) -> None:
    edits = (SetKey("config.json", "/dtype", '"float16"'),)
    asked = make("float32", None, None, ("transformers==5.23",), Knowledge())
    assert checked(encoder(tmp_path / "m", "float32"), edits, request=asked).measured[1] == "scan: nothing new"
    (tmp_path / "before").rename(tmp_path / "gone")
    assert "a new note, DT102" in checked(encoder(tmp_path / "n", "float32"), edits).measured[2]
