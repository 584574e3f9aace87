"""Imports only point down (contracts.md, "Floors"): a module imports what stands before it in the table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "dtypecheck"
FLOORS = (
    ("dtypes", "files"),
    ("edits", "findings"),
    ("subjects",),
    ("rule", "plugins", "knowledge", "settings", "fixplan", "report", "request"),
    ("read", "loading", "checks", "messages", "runs"),
    ("engine", "policy", "fixing", "remote", "cache"),
    ("testing", "fleet", "render", "gate"),
    ("harvest", "verbs", "api", "cli", "pytest_plugin", "notebook", "__init__", "__main__"),
)
"""The floors of contracts.md, lowest first; request, api, harvest and the two dunders have none there and are ours to place."""
UNITS = [unit for floor in FLOORS for unit in floor]
ONLY_IN = {
    "huggingface_hub": ("fixing/swap", "remote"),
    "fsspec": ("remote",),
    "torch": ("runs", "fixing", "harvest"),
    "diffusers": ("runs", "harvest"),
    "transformers": ("runs", "harvest"),
    "numpy": ("read/values", "fixing"),
    "distributed": ("fleet/engines",),
    "ray": ("fleet/engines",),
    "pyarrow": ("fleet",),
}
"""What may be imported at all, and where; every other import is the standard library's or a dependency's."""
DEPENDENCIES = {"click": ("cli",), "rich": ("render", "cli")}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> tuple[str, ...]:
    """dtypecheck/read/weights.py as ("read", "weights"); a package's __init__ as the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


KNOWN = {name_of(path) for path in MODULES}


def imports(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and full name, from the package's inside on, of everything of ours that a module imports, wherever it stands in it."""
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.ImportFrom(module=module, names=names, level=level) if level or (module or "").split(".")[0] == "dtypecheck":
                start = package[: len(package) - level + 1] if level else ()
                base = (*start, *((module or "").split(".") if module else ()))
                base = base if level else base[1:]
                for alias in names:
                    full = (*base, alias.name)
                    yield node.lineno, full if full in KNOWN else base or ("__init__",)
            case ast.Import(names=names):
                for alias in names:
                    if alias.name.split(".")[0] == "dtypecheck":
                        yield node.lineno, tuple(alias.name.split(".")[1:]) or ("__init__",)


def foreign(path: Path) -> Iterator[tuple[int, str]]:
    """Line and first name of every import from elsewhere."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name.split(".")[0]) for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield node.lineno, module.split(".")[0]


def test_every_module_has_a_floor() -> None:
    homeless = {name[0] for name in KNOWN} - set(UNITS)
    assert not homeless, f"give {homeless} a place in FLOORS, and in contracts.md"


def test_the_table_knows_no_unit_twice() -> None:
    assert len(set(UNITS)) == len(UNITS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_what_stands_before_it(path: Path) -> None:
    here = name_of(path)[0]
    wrong = [
        f"line {line}: {'.'.join(target)}"
        for line, target in imports(path)
        if target[0] != here and UNITS.index(target[0]) > UNITS.index(here) and not lazy_from_above(path, target)
    ]
    assert wrong == []


def lazy_from_above(path: Path, target: tuple[str, ...]) -> bool:
    """rule.py names Knowledge for its types alone; the package's own __init__ is below every module of it."""
    at_run_time = {name for _, name in imports_at_run_time(path)}
    return target == ("__init__",) or target not in at_run_time


def imports_at_run_time(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    typed = {line for node in ast.walk(ast.parse(path.read_text("utf-8"))) for line in type_only(node)}
    return ((line, name) for line, name in imports(path) if line not in typed)


def type_only(node: ast.AST) -> range:
    """The lines under `if TYPE_CHECKING:`."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return range(node.body[0].lineno, (node.body[-1].end_lineno or 0) + 1)
    return range(0)


@pytest.mark.parametrize("package", sorted({name[0] for name in KNOWN if len(name) > 1}))
def test_inside_a_package_no_imports_go_in_a_circle(package: str) -> None:
    graph = {
        name_of(path): {target for _, target in imports_at_run_time(path) if target[0] == package and target != name_of(path)}
        for path in MODULES
        if name_of(path)[0] == package
    }
    assert len(graph) > 1
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as fault:
        pytest.fail(" -> ".join(".".join(name) for name in fault.args[1]))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_heavy_libraries_are_imported_only_where_they_may_be(path: Path) -> None:
    allowed = ONLY_IN | DEPENDENCIES
    heavy = {*allowed, "safetensors", "huggingface_hub", "accelerate", "peft", "gguf", "pickle", "yaml", "requests"}
    here = "/".join(name_of(path)) + "/"
    wrong = [
        f"line {line}: {name}"
        for line, name in foreign(path)
        if name in heavy and not here.startswith(tuple(f"{folder}/" for folder in allowed.get(name, ())))
    ]
    assert wrong == []


# the test itself


def test_an_import_that_points_up_would_be_seen(tmp_path: Path) -> None:
    for text, seen in (
        ("from ..engine import scan", ("engine",)),
        ("from .. import policy", ("policy",)),
        ("import dtypecheck.cli", ("cli",)),
        ("def f():\n    from ..render.json import render", ("render", "json")),
        ("from dtypecheck.testing import lay_out", ("testing",)),
        ("from .header import refuse", ("read", "header")),
        ("from . import header", ("read", "header")),
        ("import dtypecheck", ("__init__",)),
    ):
        assert [name for _, name in imports(Written(text))] == [seen], text  # type: ignore[arg-type]


class Written:
    """A module of the package read/ that was never saved."""

    def __init__(self, text: str) -> None:
        self.text = text

    def relative_to(self, _: Path) -> Path:
        return Path("read/unsaved.py")

    def read_text(self, _: str) -> str:
        return self.text
