"""A library's own source, read with `ast`: its classes, what they inherit, which attributes and methods they have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Class:
    """One class of a library: where it stands and its syntax."""

    module: str  # posix path inside the package
    node: ast.ClassDef

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def bases(self) -> tuple[str, ...]:
        """The last names of its bases."""
        return tuple(name for base in self.node.bases if (name := last_name(base)))

    def functions(self) -> Iterator[Function]:
        return (item for item in self.node.body if isinstance(item, Function))


@dataclass(frozen=True)
class Library:
    """The classes of some files of an installed package; nothing of it is imported."""

    name: str
    root: Path
    files: tuple[Path, ...]

    @cached_property
    def version(self) -> str:
        """Out of the package's `__version__ = "..."`; an empty string if it has none."""
        found = re.search(r'^__version__\s*=\s*["\']([^"\']+)', (self.root / "__init__.py").read_text("utf-8"), re.MULTILINE)
        return found.group(1) if found else ""

    @cached_property
    def classes(self) -> Mapping[str, tuple[Class, ...]]:
        """Every class by name; the same name may stand in several files."""
        found: dict[str, list[Class]] = {}
        for path in self.files:
            module = path.relative_to(self.root).as_posix()
            for node in _class_nodes(ast.parse(path.read_text("utf-8")).body):
                found.setdefault(node.name, []).append(Class(module, node))
        return {name: tuple(classes) for name, classes in found.items()}

    def get(self, name: str, near: str = "") -> Class | None:
        """The class of that name, the one in the module `near` if there are several."""
        found = self.classes.get(name, ())
        return next((one for one in found if one.module == near), found[0] if found else None)

    def lineage(self, cls: Class) -> tuple[Class, ...]:
        """The class and what it inherits from inside the library, nearest first."""
        seen: dict[int, Class] = {}
        waiting = [cls]
        while waiting:
            one = waiting.pop(0)
            if id(one.node) not in seen:
                seen[id(one.node)] = one
                waiting += [base for name in one.bases if (base := self.get(name, one.module))]
        return tuple(seen.values())

    def inherits(self, cls: Class, name: str) -> bool:
        """Whether a base, near or far, inside the library or not, has that name."""
        return any(name in one.bases for one in self.lineage(cls))

    def at(self, cls: Class, line: int) -> str:
        """How a line of it is cited: `diffusers@0.42.1:models/x.py:12`."""
        return f"{self.name}@{self.version}:{cls.module}:{line}"


@dataclass(frozen=True)
class Methods:
    """The functions of a class, its own before inherited ones of the same name."""

    library: Library
    cls: Class
    by_name: Mapping[str, tuple[Class, Function]] = field(init=False)

    def __post_init__(self) -> None:
        found: dict[str, tuple[Class, Function]] = {}
        for owner in self.library.lineage(self.cls):
            for function in owner.functions():
                found.setdefault(function.name, (owner, function))
        object.__setattr__(self, "by_name", found)

    def __iter__(self) -> Iterator[tuple[Class, Function]]:
        return iter(self.by_name.values())


def installed(name: str) -> Path | None:
    """The folder of an installed package, found without importing it; None if it is not there."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def library(name: str, root: Path, files: Iterable[Path]) -> Library:
    return Library(name, root, tuple(sorted(files)))


@cache
def nodes(function: Function) -> tuple[ast.AST, ...]:
    """Every node of a function; walked once, for a function is looked at from every class that inherits it."""
    return tuple(ast.walk(function))


@cache
def calls(function: Function) -> tuple[ast.Call, ...]:
    """The calls among them."""
    return tuple(node for node in nodes(function) if isinstance(node, ast.Call))


def _class_nodes(body: Iterable[ast.stmt]) -> Iterator[ast.ClassDef]:
    """Classes of a module, also those that stand under an `if` or a `try`."""
    for node in body:
        match node:
            case ast.ClassDef():
                yield node
            case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other):
                yield from _class_nodes([*inner, *other])


def last_name(node: ast.AST) -> str:
    """`Model` of `Model` and of `package.Model`; empty for anything else."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def attribute(cls: Class, name: str) -> ast.Assign | ast.AnnAssign | None:
    """The class-body assignment to that name, the last one if there are several."""
    found: ast.Assign | ast.AnnAssign | None = None
    for item in cls.node.body:
        match item:
            case ast.Assign(targets=targets) if any(last_name(target) == name for target in targets):
                found = item
            case ast.AnnAssign(target=target, value=value) if last_name(target) == name and value is not None:
                found = item
    return found
