"""Ways to spoil a saved model: what people, scripts and converters do to folders of weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

DTYPES: Final = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
Change = Callable[[Path], None]


def all_of(*changes: Change) -> Change:
    """One change after the other."""

    def change(model: Path) -> None:
        for one in changes:
            one(model)

    return change


def stem(folder: Path) -> str:
    """What the weights of a component are called."""
    config = json.loads((folder / "config.json").read_text())
    return "diffusion_pytorch_model" if "_class_name" in config else "model"


def weights(folder: Path) -> Path:
    """The one plain safetensors file of a component."""
    return folder / f"{stem(folder)}.safetensors"


def components(model: Path) -> list[Path]:
    """The folders with weights."""
    return sorted(config.parent for config in model.glob("*/config.json") if list(config.parent.glob("*.safetensors")))


def edit(path: Path, **changes: object) -> None:
    """Change top-level keys of a JSON file; None takes a key out."""
    data = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in {**data, **changes}.items() if value is not None}, indent=2) + "\n")


def config(component: str, **changes: object) -> Change:
    """Another config.json of a component."""
    return lambda model: edit(model / component / "config.json", **changes)


def save(tensors: Mapping[str, torch.Tensor], path: Path, like: Path | None = None) -> None:
    """Write tensors, with the metadata of the file `like`."""
    metadata = {"format": "pt"}
    if like is not None:
        with safe_open(like, "pt") as file:
            metadata = file.metadata() or metadata
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata)


def cast(tensors: Mapping[str, torch.Tensor], dtype: str) -> dict[str, torch.Tensor]:
    return {key: tensor.to(DTYPES[dtype]) if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}


def stored(dtype: str, *names: str) -> Change:
    """Components stored in another dtype; a transformers one declares it."""

    def change(model: Path) -> None:
        for folder in [model / name for name in names] or components(model):
            path = weights(folder)
            save(cast(load_file(path), dtype), path, path)
            if stem(folder) == "model":
                edit(folder / "config.json", dtype=str(DTYPES[dtype]).removeprefix("torch."))

    return change


def variant(name: str, dtype: str, *without: str, only: str = "") -> Change:
    """A variant beside the plain files, stored in this dtype, for all components or for one."""

    def change(model: Path) -> None:
        for folder in components(model):
            if folder.name not in without and only in ("", folder.name):
                save(cast(load_file(weights(folder)), dtype), folder / f"{stem(folder)}.{name}.safetensors", weights(folder))

    return change


def sharded(name: str, variant_name: str = "", spelling: str = "usual", count: int = 2, keep: bool = False) -> Change:
    """A component in shards with an index. spelling: usual, legacy, unread or none, of the index's name. keep: the plain file."""

    def change(model: Path) -> None:
        folder = model / name
        plain = weights(folder)
        base, tensors = stem(folder), load_file(plain)
        middle = f".{variant_name}" if variant_name else ""
        shards = [f"{base}{middle}-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]
        if spelling == "legacy":
            shards = [f"{base}-{number:05}-of-{count:05}{middle}.safetensors" for number in range(1, count + 1)]
        where = {key: shards[number % count] for number, key in enumerate(sorted(tensors))}
        for shard in shards:
            save({key: tensor for key, tensor in tensors.items() if where[key] == shard}, folder / shard, plain)
        total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        text = json.dumps({"metadata": {"total_size": total}, "weight_map": where}, indent=2)
        names = {
            "usual": f"{base}.safetensors.index{middle}.json",
            "legacy": f"{base}.safetensors{middle}.index.json",
            "unread": f"{base}{middle}.safetensors.index.json",
        }
        if spelling in names:
            (folder / names[spelling]).write_text(text + "\n")
        if not keep:
            plain.unlink()

    return change


def lying_index(name: str) -> Change:
    """An index that names the wrong shard for every tensor."""

    def change(model: Path) -> None:
        path = next((model / name).glob("*.index.json"))
        index = json.loads(path.read_text())
        names = sorted(set(index["weight_map"].values()))
        index["weight_map"] = {key: names[(names.index(shard) + 1) % len(names)] for key, shard in index["weight_map"].items()}
        path.write_text(json.dumps(index, indent=2))

    return change


def extra_shards(name: str) -> Change:
    """What is left of an earlier upload in three shards."""

    def change(model: Path) -> None:
        folder = model / name
        for number in (1, 2, 3):
            save({f"old.{number}.weight": torch.ones(4, 4)}, folder / f"{stem(folder)}-{number:05}-of-00003.safetensors")

    return change


def pickled(*names: str) -> Change:
    """Components as torch.save writes them, without a safetensors file."""

    def change(model: Path) -> None:
        for folder in [model / name for name in names] or components(model):
            path = weights(folder)
            base = "pytorch_model" if stem(folder) == "model" else stem(folder)
            torch.save(load_file(path), folder / f"{base}.bin")
            path.unlink()

    return change


def of_keys(name: str, pattern: str, new: Callable[[torch.Tensor], torch.Tensor], also: str = "") -> Change:
    """Other numbers for the tensors whose key holds a match of `pattern`. also: keep the file of before under this name."""

    def change(model: Path) -> None:
        path = weights(model / name)
        tensors = load_file(path)
        found = [key for key in tensors if re.search(pattern, key)]
        assert found, f"no {pattern} in {path}"
        if also:
            path.rename(path.with_name(also))
        save({key: new(tensor) if key in found else tensor for key, tensor in tensors.items()}, path)

    return change


def position_ids(name: str) -> Change:
    """Position ids as floats, as a merge leaves them."""

    def change(model: Path) -> None:
        path = weights(model / name)
        tensors = load_file(path)
        prefix = "text_model." if any(key.startswith("text_model.") for key in tensors) else ""
        length = next(tensor for key, tensor in tensors.items() if key.endswith("position_embedding.weight")).shape[0]
        ids = {f"{prefix}embeddings.position_ids": torch.arange(length, dtype=torch.float32)[None]}
        save({**tensors, **ids}, path, path)

    return change


def largest(tensor: torch.Tensor) -> torch.Tensor:
    """The same, scaled so that its largest number is 50,000: fp16 holds it, and not what it is multiplied to."""
    return tensor * (50_000.0 / float(tensor.abs().max()))


def beyond(tensor: torch.Tensor) -> torch.Tensor:
    """The same, scaled so that its largest number is 1,000,000: fp32 and bf16 hold it, fp16 makes it infinite."""
    return tensor * (1_000_000.0 / float(tensor.abs().max()))


def nothing(_: Path) -> None:
    """The model as it was saved: a conversion is a wish, no fault."""
