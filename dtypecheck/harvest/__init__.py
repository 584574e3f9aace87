"""Refreshes the generated keys of the rules from the libraries' own source; what people wrote there stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import classes, keeps, pipelines
from .rows import cut, differences, merge
from .source import installed

Row = dict[str, Any]

__all__ = ["Harvest", "harvest", "installed"]


@dataclass(frozen=True, slots=True)
class Harvest:
    """New texts by file name, and what is different in them, one line a key; an empty `diff` when nothing is."""

    files: Mapping[str, str]
    diff: str

    def write(self, rules_dir: Path) -> None:
        """Puts the new texts there.

        errors: ValueError for the rules of an installed package.
        """
        if "site-packages" in rules_dir.resolve().parts or rules_dir.name == "_rules":
            raise ValueError(f"{rules_dir} belongs to an installed package; harvest writes to a checkout or to --rules-dir")
        for name, text in self.files.items():
            (rules_dir / name).write_text(text, "utf-8")


def harvest(rules_dir: Path, libraries: Mapping[str, Path]) -> Harvest:
    """Reads the source of the libraries (name to package folder) and the rules as they are; writes nothing.

    `diffusers` refreshes pipelines.toml and its part of keep_in_fp32.toml and classes.toml, `transformers` its part of these
    two. A row whose class the library no longer has stays, and the diff names it.
    """
    before = {name: _text(rules_dir / name) for name in ("keep_in_fp32.toml", "pipelines.toml", "classes.toml")}
    after, gone = dict(before), dict.fromkeys(before, "")
    for name, file, read, join in _SOURCES:
        if name in libraries:
            rows = read(libraries[name])
            mine = _current(name)
            after[file] = merge(after[file], rows, mine, join)
            lost = [block.name for block in cut(before[file])[1] if mine(block.row()) and block.name not in rows]
            gone[file] += "".join(f"? [[{one}]] is no longer in {name}\n" for one in lost)
    parts = {name: "".join(f"{line}\n" for line in differences(before[name], after[name])) + gone[name] for name in before}
    return Harvest(after, "".join(f"{name}\n{lines}" for name, lines in parts.items() if lines))


def _current(library: str) -> Callable[[Row], bool]:
    """Rows of that library that hold for the newest version and are not wholly held by hand."""
    return lambda row: row.get("library", "diffusers") == library and "until" not in row and not row.get("by_hand", False)


def keep_row(old: Row, new: Row) -> Row:
    """The harvested keys, except those named in `fixed`, then what was curated."""
    fixed = old.get("fixed", ())
    generated = {key: old[key] if key in fixed and key in old else value for key, value in new.items() if key != "source"}
    curated = {key: value for key, value in old.items() if key not in new}
    cited = [one for one in old.get("source", ()) if not one.startswith(f"{new['library']}@")]
    return {**generated, **curated, "source": [*new["source"], *cited]}


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


_SOURCES: tuple[tuple[str, str, Callable[[Path], dict[str, Row]], Callable[[Row, Row], Row]], ...] = (
    ("diffusers", "keep_in_fp32.toml", keeps.diffusers_rows, keep_row),
    ("transformers", "keep_in_fp32.toml", keeps.transformers_rows, keep_row),
    ("diffusers", "pipelines.toml", pipelines.pipeline_rows, pipelines.pipeline_row),
    ("diffusers", "classes.toml", classes.diffusers_rows, classes.class_row),
    ("transformers", "classes.toml", classes.transformers_rows, classes.class_row),
)
