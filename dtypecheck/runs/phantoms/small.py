"""A small pipeline of any class as a record, as if its folder lay somewhere: what a rehearsal of the class itself is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...files import Memory
from ...knowledge import Knowledge
from ...read.layout import Reader
from ...subjects import Pipeline
from .shrunken import arguments, parts


@dataclass(frozen=True, slots=True)
class Small:
    """A pipeline without weights: the record of its configs, and the parts that hold none. modules: those that do."""

    pipeline: Pipeline
    rest: Mapping[str, object]
    modules: Mapping[str, Any]
    index: Mapping[str, object]


def small(pipeline_class: str, known: Knowledge) -> Small:
    """The small pipeline of a class, by the rows of phantoms.toml. errors: shrunken.NoRow when there is none."""
    import torch

    built = parts(pipeline_class, known)
    modules = {name: part for name, part in built.items() if isinstance(part, torch.nn.Module)}
    index: dict[str, object] = {"_class_name": pipeline_class, **arguments(pipeline_class, known)}
    index |= {name: [library(part), type(part).__name__] for name, part in modules.items()}
    contents = {"model_index.json": json.dumps(index).encode()}
    contents |= {f"{name}/config.json": config_text(part).encode() for name, part in modules.items()}
    reading = next(iter(Reader(Memory(contents, pipeline_class), known).readings()))
    if reading.pipeline is None:
        raise LookupError(f"{pipeline_class}: its small configs cannot be read back")
    rest = {name: part for name, part in built.items() if name not in modules}
    return Small(reading.pipeline, rest, modules, index)


def config_text(part: Any) -> str:
    """The config of a model as its folder would hold it."""
    owner = part.config if hasattr(part.config, "to_json_string") else part
    return str(owner.to_json_string())


def library(part: object) -> str:
    """What model_index.json calls the place of a class: diffusers, transformers, or the folder of a pipeline."""
    module = type(part).__module__.split(".")
    if module[:2] == ["diffusers", "pipelines"]:
        return module[2]
    return module[0]
