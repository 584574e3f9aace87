"""A small model folder, a plan with every kind of edit over it, and what both are before and after: real bytes."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from dtypecheck.edits import Bring, Edit, Put, Remove, Rename, SetKey, Splice, touched
from dtypecheck.fixing.apply import Acts, apply
from dtypecheck.fixing.refusal import Refusal
from dtypecheck.fixplan import FixPlan, State, Step

Tree = dict[str, bytes]


def tree(root: Path) -> Tree:
    """Every file below a folder, undo data and all; an empty folder is `name/`."""
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    empty = {
        path.relative_to(root).as_posix() + "/": b"" for path in root.rglob("*") if path.is_dir() and not any(path.iterdir())
    }
    return found | empty


def times(root: Path) -> dict[str, tuple[int, int]]:
    """The time of the last change and the permission bits of every file below a folder."""
    status = {path: path.stat() for path in root.rglob("*") if path.is_file()}
    return {path.relative_to(root).as_posix(): (found.st_mtime_ns, found.st_mode) for path, found in status.items()}


def lay(root: Path, seed: int = 0) -> Path:
    """A pipeline folder as far as moving files goes, beside it a file that could be brought in. The folder."""
    model = root / "model"
    contents = {
        "model_index.json": json.dumps({"_class_name": "StableDiffusionXLPipeline", "seed": seed}, indent=2).encode(),
        "vae/config.json": b'{\n  "_class_name": "AutoencoderKL",\n  "force_upcast": false\n}\n',
        "vae/diffusion_pytorch_model.safetensors": bytes(range(256)) * 40,
        "unet/diffusion_pytorch_model.safetensors": os.urandom(3000),
        "unet/diffusion_pytorch_model.bin": b"PK" + os.urandom(100),
        "serve.py": b"pipe = load(torch_dtype=torch.float16)\n",
        "README.md": b"# untouched\n",
    }
    for path, data in contents.items():
        place = model / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        os.utime(place, ns=(10**18, 10**18 + len(data)))
    (root / "better.safetensors").write_bytes(b"better" * 500)
    return model


def edits(model: Path) -> tuple[Edit, ...]:
    """Every kind of edit but a Store, which is slower: two names swapped, one removed, one new in a new folder."""
    script = (model / "serve.py").read_text()
    start = script.index("float16")
    return (
        SetKey("vae/config.json", "/force_upcast", "true"),
        Rename("vae/diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors"),
        Bring("unet/diffusion_pytorch_model.safetensors", str(model.parent / "better.safetensors")),
        Remove("unet/diffusion_pytorch_model.bin"),
        Put("vae_fp32/deep/config.json", "{}\n"),
        Splice("serve.py", start, start + 7, "float16", "bfloat16"),
    )


def after(before: Tree, model: Path) -> Tree:
    """What the folder is after these edits, said without the code that does them."""
    new = dict(before)
    new["vae/config.json"] = before["vae/config.json"].replace(b"false", b"true")
    new["vae/diffusion_pytorch_model.fp16.safetensors"] = new.pop("vae/diffusion_pytorch_model.safetensors")
    new["unet/diffusion_pytorch_model.safetensors"] = b"better" * 500
    del new["unet/diffusion_pytorch_model.bin"]
    new["vae_fp32/deep/config.json"] = b"{}\n"
    new["serve.py"] = before["serve.py"].replace(b"float16", b"bfloat16")
    return new


def plan(root: Path, *made: Edit, hashed: bool = True) -> FixPlan:
    """A plan of one step over the files as they are now."""
    paths = sorted({path for edit in made for path in touched(edit)})
    step = Step("model", "everything at once", tuple(made))
    return FixPlan(root.name, (step,), {path: state(root / path, hashed) for path in paths})


def state(path: Path, hashed: bool = True) -> State:
    """A file as a plan tells it."""
    if not path.exists():
        return State(-1)
    data = path.read_bytes()
    return State(len(data), hashlib.sha256(data).hexdigest() if hashed else "")


def whole(now: Tree, before: Tree, new: Tree) -> Iterable[str]:
    """The paths that hold neither what they held before nor what they will hold; missing counts, where it never may be."""
    for path in now.keys() | before.keys() | new.keys():
        allowed = {before.get(path), new.get(path)}
        if now.get(path) not in allowed and not path.endswith("/"):
            yield path


def child(work: Callable[[], object]) -> int:
    """Do something in a process of its own: its exit code, or minus the signal that killed it."""
    number = os.fork()
    if number == 0:
        code = 99
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


class Counted:
    """Acts that are counted, and at the `stop`-th of them something happens."""

    def __init__(self, stop: int = -1, what: Callable[[str, Path], None] = lambda act, path: None) -> None:
        self.stop, self.what = stop, what
        self.seen: list[tuple[str, Path]] = []

    def before(self, act: str, path: Path) -> None:
        self.seen.append((act, path))
        if len(self.seen) == self.stop:
            self.what(act, path)

    @property
    def acts(self) -> Acts:
        return Acts(self.before)


def in_memory(tmp_path: Path) -> Path:
    """A folder of a disk in memory, where syncing costs nothing and which is another disk; else one of any."""
    shared = Path("/dev/shm")  # noqa: S108 - a name of its own in it
    folder = shared / f"dtypecheck-{os.getpid()}-{tmp_path.name}" if os.access(shared, os.W_OK) else tmp_path / "memory"
    folder.mkdir()
    return folder


def refused(model: Path, made: FixPlan, match: str, kind: type[Refusal] = Refusal) -> Refusal:
    """The refusal of a plan, which leaves everything as it was, undo data included."""
    before, dated = tree(model.parent), times(model.parent)
    with pytest.raises(kind, match=match) as caught:
        apply(model, made)
    assert tree(model.parent) == before
    assert times(model.parent) == dated
    return caught.value


def weights(path: Path) -> bytes:
    """A safetensors file of four numbers."""
    header = {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    text = json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text + struct.pack("<4f", 1.0, -2.0, 0.5, 3.0)
    path.write_bytes(data)
    return data


REMOVE, SET = Remove("unet/diffusion_pytorch_model.bin"), SetKey("vae/config.json", "/force_upcast", "true")
