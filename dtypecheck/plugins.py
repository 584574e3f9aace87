"""Rules and rows of others: installed distributions that have an entry point of ours.

`dtypecheck.checks` names a module or package whose import registers rules (where that of a package registers none, its modules
are imported too); `dtypecheck.rules` a package, or a folder in one, that holds rows, as `--rules-dir` does. A distribution is
found by its metadata on the path that Python imports from, without importlib.metadata, which takes longer than a small scan; the
working directory is no such path: it may be a stranger's model. What cannot be used ends the command: a gate must not turn green
because a rule is missing.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from .rule import Rule, rules

Group = Literal["dtypecheck.checks", "dtypecheck.rules"]
_CODE: Final = re.compile(r"[A-Z]{2,8}[0-9]{2,4}")
_OURS: Final = re.compile(r"DT[0-9]")
_NO_RULES: Final = ("_", "test", "conftest")


class BadPlugin(ValueError):
    """A plugin that cannot be used; the text names the distribution and the cause."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point. distribution: its name and version; value: module, or module:attribute."""

    distribution: str
    group: str
    name: str
    value: str

    @property
    def module(self) -> str:
        """The module that it names."""
        return self.value.partition(":")[0].strip()

    def __str__(self) -> str:
        return f"the plugin {self.distribution} ({self.group}: {self.name} = {self.value})"

    def wrong(self, cause: str) -> BadPlugin:
        """The error for this plugin."""
        return BadPlugin(f"{self} {cause}")


@cache
def plugins() -> tuple[Plugin, ...]:
    """Every entry point of ours, by distribution; of two distributions of one name the first on the path counts."""
    found: dict[str, list[Plugin]] = {}
    here = Path.cwd()
    for place in dict.fromkeys(sys.path):
        if not place or Path(place) == here:
            continue
        try:
            names = sorted(entry.name for entry in os.scandir(place) if entry.name.endswith((".dist-info", ".egg-info")))
        except OSError:
            continue
        for name in names:
            title = re.sub(r"\.(dist|egg)-info$", "", name)
            key = re.sub(r"[-_.]+", "-", title.partition("-")[0]).lower()
            if key not in found:
                found[key] = list(_of(os.path.join(place, name, "entry_points.txt"), title))  # noqa: PTH118 - paths cost time here
    return tuple(plugin for key in sorted(found) for plugin in found[key])


def _of(path: str, title: str) -> tuple[Plugin, ...]:
    """The entry points of ours in a distribution's entry_points.txt."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return ()
    if b"[dtypecheck." not in content:
        return ()
    group, found = "", []
    for line in content.decode("utf-8", "replace").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("["):
            group = text.strip("[] ")
        elif "=" in text and group in ("dtypecheck.checks", "dtypecheck.rules"):
            name, _, value = text.partition("=")
            found.append(Plugin(title.replace("-", " ", 1), group, name.strip(), value.strip()))
    return tuple(found)


def of_group(group: Group) -> tuple[Plugin, ...]:
    """The entry points of one kind."""
    return tuple(plugin for plugin in plugins() if plugin.group == group)


def register() -> None:
    """Import the rules of every plugin. Ours must be there already, so that whoever clashes with them is told.

    errors: BadPlugin for one that cannot be imported, registers no rule, or whose codes or names are not its own to give; what
    else its modules raise comes out as it is, and `whose` tells of whom.
    """
    for plugin in of_group("dtypecheck.checks"):
        try:
            _import(plugin)
        except (ImportError, SyntaxError, AttributeError, TypeError) as fault:
            raise plugin.wrong(f"cannot be imported: {type(fault).__name__}: {fault}") from fault
        own = rules_of(plugin.module)
        if not own:
            raise plugin.wrong("registers no rule")
        taken = {rule.name: rule for rule in rules() if rule not in own}
        for rule in own:
            if _OURS.match(rule.code) or not _CODE.fullmatch(rule.code):
                raise plugin.wrong(
                    f"gives {rule.__name__} the code {rule.code!r}: it wants letters other than DT, and digits, as ABC101"
                )
            if rule.name in taken:
                raise plugin.wrong(f"has a rule {rule.code} called {rule.name!r}, as {taken[rule.name].code} is")


def whose(fault: BaseException) -> Plugin | None:
    """The plugin in whose code something was raised, None where it was in none."""
    trace, names = fault.__traceback__, []
    while trace is not None:
        names.append(f"{trace.tb_frame.f_globals.get('__name__', '')}.")
        trace = trace.tb_next
    return next((plugin for name in reversed(names) for plugin in plugins() if name.startswith(f"{plugin.module}.")), None)


def rules_of(module: str) -> tuple[type[Rule], ...]:
    """The rules that are defined in a module or package."""
    return tuple(rule for rule in rules() if f"{rule.__module__}.".startswith(f"{module}."))


def _import(plugin: Plugin) -> None:
    import importlib
    import pkgutil

    module = importlib.import_module(plugin.module)
    for name in filter(None, plugin.value.partition(":")[2].strip().split(".")):
        getattr(module, name)
    for inner in pkgutil.iter_modules(() if rules_of(plugin.module) else getattr(module, "__path__", ())):
        if not inner.name.startswith(_NO_RULES):
            importlib.import_module(f"{plugin.module}.{inner.name}")


def row_folders() -> tuple[Path, ...]:
    """The folders of rows that plugins bring. errors: BadPlugin for one that is not there or holds no .toml file."""
    return tuple(map(_folder, of_group("dtypecheck.rules")))


def _folder(plugin: Plugin) -> Path:
    from importlib.util import find_spec

    first, *rest = plugin.module.split(".")
    rest += [part for part in re.split(r"[./]", plugin.value.partition(":")[2].strip()) if part]
    try:
        spec = find_spec(first)
    except (ImportError, ValueError) as fault:
        raise plugin.wrong(f"cannot be imported: {type(fault).__name__}: {fault}") from fault
    places = [Path(place).joinpath(*rest) for place in (spec.submodule_search_locations or ())] if spec else []
    for place in places:
        if place.is_dir() and any(path.suffix == ".toml" for path in place.iterdir()):
            return place
    raise plugin.wrong("names no folder with .toml files")
