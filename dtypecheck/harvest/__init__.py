"""Refreshes the generated keys of the rules from the libraries' own source; what people wrote there stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dtypecheck.harvest import keeps, pipelines
from dtypecheck.harvest.rows import differences, merge
from dtypecheck.harvest.source import installed

Row = dict[str, Any]

__all__ = ["Harvest", "harvest", "installed"]


@dataclass(frozen=True, slots=True)
class Harvest:
    """New texts by file name, and what is different in them, one line a key; an empty `diff` when nothing is."""

    files: Mapping[str, str]
    diff: str

    def write(self, rules_dir: Path) -> None:
        """Puts the new texts there."""
        for name, text in self.files.items():
            (rules_dir / name).write_text(text, "utf-8")


def harvest(rules_dir: Path, libraries: Mapping[str, Path]) -> Harvest:
    """Reads the source of the libraries (name to package folder) and the rules as they are; writes nothing.

    `diffusers` refreshes pipelines.toml and its part of keep_in_fp32.toml, `transformers` its part of the latter.
    """
    texts = {name: _text(rules_dir / name) for name in ("keep_in_fp32.toml", "pipelines.toml")}
    after = dict(texts)
    for name, read in _KEEPS.items():
        if name in libraries:
            after["keep_in_fp32.toml"] = merge(after["keep_in_fp32.toml"], read(libraries[name]), _current(name), keep_row)
    if "diffusers" in libraries:
        rows = pipelines.pipeline_rows(libraries["diffusers"])
        after["pipelines.toml"] = merge(after["pipelines.toml"], rows, lambda _: True, pipelines.pipeline_row)
    diff = [f"{name}\n{lines}\n" for name in texts if (lines := "\n".join(differences(texts[name], after[name])))]
    return Harvest(after, "".join(diff))


_KEEPS: dict[str, Callable[[Path], dict[str, Row]]] = {
    "diffusers": keeps.diffusers_rows,
    "transformers": keeps.transformers_rows,
}


def _current(library: str) -> Callable[[Row], bool]:
    """Rows of that library that hold for the newest version; those with an `until` are history."""
    return lambda row: row.get("library") == library and "until" not in row


def keep_row(old: Row, new: Row) -> Row:
    """The harvested keys, except those named in `fixed`, then what was curated."""
    fixed = old.get("fixed", ())
    generated = {key: old[key] if key in fixed and key in old else value for key, value in new.items() if key != "source"}
    curated = {key: value for key, value in old.items() if key not in new}
    cited = [one for one in old.get("source", ()) if not one.startswith(f"{new['library']}@")]
    return {**generated, **curated, "source": [*new["source"], *cited]}


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""
