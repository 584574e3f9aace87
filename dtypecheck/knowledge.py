"""What is known, as rows of data: reads rules/*.toml, and of each only the rows that are asked for.

A row is an array-of-tables entry, `[[AutoencoderKL]]`, whose header is what it is looked up by. Several rows may share a
header. A file is cut at its headers as text and only the wanted rows are parsed, so that a scan stays light. The price: a
table inside a row is written inline, `{...}`, a header without blanks, and no line of a long text begins with `[[`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .plugins import row_folders

Row = Mapping[str, Any]


def holds(row: Row, version: tuple[int, ...]) -> bool:
    """True when a row is about this version of its library: from `since` on, before `until`; the newest where none is known."""

    def at(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split("."))

    if not version:
        return "until" not in row
    return ("since" not in row or version >= at(row["since"])) and ("until" not in row or version < at(row["until"]))


class BadRow(ValueError):
    """A row that cannot be read; the text names the file, the row and the cause."""


_HEADER = re.compile(r'^\[\[("[^"\n]+"|[^\s"\]]+)\]\][ \t]*(?:#.*)?$', re.MULTILINE)

_INNER = re.compile(r"^\[[\w.\"' -]+\](?=[ \t]*(?:#.*)?$)", re.MULTILINE)
"""A table's header, `[AutoencoderKL.config]`; not the line of an array, which ends in a comma or is indented."""


def folder() -> Path:
    """Where the rows that ship with this package are: inside an installed wheel, else beside the package in a checkout."""
    packed = Path(__file__).parent / "_rules"
    return packed if packed.is_dir() else Path(__file__).parent.parent / "rules"


def folders(more: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Every folder of rows: ours, those of plugins, then `more`. errors: plugins.BadPlugin."""
    return (folder(), *row_folders(), *more)


@dataclass(frozen=True)
class Table:
    """One file of rows, cut into its headers and their texts."""

    path: Path

    @cached_property
    def _text(self) -> str:
        return "\n" + self.path.read_text("utf-8") if self.path.is_file() else ""

    @cached_property
    def _parsed(self) -> dict[str, tuple[Row, ...]]:
        return {}

    def names(self) -> tuple[str, ...]:
        """Every header, in the order of the file."""
        return tuple(dict.fromkeys(header.group(1).strip().strip('"') for header in _HEADER.finditer(self._text)))

    def rows(self, name: str) -> tuple[Row, ...]:
        """The rows under one header, parsed; none if there is no such header.

        errors: BadRow when a row is not TOML, or holds a table under a header of its own.
        """
        if name not in self._parsed:
            self._parsed[name] = tuple(self._parse(name))
        return self._parsed[name]

    def _parse(self, name: str) -> Iterator[Row]:
        for header in (f"\n[[{name}]]", f'\n[["{name}"]]'):
            start = self._text.find(header)
            while start >= 0:
                end = self._text.find("\n[[", start + 1)
                text = self._text[start + len(header) : end if end >= 0 else None]
                if inner := _INNER.search(text):
                    raise BadRow(f"{self.path}: {inner.group()} in [[{name}]] must be written inline, {{...}}")
                try:
                    yield tomllib.loads(text)
                except tomllib.TOMLDecodeError as fault:
                    raise BadRow(f"{self.path}: the row [[{name}]] is not TOML: {fault}") from None
                start = self._text.find(header, start + 1)


@dataclass(frozen=True)
class Knowledge:
    """All tables of one or several folders; rows of later folders come after those of the first."""

    folders: tuple[Path, ...] = field(default_factory=lambda: (folder(),))

    @cached_property
    def _tables(self) -> dict[str, tuple[Table, ...]]:
        return {}

    def tables(self, name: str) -> tuple[Table, ...]:
        """The tables called `name` (a file name without .toml), one a folder."""
        if name not in self._tables:
            self._tables[name] = tuple(Table(place / f"{name}.toml") for place in self.folders)
        return self._tables[name]

    def rows(self, table: str, name: str) -> tuple[Row, ...]:
        """The rows of a table under one header."""
        return tuple(row for part in self.tables(table) for row in part.rows(name))

    def row(self, table: str, name: str) -> Row:
        """The one row under a header, an empty one if there is none; a later folder's keys win."""
        merged: dict[str, Any] = {}
        for row in self.rows(table, name):
            merged |= row
        return merged

    def all(self, table: str) -> Iterator[tuple[str, Row]]:
        """Every row of a table with its header."""
        for part in self.tables(table):
            for name in part.names():
                for row in part.rows(name):
                    yield name, row

    def names(self, table: str) -> tuple[str, ...]:
        """Every header of a table."""
        return tuple(dict.fromkeys(name for part in self.tables(table) for name in part.names()))
