"""[tool.dtypecheck] of pyproject.toml, or dtypecheck.toml, to Settings: from the working directory upward, never from a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ..dtypes import DType
from ..findings import SEVERITIES
from .file import find, table_in, toml_in
from .keys import DTYPES, FLAG, RULES, SIZE, SOME, TEXT, BadSettings, Key, Kind, Unfit, choice, choices, read_keys, schema_of
from .keys import table as one_table
from .keys import tables as several_tables
from .places import Ground, fits, named

FORMATS: Final = ("terminal", "concise", "json", "html", "markdown", "sarif", "junit", "github", "gitlab")
FAIL_ON: Final = (*SEVERITIES, "never")
CHECKS: Final = ("rehearsal", "run", "values", "weights", "scripts")
"""What a gate may be told that it must have seen."""

__all__ = [
    "CHECKS", "FAIL_ON", "FORMATS", "BadSettings", "Demands", "Ignore", "Override", "Settings", "config_schema", "find", "parse",
    "parse_demands", "read", "read_demands",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ignore:
    """One [[tool.dtypecheck.ignore]]: rules, the paths they are muted in (a glob), and the reason that is required.

    line: where it begins in its file, None where nobody knows.
    """

    rules: tuple[str, ...]
    reason: str
    path: str = "*"
    line: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Override:
    """One [[tool.dtypecheck.overrides]]: what holds for targets and findings whose path fits one of the globs.

    None stands for what it says nothing about. select takes the place of the one for all, ignore and extend_select add to it.
    """

    path: tuple[str, ...]
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    dtype: str | None = None
    variant: str | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Demands:
    """What a gate demands besides that it runs.

    require: by component, the dtypes that it may be loaded in. forbid: by class, those that it must not be loaded in.
    pickles: False where they are forbidden. max_bytes: of a pipeline's weights after loading. checks: of CHECKS, what must have
    been looked at. scripts: whether scripts are executed to rehearse them.
    """

    require: Mapping[str, tuple[DType, ...]] = field(default_factory=dict)
    forbid: Mapping[str, tuple[DType, ...]] = field(default_factory=dict)
    pickles: bool = True
    max_bytes: int | None = None
    checks: tuple[str, ...] = ()
    scripts: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What a settings file may say. Each but `suppressions`, `overrides` and `gate` has a flag of the same name, which wins.

    file: where they were read, None for the defaults; a path in them is relative to its folder. ground: what is looked at.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    fail_on: str = "error"
    dtype: str | None = None
    variant: str | None = None
    device: str | None = None
    output_format: str | None = None
    baseline: str | None = None
    suppressions: tuple[Ignore, ...] = ()
    overrides: tuple[Override, ...] = ()
    gate: Demands = field(default_factory=Demands)
    file: Path | None = field(default=None, compare=False)
    ground: Ground = field(default_factory=Ground, compare=False)

    @property
    def folder(self) -> Path:
        """What paths in the settings are relative to."""
        return self.file.absolute().parent if self.file else self.ground.here

    def called(self, place: str) -> str:
        """What a place, as the working directory sees it, is called from the settings' folder."""
        return named(self.ground.here / place, self.folder)

    def overriding(self, place: str) -> tuple[Override, ...]:
        """The overrides for a place, as the working directory sees it, in their order."""
        name = self.called(place) if self.overrides else ""
        return tuple(override for override in self.overrides if fits(name, override.path))

    def asks(self, target: Path) -> dict[str, str | None]:
        """The dtype, variant and device for a target: those for all, or what the last override that fits says."""
        asked: dict[str, str | None] = {"dtype": self.dtype, "variant": self.variant, "device": self.device}
        name = named(self.ground.here / target, self.folder) if self.overrides else ""
        for override in self.overrides:
            if fits(name, override.path):
                own = {key: getattr(override, key) for key in asked}
                asked |= {key: value for key, value in own.items() if value is not None}
        return asked


def read(path: Path) -> Settings:
    """The settings in a file. errors: BadSettings; OSError when it cannot be read."""
    found = parse(table_in(path) or {}, path.name)
    lines = _HEADER.finditer(path.read_text("utf-8-sig")) if found.suppressions else ()
    begin = [match.string.count("\n", 0, match.start()) + 1 for match in lines]
    placed = found.suppressions
    if len(begin) == len(placed):
        placed = tuple(replace(item, line=line) for item, line in zip(placed, begin, strict=True))
    return replace(found, suppressions=placed, file=path)


_HEADER: Final = re.compile(r"^[ \t]*\[\[\s*(?:tool\s*\.\s*dtypecheck\s*\.\s*)?ignore\s*\]\]", re.MULTILINE)


def read_demands(path: Path) -> Demands:
    """What a policy file demands: a TOML file with the keys of [tool.dtypecheck.gate]. errors: BadSettings; OSError."""
    given = toml_in(path)
    if "tool" in given or "gate" in given:
        raise BadSettings(
            f"{path.name}: a policy holds the keys of [tool.dtypecheck.gate] without that header; settings go to --config"
        )
    return parse_demands(given, path.name)


def parse_demands(given: Mapping[str, Any], name: str) -> Demands:
    """Demands out of a TOML table. errors: BadSettings."""
    try:
        return _demands(**read_keys(given, _GATE))
    except BadSettings as fault:
        raise BadSettings(f"{name}: {fault}") from None


def parse(given: Mapping[str, Any], name: str) -> Settings:
    """Settings out of a TOML table. errors: BadSettings for an unknown key, a wrong type or an ignore without a reason."""
    try:
        values = read_keys(given, _SETTINGS)
    except BadSettings as fault:
        raise BadSettings(f"{name}: {fault}") from None
    if "ignore" in values:
        values["ignore"], values["suppressions"] = values["ignore"]
    return Settings(**values)


def config_schema() -> dict[str, Any]:
    """The JSON schema of [tool.dtypecheck] and dtypecheck.toml, for editors; made of the table that they are read by."""
    about = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Settings of dtypecheck"}
    return about | schema_of(_SETTINGS)


def _read_ignores(value: Any) -> tuple[tuple[str, ...], tuple[Ignore, ...]]:
    """`ignore`: rules that are left out, and tables of rules that are muted for a reason; TOML lets both stand in one list."""
    if not isinstance(value, list) or not all(isinstance(item, (str, dict)) for item in value):
        raise Unfit
    plain = tuple(item for item in value if isinstance(item, str))
    return plain, tuple(_ignore(item) for item in value if isinstance(item, dict))


def _ignore(item: Mapping[str, Any]) -> Ignore:
    said = read_keys({key: value for key, value in item.items() if key != "reason"}, _IGNORE_BUT_REASON, "[[ignore]]")
    reason = item.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise BadSettings(f"[[ignore]] of {', '.join(said['rules'])} gives no reason; one is required")
    return Ignore(said["rules"], reason.strip(), said.get("path", "*"))


def _demands(**values: Any) -> Demands:
    names = {"forbid_pickles": "pickles", "require_checks": "checks"}
    made = {names.get(name, name): value for name, value in values.items()}
    return Demands(**made | ({"pickles": not made["pickles"]} if "pickles" in made else {}))


_IGNORE_BUT_REASON: Final = {
    "rules": Key(SOME, "The rules that are muted: codes, prefixes or names.", required=True),
    "path": Key(TEXT, "A glob over the paths of findings; * stands for folders too. Without it: everywhere."),
}
_IGNORE: Final = _IGNORE_BUT_REASON | {
    "reason": Key(Kind("a reason", {"type": "string", "pattern": r"\S"}, TEXT.read), "Why; it is shown.", required=True)
}
_IGNORES: Final = Kind(
    'a list of rules, as ["DT1"], or tables, each under [[ignore]]',
    {"type": "array", "items": {"anyOf": [{"type": "string"}, schema_of(_IGNORE)]}},
    _read_ignores,
)
_ASKED: Final = {
    "dtype": Key(TEXT, "What is asked for when a model is loaded: float16, or float16,vae=float32."),
    "variant": Key(TEXT, "As in from_pretrained(variant=...): fp16, bf16, ..."),
    "device": Key(TEXT, "Where it will run: t4, a100, sm75, cuda, mps, cpu, ..."),
}
_OVERRIDE: Final = {
    "path": Key(SOME, "Globs over paths, relative to the folder of this file; * stands for folders too.", required=True),
    "select": Key(RULES, "Only these rules, for findings in these paths."),
    "ignore": Key(RULES, "Not these rules, for findings in these paths."),
    "extend-select": Key(RULES, "These rules besides the selected ones, for findings in these paths."),
    **_ASKED,
}
_GATE: Final = {
    "require": Key(DTYPES, "By component, the dtypes that it may be loaded in."),
    "forbid": Key(DTYPES, "By class, the dtypes that it must not be loaded in."),
    "forbid-pickles": Key(FLAG, "Whether a file of weights that is a pickle stops a deployment."),
    "max-bytes": Key(SIZE, "The most that the weights of a pipeline may take after loading."),
    "require-checks": Key(choices(CHECKS), "What must have been looked at."),
    "scripts": Key(FLAG, "Whether scripts are executed to rehearse them, as with --run-scripts. That is no sandbox."),
}
_SETTINGS: Final = {
    "select": Key(RULES, "Only these rules: codes, prefixes or names."),
    "ignore": Key(_IGNORES, "Not these rules; or rules that are muted in some paths, with the reason."),
    "extend-select": Key(RULES, "These rules besides the selected ones."),
    "fail-on": Key(choice(FAIL_ON), "The least severity that makes the exit code 1."),
    **_ASKED,
    "output-format": Key(choice(FORMATS), "How a report is written."),
    "baseline": Key(TEXT, "A file of findings that are known already, relative to the folder of this file."),
    "overrides": Key(several_tables(_OVERRIDE, "[[overrides]]", Override), "What holds for some paths; later ones win."),
    "gate": Key(one_table(_GATE, "[gate]", _demands), "What dtypecheck gate demands."),
}
