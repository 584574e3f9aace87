"""The JSON files of a model: parsed, or the problem that says which line is broken and by what."""

from __future__ import annotations

import json
from typing import Any, Final

from ..files import Entry, Files
from ..findings import Where
from ..subjects import Config, Problem
from .header import BROKEN_JSON, LFS_POINTER, UNREADABLE

_LIMIT: Final = 64_000_000
_KINDS: Final = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "a truth value", type(None): "null"}
_MARKS: Final = ("<<<<<<<", "=======", ">>>>>>>")


def read_config(files: Files, entry: Entry) -> tuple[Config | None, Problem | None]:
    """The object in a JSON file, or what is wrong with it (never both)."""
    if entry.size > _LIMIT:
        return None, Problem(BROKEN_JSON, Where(entry.name), f"{entry.size:,} bytes is no model's configuration")
    try:
        text = files.read(entry.name).decode("utf-8-sig")
    except OSError as fault:
        return None, Problem(UNREADABLE, Where(entry.name), fault.strerror or str(fault))
    except UnicodeDecodeError as fault:
        return None, Problem(BROKEN_JSON, Where(entry.name), f"no UTF-8 text at byte {fault.start}")
    if text.startswith("version https://git-lfs"):
        return None, Problem(LFS_POINTER, Where(entry.name), "a Git-LFS pointer, not the file")
    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError as fault:
        return None, _broken(entry.name, text, fault)
    except (RecursionError, ValueError):
        return None, Problem(BROKEN_JSON, Where(entry.name), "nested too deep, or a number too long")
    if not isinstance(data, dict):
        return None, Problem(BROKEN_JSON, Where(entry.name, line=1), f"an object is wanted, it holds {_KINDS[type(data)]}")
    return Config(entry.name, data, text), None


def _broken(path: str, text: str, fault: json.JSONDecodeError) -> Problem:
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(_MARKS[0]) or (line.startswith(_MARKS[1:]) and number >= fault.lineno):
            return Problem(BROKEN_JSON, Where(path, line=number), "the marks of a merge conflict are in it")
    if not text.strip():
        return Problem(BROKEN_JSON, Where(path), "it is empty")
    if fault.msg == "Extra data":
        return Problem(BROKEN_JSON, Where(path, line=fault.lineno), f"a second JSON document begins at line {fault.lineno}")
    if fault.pos >= len(text.rstrip()):
        return Problem(BROKEN_JSON, Where(path, line=fault.lineno), f"it ends in the middle, at line {fault.lineno}")
    return Problem(BROKEN_JSON, Where(path, line=fault.lineno), f"line {fault.lineno}, column {fault.colno}: {fault.msg}")
