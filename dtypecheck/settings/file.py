"""Which settings file holds: the nearest from the working directory upward, but none that lies inside a model.

Who wrote a model decides nothing about how it is judged. A settings file is inside a model when its folder, or one above it, is
one (a model_index.json, or a config.json beside weights), or when weights that are looked at lie beside it. Such a file is passed
over, the search goes on above it, and who searches is told; `--config` reads it all the same, because then the user said so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from .keys import BadSettings

WEIGHTS: Final = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".th")
"""Suffixes of the files that hold weights: those that the readers know."""
_OWN, _SHARED = "dtypecheck.toml", "pyproject.toml"


def find(start: Path, targets: Iterable[Path] = ()) -> Path | None:
    """The settings file that holds for a folder; see `search`."""
    return search(start, targets)[0]


def search(start: Path, targets: Iterable[Path] = ()) -> tuple[Path | None, tuple[Path, ...]]:
    """The settings file that holds for a folder, and those nearer to it that were passed over because a model holds them.

    targets: what is looked at. A pyproject.toml counts where it has a [tool.dtypecheck]; one inside a model is not even parsed.
    errors: BadSettings for one that is no TOML; OSError.
    """
    here = start.absolute()
    looked_at = [target.absolute() for target in targets]
    passed: list[Path] = []
    for folder in (here, *here.parents):
        own, shared = folder / _OWN, folder / _SHARED
        there = [path for path in (own, shared) if path.is_file()]
        if there and _in_model(folder, looked_at):
            passed += [path for path in there if path.name == _OWN or _names_us(path)]
        elif own in there or (there and table_in(shared) is not None):
            return (own if own in there else shared), tuple(passed)
    return None, tuple(passed)


def table_in(path: Path) -> Mapping[str, Any] | None:
    """Our table in a settings file, None in a pyproject.toml that has none. errors: BadSettings where it is no TOML; OSError."""
    data = toml_in(path)
    if path.name != _SHARED:
        return data
    tool = data.get("tool")
    found = tool.get("dtypecheck") if isinstance(tool, dict) else None
    return found if isinstance(found, dict) else None


def toml_in(path: Path) -> Mapping[str, Any]:
    """What a TOML file holds. errors: BadSettings; OSError."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadSettings(f"{path}: {fault}") from None


def _in_model(folder: Path, targets: Iterable[Path]) -> bool:
    if any(_is_model(above) for above in (folder, *folder.parents)):
        return True
    looked_at = any(folder.is_relative_to(target) or (target.suffix in WEIGHTS and target.parent == folder) for target in targets)
    return looked_at and _holds_weights(folder)


def _is_model(folder: Path) -> bool:
    if (folder / "model_index.json").is_file():
        return True
    return (folder / "config.json").is_file() and _holds_weights(folder)


def _holds_weights(folder: Path) -> bool:
    try:
        return any(path.suffix.lower() in WEIGHTS for path in folder.iterdir())
    except OSError:
        return False


def _names_us(path: Path) -> bool:
    """Whether a pyproject.toml of a model speaks of us at all; it is not parsed."""
    try:
        return b"tool.dtypecheck" in path.read_bytes()
    except OSError:
        return False
