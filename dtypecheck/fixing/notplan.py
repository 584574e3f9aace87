"""What a JSON file is that was taken for a fix plan and is none, and what to type instead."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Final

from .refusal import Refusal

_CONFIGS: Final = ("_class_name", "_diffusers_version", "model_type", "architectures", "transformers_version")
_WRITES: Final = "dtypecheck fix TARGET -o plan.json"


def no_plan(path: Path, data: Any) -> Refusal:
    """The refusal of a file by what stands in it: an index, a config, a report, or something else."""
    what, instead = _known(path, data)
    return Refusal(f"{path}: {what}, and no fix plan", *instead)


def _known(path: Path, data: Any) -> tuple[str, tuple[str, ...]]:
    folder = (shlex.join(["dtypecheck", "fix", path.parent.as_posix()]),)
    match data:
        case {"weight_map": dict()}:
            return "the index of a model's shards", folder
        case {"version": int(), "findings": list(), "seen": dict()}:
            return "a report of dtypecheck", (_WRITES,)
        case dict() if any(name in data for name in _CONFIGS):
            return "a config of a model", folder
        case dict() | list():
            return f"JSON with {_keys(data)}", (_WRITES,)
    return f"JSON of a single {type(data).__name__}" if data is not None else "a JSON null", (_WRITES,)


def _keys(data: dict[str, Any] | list[Any]) -> str:
    """The first keys of an object, or how long a list is."""
    if isinstance(data, list):
        return f"a list of {len(data)}"
    names = [repr(name if len(name) <= 40 else name[:37] + "...") for name in list(data)[:3]]
    return "nothing in it" if not names else f"the keys {', '.join(names)}" if len(names) > 1 else f"the key {names[0]}"
