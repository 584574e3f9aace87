"""What people wrote: the JSON files of a model, and the line that a key stands on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..findings import Where


@dataclass(frozen=True, slots=True)
class Config:
    """A JSON file of a model: its data, and the text to find lines in."""

    path: str
    data: Mapping[str, Any]
    text: str = field(default="", repr=False)

    def get(self, *keys: str) -> Any:
        """The value of the first of these top-level keys that is there and not null, else None."""
        return next((self.data[key] for key in keys if self.data.get(key) is not None), None)

    def where(self, *keys: str) -> Where:
        """The place of a nested key, `where("text_config", "dtype")`, with its line; the file alone if it has no such key."""
        line = line_of(self.text, keys)
        return Where(self.path, pointer(*keys) if line else "", line)


def pointer(*keys: str) -> str:
    """The JSON pointer (RFC 6901) of nested keys."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"\s*:?|[{}\[\]\n]')


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """The line (from 1) of a nested object key in a JSON text, None if it is not there; the last one where it is repeated."""
    line, found = 1, None
    inside: list[str | None] = []
    key: str | None = None
    for token in _TOKEN.finditer(text):
        word = token.group()
        match word[0]:
            case "\n":
                line += 1
            case "{" | "[":
                inside.append(key)
                key = None
            case "}" | "]":
                del inside[-1:]
                key = None
            case _:
                if word.endswith(":"):
                    key = json.loads(word[:-1]) if "\\" in word else word[1 : word.rindex('"')]
                    if len(inside) == len(keys) and [*inside[1:], key] == list(keys):
                        found = line
                line += word.count("\n")
    return found
