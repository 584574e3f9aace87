"""What is written loads in diffusers and transformers with every key, and a large file is written in little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from dtypecheck.edits import Store, Take
from dtypecheck.files import Directory
from dtypecheck.fixing.cast import laid_out, write
from tests.loading import tiny


def convert(folder: Path, source: str, target: str, dtype: str) -> None:
    files = Directory(folder)
    with (folder / "new").open("w+b") as out:
        write(files, laid_out(files, Store(target, (Take(source, "", dtype),))), out, by="numpy")
    (folder / source).unlink()
    (folder / "new").rename(folder / target)


@pytest.mark.parametrize(
    ("name", "pickled"), [*((name, False) for name in sorted(tiny.MODELS)), *((name, True) for name in ("clip", "unet", "umt5"))]
)
def test_a_converted_model_loads_whole_with_torchs_numbers(tmp_path: Path, name: str, pickled: bool) -> None:
    torch.manual_seed(1)
    model = tiny.MODELS[name]()
    whole = isinstance(model, transformers.PreTrainedModel)
    model.save_pretrained(tmp_path)
    stem = "model" if whole else "diffusion_pytorch_model"
    saved = load_file(tmp_path / f"{stem}.safetensors")
    if pickled:
        torch.save(saved, tmp_path / f"{stem}.bin")
        (tmp_path / f"{stem}.safetensors").unlink()
    convert(tmp_path, f"{stem}.bin" if pickled else f"{stem}.safetensors", f"{stem}.safetensors", "F16" if pickled else "BF16")
    dtype = torch.float16 if pickled else torch.bfloat16
    made = load_file(tmp_path / f"{stem}.safetensors")
    assert made.keys() == saved.keys()
    for key, tensor in saved.items():
        assert made[key].dtype is cast(tensor, dtype).dtype
        assert torch.equal(made[key], cast(tensor, dtype)), key
    ours = load(type(model), tmp_path, whole)
    save_file({key: cast(tensor, dtype) for key, tensor in saved.items()}, tmp_path / f"{stem}.safetensors", {"format": "pt"})
    torchs = load(type(model), tmp_path, whole)
    assert ours.keys() == torchs.keys() == model.state_dict().keys()
    for key, tensor in torchs.items():
        assert torch.equal(ours[key], tensor), key


def cast(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def load(klass: Any, folder: Path, whole: bool) -> dict[str, torch.Tensor]:
    """The loaded model's numbers; no key of the file may be missing, too many or of another shape."""
    word = "dtype" if whole else "torch_dtype"
    loaded, told = klass.from_pretrained(folder, output_loading_info=True, **{word: torch.float32})
    assert not any(told.values())
    found: dict[str, torch.Tensor] = loaded.state_dict()
    return found


def test_tied_weights_of_a_pickle_are_kept_under_every_key_and_load(tmp_path: Path) -> None:
    model = tiny.MODELS["t5_tied"]()
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    convert(tmp_path, "pytorch_model.bin", "model.safetensors", "BF16")
    made = load_file(tmp_path / "model.safetensors")
    assert made.keys() == model.state_dict().keys()
    loaded, told = type(model).from_pretrained(tmp_path, dtype=torch.bfloat16, output_loading_info=True)
    assert not any(told.values())
    assert torch.equal(loaded.state_dict()["shared.weight"], model.state_dict()["shared.weight"].bfloat16())


MEMORY = """
import sys
from pathlib import Path
from dtypecheck.edits import Store, Take
from dtypecheck.files import Directory
from dtypecheck.fixing.cast import laid_out, losses, write

class Nowhere:
    held = 0
    def write(self, data): self.held += len(data); return len(data)
    def tell(self): return 0
    def readable(self): return False

files = Directory(Path(sys.argv[1]))
layout = laid_out(files, Store("o", (Take("m.safetensors", "", "F16"),)))
out = Nowhere()
write(files, layout, out, by="numpy", hashed=False)
assert out.held == layout.nbytes
losses(files, layout)
assert "torch" not in sys.modules
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1000)
"""


def peak_of(folder: Path, elements: int) -> int:
    """MB at most of a process that converts a file of this many float32 in one tensor; its numbers are a hole in the file."""
    from dtypecheck.dtypes import F32
    from dtypecheck.fixing.cast.header import header

    head = header([("w", F32, (elements,), 4 * elements)], {})
    with (folder / "m.safetensors").open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 4 * elements)
    done = subprocess.run([sys.executable, "-c", MEMORY, str(folder)], capture_output=True, text=True, check=True, timeout=300)
    return int(done.stdout)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    small, large = peak_of(tmp_path, 1_000), peak_of(tmp_path, 30_000_000)
    assert large < small + 30
    assert large < 120


@pytest.mark.slow
def test_ten_gigabytes_take_no_more_memory(tmp_path: Path) -> None:
    assert peak_of(tmp_path, 2_500_000_000) < 120
