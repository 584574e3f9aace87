"""The rules that a file or folder defines, and what is wrong with their pages: for who writes rules."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Final

from .. import checks
from ..knowledge import Knowledge, folders
from ..plugins import BadPlugin
from ..request import WrongUse
from ..rule import Rule, rules
from ..runs.foreign import foreign
from .pages import failures

_DEFINES: Final = re.compile(r"^[ \t]+code\s*(?::[^=\n]+)?=\s*[\"']", re.MULTILINE)
"""A module that gives a code; no other one of a folder is imported."""


def rules_in(path: Path) -> tuple[type[Rule], ...]:
    """The rules that a file, or the files of a folder, define. Their modules are imported, tests are not.

    errors: WrongUse where there is none, or another module of the same name stands in the way; plugins.BadPlugin.
    """
    if not path.exists():
        raise WrongUse(f"{path}: there is no such file or folder")
    files = [file for file in ([path] if path.is_file() else sorted(path.rglob("*.py"))) if _defines(file)]
    names = {file: _module(file) for file in files}
    for root, _ in names.values():
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))  # before an installed copy of the same package
    checks.load()
    for file, (_, name) in names.items():
        with foreign(BadPlugin, f"{file} cannot be imported"):
            module = importlib.import_module(name)
        if Path(module.__file__ or "").resolve() != file.resolve():
            raise WrongUse(f"{file}: the module {name} is imported from {module.__file__}")
    wanted = {file.resolve() for file in files}
    found = tuple(rule for rule in rules() if Path(inspect.getfile(rule)).resolve() in wanted)
    if not found:
        raise WrongUse(f"{path}: there is no rule in it (a class under dtypecheck.rule.Rule with a code)")
    return found


def wrong_with(rule: type[Rule]) -> list[str]:
    """What is wrong with a rule's page and examples, in words; nothing where all hold."""
    known = Knowledge(folders())
    try:
        with foreign(BadPlugin, f"{rule.name} raises"):
            return failures(rule, known)
    except BadPlugin as fault:
        return [str(fault)]


def _defines(file: Path) -> bool:
    if file.name.startswith(("test_", "conftest")) or any(part.startswith(".") for part in file.parts[1:]):
        return False
    return _DEFINES.search(file.read_text("utf-8", errors="replace")) is not None


def _module(file: Path) -> tuple[Path, str]:
    """The folder that Python imports a file from, and its dotted name there."""
    folder, parts = file.resolve().parent, [] if file.stem == "__init__" else [file.stem]
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)
