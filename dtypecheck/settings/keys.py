"""One table of keys says what a settings file may hold: it is read by that table, and its JSON schema is made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from ..dtypes import DType, nearest, parse

Schema = Mapping[str, Any]


class BadSettings(ValueError):
    """Settings that cannot be understood; the text names the file, the key and the nearest known one."""


class Unfit(ValueError):
    """A value that a key cannot hold; the text says what is wrong where `wants ..., not ...` would not."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key may hold: in words behind `wants`, as a JSON schema, and `read`, which gives our value or raises Unfit."""

    wants: str
    schema: Schema
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it may hold, and what it is for. required: the table is wrong without it."""

    kind: Kind
    says: str
    required: bool = False


Keys = Mapping[str, Key]


def read_keys(given: Any, keys: Keys, header: str = "") -> dict[str, Any]:
    """The values of a table, by their names in Python. header: `[gate]`, for messages; "" for the whole file.

    errors: BadSettings, without the name of the file, for an unknown key, a wrong value, or a required key that is not there.
    """
    start = header and f"{header} "
    if not isinstance(given, Mapping):
        raise BadSettings(f"{start}wants a table, not {shown(given)}")
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in keys:
            what = "has no key" if header else "unknown key"
            raise BadSettings(f"{start}{what} {name!r}{near(name, tuple(keys))}")
        kind = keys[name].kind
        try:
            values[name.replace("-", "_")] = kind.read(value)
        except Unfit as fault:
            raise BadSettings(f"{start}{name} {str(fault) or f'wants {kind.wants}, not {shown(value)}'}") from None
    missing = next((name for name, key in keys.items() if key.required and name not in given), None)
    if missing:
        raise BadSettings(f"{start}wants {missing}: {keys[missing].kind.wants}")
    return values


def near(word: str, known: Sequence[str]) -> str:
    """`; the nearest is 'select'`, or nothing."""
    found = get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; the nearest is {found[0]!r}" if found else ""


def schema_of(keys: Keys) -> dict[str, Any]:
    """The JSON schema of a table."""
    made: dict[str, Any] = {
        "type": "object",
        "properties": {name: {"description": key.says, **key.kind.schema} for name, key in keys.items()},
        "additionalProperties": False,
    }
    required = [name for name, key in keys.items() if key.required]
    return made | ({"required": required} if required else {})


def table(keys: Keys, header: str, make: Callable[..., Any]) -> Kind:
    """A table in the table: `[gate]`."""
    return Kind("a table", schema_of(keys), lambda value: make(**read_keys(value, keys, header)))


def tables(keys: Keys, header: str, make: Callable[..., Any]) -> Kind:
    """An array of tables: `[[overrides]]`."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Unfit
        return tuple(make(**read_keys(item, keys, header)) for item in value)

    return Kind(f"tables, each under {header}", {"type": "array", "items": schema_of(keys)}, read)


def choice(words: Sequence[str]) -> Kind:
    """One of some words."""

    def read(value: Any) -> str:
        if value not in words:
            raise Unfit(f"is one of {', '.join(words)}, not {shown(value)}")
        return str(value)

    return Kind(f"one of {', '.join(words)}", {"enum": list(words)}, read)


def choices(words: Sequence[str]) -> Kind:
    """A list of some words."""
    listed = ", ".join(words)

    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise Unfit
        if unknown := [item for item in value if item not in words]:
            raise Unfit(f"knows {listed}, not {unknown[0]!r}{near(unknown[0], words)}")
        return tuple(value)

    return Kind(f"a list of {listed}", {"type": "array", "items": {"enum": list(words)}}, read)


def _read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit
    return value


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit
    return value


def _read_list(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Unfit
    return tuple(value)


def _read_some(value: Any) -> tuple[str, ...]:
    found = _read_list([value] if isinstance(value, str) else value)
    if not found or not all(item.strip() for item in found):
        raise Unfit
    return found


_UNITS: Final = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE: Final = r"([0-9]+(?:\.[0-9]+)?)\s*((?:[KkMmGg]i?|[Tt])?[Bb]?)"


def _read_size(value: Any) -> int:
    """Bytes; decimal units as the Hub counts them."""
    size = value if isinstance(value, int) and not isinstance(value, bool) else 0
    if isinstance(value, str) and (match := re.fullmatch(_SIZE, value.strip())):
        size = int(float(match[1]) * _UNITS[match[2].lower().removesuffix("b") + "b"])
    if size < 1:
        raise Unfit
    return size


def _read_dtypes(value: Any) -> dict[str, tuple[DType, ...]]:
    if not isinstance(value, Mapping):
        raise Unfit
    found: dict[str, tuple[DType, ...]] = {}
    for name, words in value.items():
        listed = [words] if isinstance(words, str) else words
        if not isinstance(listed, list) or not listed or not all(isinstance(word, str) for word in listed):
            raise Unfit(f'of {name!r} wants a list of dtypes, as ["bfloat16"], not {shown(words)}')
        made = []
        for word in listed:
            if (dtype := parse(word)) is None:
                alike = nearest(word)
                raise Unfit(f"of {name!r}: no dtype is called {word!r}" + (f"; the nearest is {alike}" if alike else ""))
            made.append(dtype)
        found[name] = tuple(dict.fromkeys(made))
    return found


_TEXTS: Final[Schema] = {"type": "array", "items": {"type": "string"}}
_DTYPE: Final[Schema] = {"type": "string", "examples": ["float16", "bfloat16", "float32"]}

TEXT: Final = Kind("a text", {"type": "string"}, _read_text)
FLAG: Final = Kind("true or false", {"type": "boolean"}, _read_flag)
RULES: Final = Kind('a list of rules, as ["DT1"]', _TEXTS, _read_list)
SOME: Final = Kind(
    "a text or a list of texts, not empty",
    {"anyOf": [{"type": "string", "pattern": r"\S"}, {**_TEXTS, "items": {"type": "string", "pattern": r"\S"}, "minItems": 1}]},
    _read_some,
)
SIZE: Final = Kind(
    'a size, as "7GB" or 7000000000',
    {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": rf"^\s*{_SIZE}\s*$"}]},
    _read_size,
)
DTYPES: Final = Kind(
    'a table of dtypes, as {vae = ["bfloat16", "float32"]}',
    {"type": "object", "additionalProperties": {"anyOf": [_DTYPE, {"type": "array", "items": _DTYPE, "minItems": 1}]}},
    _read_dtypes,
)


def shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
