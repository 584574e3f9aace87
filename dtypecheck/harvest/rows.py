"""Writes harvested rows into the text of a rules file: what was curated stays, a row that says the same keeps its text."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

_HEADER = re.compile(r"^\[\[(.+?)\]\][ \t]*(?:#.*)?$", re.MULTILINE)
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


@dataclass(frozen=True, slots=True)
class Block:
    """One row of a file: its header's name and everything from the header to the next."""

    name: str
    text: str

    def row(self) -> Row:
        return tomllib.loads(self.text.split("\n", 1)[1] if "\n" in self.text else "")


def cut(text: str) -> tuple[str, list[Block]]:
    """What stands before the first header, and the blocks."""
    headers = list(_HEADER.finditer(text))
    ends = [*(header.start() for header in headers[1:]), len(text)][: len(headers)]
    blocks = [
        Block(header.group(1).strip().strip('"'), text[header.start() : end]) for header, end in zip(headers, ends, strict=True)
    ]
    return (text[: headers[0].start()] if headers else text), blocks


def merge(text: str, harvested: Mapping[str, Row], mine: Callable[[Row], bool], join: Callable[[Row, Row], Row]) -> str:
    """The file with every harvested row in it.

    `mine` says which rows a harvest may change; `join(old, new)` gives the row to write, with an empty `old` for a new one.
    A row that is held by hand (`by_hand = true`) stays as it is and no second one of its name comes.
    """
    head, blocks = cut(text)
    written: list[Block] = []
    for block in blocks:
        old = block.row()
        if block.name in harvested and mine(old):
            new = join(old, harvested[block.name])
            written.append(block if new == old else Block(block.name, show(block.name, new)))
        else:
            written.append(block)
    known = {block.name for block in blocks if mine(block.row()) or block.row().get("by_hand")}
    for name, row in harvested.items():
        if name not in known:
            _insert(written, Block(name, show(name, join({}, row))))
    return head + "".join(block.text for block in written)


def _insert(blocks: list[Block], block: Block) -> None:
    """Before the first block that sorts after it; the files are kept in that order."""
    place = next((at for at, other in enumerate(blocks) if _order(other.name) > _order(block.name)), len(blocks))
    blocks.insert(place, block)


def _order(name: str) -> tuple[bool, str]:
    return ":" in name, name


def show(name: str, row: Row) -> str:
    """A row as TOML, with a blank line behind it; a list of tables has one a line, a text of many words many."""
    return f"[[{_key(name)}]]\n" + "".join(f"{_key(key)} = {_lines(item)}\n" for key, item in row.items()) + "\n"


def _lines(item: object) -> str:
    if isinstance(item, list) and len(item) > 1 and all(isinstance(one, dict) for one in item):
        return "[\n" + "".join(f"  {value(one)},\n" for one in item) + "]"
    if isinstance(item, str) and "\n" in item:  # words, many to a line
        return f"'''\n{item}'''"
    return value(item)


def value(item: object) -> str:
    """A value as TOML on one line."""
    match item:
        case bool():
            return "true" if item else "false"
        case str():
            return json.dumps(item, ensure_ascii=False)
        case int() | float():
            return repr(item)
        case list() | tuple():
            return "[" + ", ".join(value(one) for one in item) + "]"
        case dict():
            inside = ", ".join(f"{_key(key)} = {value(one)}" for key, one in item.items())
            return "{ " + inside + " }" if inside else "{}"
        case _:
            raise TypeError(f"{type(item).__name__} has no place in a row")


def _key(name: str) -> str:
    return name if _BARE.match(name) else json.dumps(name, ensure_ascii=False)


def differences(before: str, after: str) -> Iterator[str]:
    """One line for every key that is new, gone or another, row by row."""
    old, new = _by_name(before), _by_name(after)
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            yield f"- [[{name}]]"
        elif name not in old:
            yield f"+ [[{name}]]"
        for key in sorted({*old.get(name, {}), *new.get(name, {})}):
            was, now = old.get(name, {}).get(key), new.get(name, {}).get(key)
            if isinstance(was, str) and isinstance(now, str) and "\n" in was + now:
                yield from (f"  {name}.{key}: {word} -> nothing" for word in sorted({*was.split()} - {*now.split()}))
                yield from (f"  {name}.{key}: nothing -> {word}" for word in sorted({*now.split()} - {*was.split()}))
            elif was != now:
                yield f"  {name}.{key}: {_shown(was)} -> {_shown(now)}"


def _by_name(text: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for block in cut(text)[1]:
        row = block.row()
        old = f" (until {row['until']})" if "until" in row else ""
        found[block.name + old] = row
    return found


def _shown(item: object) -> str:
    return "nothing" if item is None else value(item)
