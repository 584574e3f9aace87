"""Which classes a library has, by name: rows of classes.toml, out of what its packages export.

Of diffusers everything that its `__init__` imports, and the modules of its pipelines; of transformers the classes that its
modeling files export, which hold weights. Its tokenizers and processors have names that only the running library knows.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

from .source import library

Row = dict[str, Any]


def diffusers_rows(root: Path) -> dict[str, Row]:
    """The one row of diffusers."""
    init = root / "__init__.py"
    names = {name for name in _imported(init) if name[0].isupper()}
    folder = root / "pipelines"
    modules = {path.stem for path in folder.rglob("*.py") if path.parent == folder and path.stem != "__init__"}
    modules |= {path.parent.name for path in folder.rglob("__init__.py") if path.parent != folder}
    version = library("diffusers", root, ()).version
    return {"diffusers": _row("diffusers", version, names, ["__init__.py", "pipelines"], modules=_lines(modules))}


def transformers_rows(root: Path) -> dict[str, Row]:
    """The one row of transformers."""
    names = {name for path in root.rglob("modeling_*.py") for name in _exported(path)}
    version = library("transformers", root, ()).version
    return {"transformers": _row("transformers", version, names, ["models"])}


def class_row(old: Row, new: Row) -> Row:
    """What was harvested, and what people wrote besides."""
    return {**new, **{key: value for key, value in old.items() if key not in new}, "source": new["source"]}


def _row(name: str, version: str, names: Iterable[str], cited: list[str], **more: str) -> Row:
    source = [f"{name}@{version}:{path}" for path in cited]
    return {"library": name, "version": version, "classes": _lines(names), **more, "source": source}


def _lines(names: Iterable[str]) -> str:
    return fill(" ".join(sorted(names)), 128, initial_indent="  ", subsequent_indent="  ", break_long_words=False)


def _imported(path: Path) -> Iterator[str]:
    """The names that a module imports from others, under what it calls them."""
    if path.is_file():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                yield from (alias.asname or alias.name for alias in node.names)


def _exported(path: Path) -> Iterator[str]:
    """The classes in a module's `__all__`."""
    text = path.read_text("utf-8")
    if "__all__" not in text:
        return
    for node in ast.parse(text).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                named = (one.value for one in ast.walk(value) if isinstance(one, ast.Constant))
                yield from (name for name in named if isinstance(name, str) and name[:1].isupper())
