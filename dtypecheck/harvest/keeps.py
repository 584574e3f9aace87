"""Which parameters a class keeps in float32: rows of keep_in_fp32.toml, out of the class bodies.

diffusers reads the nearest `_keep_in_fp32_modules` of a class. transformers does too, and merges the lists of the
sub-models that stand directly in the class (`self.encoder = T5Stack(...)`); those an AutoModel picks by config stay unknown.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .source import Class, Library, attribute, last_name, library

KEEP, STRICT = "_keep_in_fp32_modules", "_keep_in_fp32_modules_strict"
Row = dict[str, Any]
Kept = tuple[tuple[str, ...], tuple[str, ...]]  # names, and where they are declared
Reader = Callable[[Class], Kept]


def diffusers_rows(root: Path) -> dict[str, Row]:
    """One row for each diffusers model class with a list of its own or an inherited one."""
    source = library("diffusers", root, _concerned(root / "models", "*.py"))
    concrete = {name: classes[0] for name, classes in source.classes.items() if source.inherits(classes[0], "ModelMixin")}
    return dict(_rows(source, concrete, lambda cls: _own(source, cls, KEEP)))


def transformers_rows(root: Path) -> dict[str, Row]:
    """One row for each transformers class that keeps something, by its own list or a sub-model's."""
    source = library("transformers", root, _concerned(root / "models", "modeling_*.py"))
    concrete = {
        name: classes[0]
        for name, classes in source.classes.items()
        if not name.endswith("PreTrainedModel") and source.inherits(classes[0], "PreTrainedModel")
    }
    return dict(_rows(source, concrete, lambda cls: _merged(source, cls, KEEP), lambda cls: _merged(source, cls, STRICT)))


def _rows(source: Library, classes: Mapping[str, Class], keep: Reader, strict: Reader | None = None) -> Iterator[tuple[str, Row]]:
    for name, cls in sorted(classes.items()):
        kept, kept_at = keep(cls)
        always, always_at = strict(cls) if strict else ((), ())
        if kept or always:
            row: Row = {"library": source.name, "keep": sorted(kept)}
            row |= {"keep_strict": sorted(always)} if strict else {}
            yield name, row | {"source": sorted({*kept_at, *always_at})}


def _own(source: Library, cls: Class, name: str) -> Kept:
    """The nearest list in the lineage, and where it stands."""
    for one in source.lineage(cls):
        if found := attribute(one, name):
            names = _strings(found.value)
            return names, ((source.at(one, found.lineno),) if names else ())
    return (), ()


def _merged(
    source: Library, cls: Class, name: str, seen: frozenset[str] = frozenset()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The nearest list, and those of the sub-models that the class makes itself."""
    names, at = _own(source, cls, name)
    for child in _children(source, cls):
        if child.name not in seen:
            more, more_at = _merged(source, child, name, seen | {cls.name})
            names, at = names + more, at + more_at
    return tuple(dict.fromkeys(names)), tuple(dict.fromkeys(at))


def _children(source: Library, cls: Class) -> Iterator[Class]:
    """The models that the nearest `__init__`, and the ones it calls up to, set as attributes of the class."""
    for owner in source.lineage(cls):
        init = next((one for one in owner.functions() if one.name == "__init__"), None)
        if init is None:
            continue
        for node in ast.walk(init):
            match node:
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"))], value=ast.Call(func=made)):
                    if (child := _made(source, owner, made)) and source.inherits(child, "PreTrainedModel"):
                        yield child
        if not _calls_super(init):
            return


def _made(source: Library, owner: Class, made: ast.expr) -> Class | None:
    """The class that is called: `Model(...)` or `Model._from_config(...)`."""
    match made:
        case ast.Attribute(value=ast.Name(id=name), attr="_from_config" | "from_config"):
            return source.get(name, owner.module)
        case _:
            return source.get(last_name(made), owner.module)


def _calls_super(init: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "super" for node in ast.walk(init))


def _strings(value: ast.expr | None) -> tuple[str, ...]:
    """The strings in a list, tuple or set, also in a sum of them; none for None."""
    if value is None:
        return ()
    return tuple(node.value for node in ast.walk(value) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _concerned(models: Path, pattern: str) -> Iterator[Path]:
    """The modeling files that declare a list, and, again and again, those that call or inherit a class of one."""
    texts = {path: path.read_text("utf-8") for path in models.rglob(pattern)}
    named = {path: frozenset(_named(text)) for path, text in texts.items()}
    defined = {path: frozenset(re.findall(r"^class (\w+)\(", text, re.MULTILINE)) for path, text in texts.items()}
    chosen, fresh = set[Path](), {path for path, text in texts.items() if KEEP in text}
    while fresh:
        chosen |= fresh
        names = frozenset[str]().union(*(defined[path] for path in fresh))
        fresh = {path for path in texts if path not in chosen and names & named[path]}
    return iter(chosen)


def _named(text: str) -> Iterator[str]:
    """The class names that a file makes (`Model(`, `Model._from_config(`) or inherits."""
    yield from re.findall(r"= ([A-Z]\w+)(?:\._?from_config)?\(", text)
    for bases in re.findall(r"^class \w+\(([^)]*)\)", text, re.MULTILINE):
        yield from re.findall(r"\w+", bases)
