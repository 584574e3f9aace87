"""Tiny pipelines saved by the libraries with random weights, in the ways that repositories hold them."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from safetensors.torch import load_file, save_file

from tests.loading import tiny

Module = torch.nn.Module
Parts = Mapping[str, Module]
DTYPES: Final = {
    "fp64": torch.float64, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "fp8": torch.float8_e4m3fn,
}  # fmt: skip


def fill(module: Module, dtype: torch.dtype, seed: int) -> Module:
    """The module in this dtype with numbers of this seed: two saved sets never hold the same numbers, which tells them apart."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in module.state_dict(keep_vars=True).values():
        if tensor.is_floating_point():
            tensor.data = (0.05 * torch.randn(tensor.shape, generator=generator)).to(dtype)
    return module


def save(module: Module, path: Path, dtype: str, seed: int, variant: str | None = None, shards: bool = False) -> None:
    """What `save_pretrained` writes, added to what is there (by itself it deletes the shards of an earlier save).

    The config of a transformers model then declares the dtype that was saved last.
    """
    size = {"max_shard_size": "5KB" if isinstance(module, transformers.PreTrainedModel) else "24KB"} if shards else {}
    aside = path.parent / "aside"
    fill(module, DTYPES[dtype], seed).save_pretrained(aside, variant=variant, **size)
    if isinstance(module, transformers.CLIPTextModel):
        _name_as_on_the_hub(aside)
    path.mkdir(exist_ok=True)
    for file in aside.iterdir():
        file.replace(path / file.name)
    aside.rmdir()


def _name_as_on_the_hub(path: Path) -> None:
    """Transformers 5 saves a CLIPTextModel without the `text_model.` that every published file has, and 4 needs."""

    def named(key: str) -> str:
        return key if key.startswith("text_model.") else f"text_model.{key}"

    for file in path.glob("*.safetensors"):
        save_file({named(key): tensor for key, tensor in load_file(file).items()}, file, {"format": "pt"})
    for file in path.glob("*.index*.json"):
        edit(file, weight_map={named(key): shard for key, shard in json.loads(file.read_text())["weight_map"].items()})


def save_bin(module: Module, path: Path, dtype: str, seed: int, variant: str | None = None) -> None:
    """A pickled set beside the config; by hand, transformers 5 writes only safetensors."""
    fill(module, DTYPES[dtype], seed)
    if isinstance(module, transformers.PreTrainedModel):
        module.config.dtype, module.config.architectures = DTYPES[dtype], [type(module).__name__]
        module.config.save_pretrained(path)
    else:
        module.save_config(path)
    stem = "pytorch_model" if isinstance(module, transformers.PreTrainedModel) else "diffusion_pytorch_model"
    torch.save(module.state_dict(), path / f"{stem}{f'.{variant}' if variant else ''}.bin")


def edit(path: Path, **changes: object) -> None:
    """Change top-level keys of a JSON file; None takes a key out."""
    data = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in {**data, **changes}.items() if value is not None}, indent=2))


def plain(path: Path, parts: Parts, dtype: str) -> None:
    for seed, (name, part) in enumerate(parts.items()):
        save(part, path / name, dtype, seed)


def beside(path: Path, parts: Parts, without: str = "", shards: bool = False) -> None:
    """float32 files, and float16 files of the variant "fp16" with other numbers; the component `without` has no variant."""
    for seed, (name, part) in enumerate(parts.items()):
        if name != without:
            save(part, path / name, "fp16", 100 + seed, "fp16", shards)
        save(part, path / name, "fp32", seed, None, shards)


def variant_only(path: Path, parts: Parts, shards: bool = False) -> None:
    for seed, (name, part) in enumerate(parts.items()):
        save(part, path / name, "fp16", seed, "fp16", shards)


def sharded(path: Path, parts: Parts) -> None:
    for seed, (name, part) in enumerate(parts.items()):
        save(part, path / name, "fp16", seed, shards=True)


def old_names(path: Path, parts: Parts) -> None:
    """Sharded with a variant as diffusers spelled it before 0.32: X.safetensors.fp16.index.json, X-1-of-2.fp16.safetensors."""
    beside(path, parts, shards=True)
    for index in path.glob("*/diffusion_pytorch_model.safetensors.index.fp16.json"):
        names = json.loads(index.read_text())["weight_map"]
        for name in set(names.values()):
            (index.parent / name).rename(index.parent / _old_shard(name))
        edit(index, weight_map={key: _old_shard(name) for key, name in names.items()})
        index.rename(index.parent / "diffusion_pytorch_model.safetensors.fp16.index.json")


def _old_shard(name: str) -> str:
    return name.replace(".fp16-", "-").replace(".safetensors", ".fp16.safetensors")


def both(path: Path, parts: Parts) -> None:
    """An index with float16 shards and a single bfloat16 file with other numbers, side by side."""
    for seed, (name, part) in enumerate(parts.items()):
        save(part, path / name, "fp16", seed, shards=True)
        save(part, path / name, "bf16", 100 + seed)


def pickled(path: Path, parts: Parts, dtype: str, variant: str | None = None) -> None:
    for seed, (name, part) in enumerate(parts.items()):
        save_bin(part, path / name, dtype, seed, variant)


def undeclared(path: Path, *_: object) -> None:
    declare(path, dtype=None, torch_dtype=None)


def declare(path: Path, **keys: str | None) -> None:
    for config in path.glob("text_encoder*/config.json"):
        edit(config, **{"dtype": None, **keys})


def index_declares(path: Path, dtype: str) -> None:
    """The indexes' metadata name a dtype, the configs none."""
    for index in path.glob("*/*.index.json"):
        edit(index, metadata={**json.loads(index.read_text())["metadata"], "dtype": dtype})
    undeclared(path)


def mixed(path: Path, parts: Parts) -> None:
    """Text encoders that declare nothing and whose files hold two dtypes: the last names float32, all others bfloat16."""
    plain(path, parts, "bf16")
    for file in path.glob("text_encoder*/*.safetensors"):
        tensors = load_file(file)
        wide = sorted(tensors)[len(tensors) // 2 :]
        save_file({key: t.float() if key in wide else t for key, t in tensors.items()}, file, {"format": "pt"})
    undeclared(path)


def stored_as(path: Path, parts: Parts, dtype: str) -> None:
    """Weights in a dtype that no `save_pretrained` writes by itself; no config declares it."""
    plain(path, parts, "fp32")
    for file in path.glob("*/*.safetensors"):
        save_file({key: tensor.to(DTYPES[dtype]) for key, tensor in load_file(file).items()}, file, {"format": "pt"})
    undeclared(path)


def pickled_shards(path: Path, parts: Parts) -> None:
    """An index of two pickles."""
    pickled(path, parts, "fp16")
    for file in path.glob("*/*pytorch_model.bin"):
        tensors = torch.load(file, weights_only=True)
        shards = [f"{file.stem}-0000{number}-of-00002.bin" for number in (1, 2)]
        where = {key: shards[number % 2] for number, key in enumerate(tensors)}
        for shard in shards:
            torch.save({key: tensor for key, tensor in tensors.items() if where[key] == shard}, file.parent / shard)
        (file.parent / f"{file.name}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
        file.unlink()


def with_position_ids(path: Path, parts: Parts) -> None:
    """Text encoders as transformers saved them until 4.31, with a buffer of integers."""
    plain(path, parts, "fp16")
    for file in path.glob("text_encoder*/*.safetensors"):
        ids = {"text_model.embeddings.position_ids": torch.arange(12)[None]}
        save_file({**load_file(file), **ids}, file, {"format": "pt"})


def lose(path: Path, pattern: str) -> None:
    """Without the files of this pattern."""
    for file in path.glob(pattern):
        file.unlink()


def _then(first: Callable[..., None], *given: Any, **more: Any) -> Callable[..., Callable[[Path, Parts], None]]:
    def add(second: Callable[..., None], *arguments: Any, **keys: Any) -> Callable[[Path, Parts], None]:
        def both_steps(path: Path, parts: Parts) -> None:
            first(path, parts, *given, **more)
            second(path, *arguments, **keys)

        return both_steps

    return add


def touch(path: Path, name: str, folder: str = "*") -> None:
    """An empty file in the last folder of this pattern: of a pipeline the VAE's."""
    file = sorted(place for place in path.glob(folder) if place.is_dir())[-1] / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("")


FORMS: Final[Mapping[str, Callable[[Path, Parts], None]]] = {
    "fp32": partial(plain, dtype="fp32"),
    "fp16": partial(plain, dtype="fp16"),
    "bf16": partial(plain, dtype="bf16"),
    "beside": beside,
    "beside-sharded": partial(beside, shards=True),
    "beside-old-names": old_names,
    "vae-without-variant": partial(beside, without="vae"),
    "text-encoder-without-variant": partial(beside, without="text_encoder"),
    "variant-only": variant_only,
    "variant-only-sharded": partial(variant_only, shards=True),
    "sharded": sharded,
    "both": both,
    "both-undeclared": _then(both)(undeclared),
    "pickled": partial(pickled, dtype="fp16"),
    "pickled-undeclared": _then(pickled, dtype="bf16")(undeclared),
    "pickled-variant": partial(pickled, dtype="fp16", variant="fp16"),
    "undeclared-fp16": _then(plain, dtype="fp16")(undeclared),
    "undeclared-fp32": _then(plain, dtype="fp32")(undeclared),
    "undeclared-sharded": _then(sharded)(undeclared),
    "index-declares": _then(sharded)(index_declares, "bfloat16"),
    "undeclared-beside": _then(beside)(undeclared),
    "undeclared-fp8": partial(stored_as, dtype="fp8"),
    "undeclared-fp64": partial(stored_as, dtype="fp64"),
    "pickled-shards": pickled_shards,
    "position-ids": with_position_ids,
    "torch-dtype": _then(plain, dtype="fp32")(declare, torch_dtype="float16"),
    "two-declared": _then(plain, dtype="fp32")(declare, dtype="bfloat16", torch_dtype="float16"),
    "contradicting": _then(plain, dtype="fp16")(declare, dtype="bfloat16"),
    "declares-auto": _then(plain, dtype="fp16")(declare, dtype="auto"),
    "declares-fp16": _then(plain, dtype="fp16")(declare, torch_dtype="fp16"),
    "declares-fp8": _then(plain, dtype="fp16")(declare, dtype="float8_e4m3fn"),
    "declares-half": _then(plain, dtype="fp32")(declare, dtype="half"),
    "mixed": mixed,
    "undotted": _then(plain, dtype="fp16")(touch, "LICENSE"),
    "undotted-in-scheduler": _then(beside)(touch, "LICENSE", "scheduler"),
    "undotted-among": _then(beside)(touch, "LICENSE"),
    "undotted-beside": _then(beside, without="vae")(touch, "LICENSE"),
    "undotted-folder": _then(plain, dtype="fp16")(lambda path: touch(path, "old/notes.txt")),
    "no-vae-config": _then(plain, dtype="fp16")(lose, "vae/config.json"),
    "no-text-encoder-config": _then(plain, dtype="fp16")(lose, "text_encoder/config.json"),
    "no-vae-weights": _then(plain, dtype="fp16")(lose, "vae/*.safetensors"),
    "no-text-encoder-weights": _then(plain, dtype="fp16")(lose, "text_encoder/*.safetensors"),
    "no-vae-folder": _then(plain, dtype="fp16")(lambda path: shutil.rmtree(path / "vae")),
    "lost-shard": _then(sharded)(lose, "vae/*-00002-of-*.safetensors"),
    "lost-text-encoder-shard": _then(sharded)(lose, "text_encoder/*-00002-of-*.safetensors"),
    "index-without-shards": _then(sharded)(lose, "*/*-of-*.safetensors"),
}


def make(name: str, path: Path) -> Path:
    """The folder of this name: a pipeline, a dash, a form: "sdxl-beside". It is made once."""
    if not path.exists():
        kind, _, form = name.partition("-")
        pipeline = tiny.PIPELINES[kind]()
        pipeline.save_config(path)
        pipeline.scheduler.save_pretrained(path / "scheduler")
        FORMS[form](path, tiny.modules(pipeline))
    return path


def make_model(name: str, path: Path) -> tuple[Path, str, str]:
    """A folder of one model, "t5-beside": where it is, its class and library."""
    kind, _, form = name.partition("-")
    model = tiny.MODELS[kind]()
    part = "text_encoder" if isinstance(model, transformers.PreTrainedModel) else "vae"
    if not path.exists():
        path.mkdir()
        FORMS[form](path, {part: model})
    module = type(model).__module__
    return path / part, type(model).__name__, module if kind == "safety_checker" else module.split(".")[0]


def bundle(path: Path, dtype: str, t5_dtype: str) -> Path:
    """A checkpoint in one file with the keys of ComfyUI's Flux bundles: CLIP and T5, and one key by which Flux is recognised."""
    parts = {"clip_l": fill(tiny.clip(), DTYPES[dtype], 1), "t5xxl": fill(tiny.t5(), DTYPES[t5_dtype], 2)}
    tensors = {"double_blocks.0.img_attn.norm.key_norm.scale": torch.ones(8, dtype=DTYPES[dtype])}
    for name, part in parts.items():
        middle = "text_model." if name == "clip_l" else ""
        for key, tensor in part.state_dict().items():
            tensors[f"text_encoders.{name}.transformer.{middle}{key}"] = tensor.clone()
    save_file(tensors, path)
    return path


def original(path: Path, dtypes: Mapping[str, str]) -> Path:
    """A Stable Diffusion 1.5 checkpoint in one file with CompVis' names, each component in a dtype of its own."""
    names = _original_names()
    tensors: dict[str, torch.Tensor] = {}
    for seed, (part, module) in enumerate(tiny.modules(tiny.sd15()).items()):
        state = fill(module, DTYPES[dtypes[part]], seed).state_dict()
        shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
        if part == "unet":
            tensors |= {f"model.diffusion_model.{names.unet_name(key, shapes, 1)}": tensor for key, tensor in state.items()}
        elif part == "vae":
            renamed = [name for name, _ in names.vae(shapes)]
            tensors |= {f"first_stage_model.{name}": tensor for name, tensor in zip(renamed, state.values(), strict=True)}
        else:
            tensors |= {f"cond_stage_model.transformer.text_model.{key}": tensor for key, tensor in state.items()}
    save_file(tensors, path)
    return path


def _original_names() -> Any:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fixtures"))
    return importlib.import_module("original_names")
