"""What a single file is, told by its keys: a checkpoint and its components, a LoRA, an embedding, a ControlNet, a VAE."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ..knowledge import Knowledge, Row
from ..subjects import Component, Config, Tensors, WeightFile, WeightSet

PROBED: Final = 30_000
"""Keys that are looked at to recognise a file, spread over all of them; no model that a row describes has that many."""


@dataclass(frozen=True, slots=True)
class Layout:
    """kind: checkpoint, lora, embedding, controlnet, ip-adapter, vae or weights. name: of the row in layouts.toml."""

    name: str
    kind: str
    pipeline: str | None
    row: Row


def recognise(file: WeightFile, known: Knowledge) -> Layout:
    """The first row of layouts.toml that the keys fit, else plain weights."""
    keys = file.tensors.keys if file.tensors else ()
    keys = keys[:: max(1, len(keys) // PROBED)]
    text = "\n".join(keys)
    for name, row in known.all("layouts"):
        if keys and _fits(row, text, len(keys)):
            return Layout(name, row["kind"], row.get("pipeline"), row)
    return Layout("weights", "weights", None, {})


def _fits(row: Row, text: str, count: int) -> bool:
    def there(pattern: str) -> bool:
        return re.search(rf"^(?:{pattern})$", text, re.MULTILINE) is not None

    if count > row.get("few", count):
        return False
    if "most" in row and 2 * len(re.findall(row["most"], text, re.MULTILINE)) <= count:
        return False
    return all(map(there, row.get("all", ()))) and (not row.get("any") or any(map(there, row["any"])))


def components(file: WeightFile, layout: Layout) -> tuple[Component, ...]:
    """The components that the file's keys split into; a file of one thing is one component."""
    tensors = file.tensors or Tensors()
    parts: Sequence[Row] = [
        part for part in layout.row.get("parts", ()) if any(k.startswith(part["prefix"]) for k in tensors.keys)
    ]
    taken: dict[str, list[int]] = {}
    others: list[int] = []
    prefixes = [(part["prefix"], part["name"]) for part in parts]
    for i, key in enumerate(tensors.keys):
        name = next((name for prefix, name in prefixes if key.startswith(prefix)), None)
        (taken.setdefault(name, []) if name else others).append(i)
    by_name = {part["name"]: part for part in parts}
    found = [_part(file, tensors, rows, name, by_name[name]) for name, rows in taken.items()]
    bare = layout.row.get("bare")
    if others and (bare or not found) and (not bare or bare["name"] not in taken):
        found.append(_part(file, tensors, others, bare["name"] if bare else "", bare or {}))
    return tuple(found)


def rest(file: WeightFile, parts: Sequence[Component]) -> tuple[WeightFile, ...]:
    """The file with only the tensors that no component took, an empty tuple where each has its component."""
    if not parts or file.tensors is None:
        return () if parts else (file,)
    taken = {tensor.key for part in parts for weights in part.sets for _, tensor in weights.tensors()}
    rows = [i for i, key in enumerate(file.tensors.keys) if key not in taken]
    columns = file.tensors.take(rows)
    return (replace(file, tensors=columns, stock=columns.stock(), sha256=None),) if rows else ()


def _part(file: WeightFile, tensors: Tensors, rows: list[int], name: str, row: Mapping[str, Any]) -> Component:
    whole = len(rows) == len(tensors)
    columns = tensors if whole else tensors.take(rows)
    part = WeightFile(
        file.path, file.format, file.nbytes, columns.stock(), columns, file.metadata, file.sha256 if whole else None
    )
    config = Config(file.path, row["config"]) if "config" in row else None
    weights = WeightSet(file.format, name, None, (part,))
    return Component(name, file.path, row.get("klass"), "single-file", row.get("role", "other"), config, (weights,))
