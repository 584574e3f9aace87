"""[tool.dtypecheck] of pyproject.toml, or dtypecheck.toml, to Settings: from the working directory upward, never from a model."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from .findings import SEVERITIES

FORMATS: Final = ("terminal", "concise", "json", "html")
FAIL_ON: Final = (*SEVERITIES, "never")


class BadSettings(ValueError):
    """Settings that cannot be understood; the text names the file, the key and the nearest known one."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """One [[tool.dtypecheck.ignore]]: rules, the paths they are muted in (a glob), and the reason that is required."""

    rules: tuple[str, ...]
    reason: str
    path: str = "*"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a settings file may say. Each but `suppressions` has a flag of the same name, which wins."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    fail_on: str = "error"
    dtype: str | None = None
    variant: str | None = None
    device: str | None = None
    output_format: str | None = None
    suppressions: tuple[Ignore, ...] = ()


_LISTS: Final = ("select", "ignore", "extend-select")
_WORDS: Final = ("dtype", "variant", "device")
_CHOICES: Final = {"fail-on": FAIL_ON, "output-format": FORMATS}


def find(start: Path) -> Path | None:
    """The nearest settings file from a folder upward: dtypecheck.toml, or a pyproject.toml with a [tool.dtypecheck]."""
    for folder in (start, *start.parents):
        if (own := folder / "dtypecheck.toml").is_file():
            return own
        shared = folder / "pyproject.toml"
        if shared.is_file() and _table(shared) is not None:
            return shared
    return None


def read(path: Path) -> Settings:
    """The settings in a file. errors: BadSettings; OSError when it cannot be read."""
    return parse(_table(path) or {}, path.name)


def _table(path: Path) -> Mapping[str, Any] | None:
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise BadSettings(f"{path}: {fault}") from None
    if path.name != "pyproject.toml":
        return data
    tool = data.get("tool")
    table = tool.get("dtypecheck") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


def parse(table: Mapping[str, Any], name: str) -> Settings:
    """Settings out of a TOML table. errors: BadSettings for an unknown key, a wrong type or an ignore without a reason."""
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == "ignore" and isinstance(value, list):
            values["suppressions"] = tuple(_ignore(item, name) for item in value if isinstance(item, dict))
            value = [item for item in value if not isinstance(item, dict)]
        if key in _LISTS:
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise BadSettings(f'{name}: {key} wants a list of rules, as ["DT1"]')
            value = tuple(value)
        elif key in _CHOICES:
            if value not in _CHOICES[key]:
                raise BadSettings(f"{name}: {key} is one of {', '.join(_CHOICES[key])}, not {value!r}")
        elif key not in _WORDS:
            raise BadSettings(f"{name}: unknown key {key!r}{_near(key, (*_LISTS, *_CHOICES, *_WORDS))}")
        elif not isinstance(value, str):
            raise BadSettings(f"{name}: {key} wants a text, not {value!r}")
        values[key.replace("-", "_")] = value
    return Settings(**values)


def _ignore(item: Mapping[str, Any], name: str) -> Ignore:
    unknown = sorted(set(item) - {"rules", "reason", "path"})
    if unknown:
        raise BadSettings(f"{name}: [[ignore]] has no key {unknown[0]!r}{_near(unknown[0], ('rules', 'reason', 'path'))}")
    rules, reason, path = item.get("rules"), item.get("reason"), item.get("path", "*")
    listed = [rules] if isinstance(rules, str) else rules
    if not isinstance(listed, list) or not listed or not all(isinstance(rule, str) for rule in listed):
        raise BadSettings(f'{name}: [[ignore]] wants rules, as ["DT118"]')
    if not isinstance(reason, str) or not reason.strip() or not isinstance(path, str):
        raise BadSettings(f"{name}: [[ignore]] of {', '.join(listed)} gives no reason; one is required")
    return Ignore(tuple(listed), reason.strip(), path)


def _near(word: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(word, known, n=1, cutoff=0.4)
    return f"; the nearest is {near[0]!r}" if near else ""
