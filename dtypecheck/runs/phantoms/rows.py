"""How a row of phantoms.toml is read: what it takes over from another row, and values that are looked up when it is used."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Any, Final

from ...knowledge import Knowledge, Row

TABLE = "phantoms"
_CALCULATED: Final = {"*": operator.mul, "/": operator.floordiv, "-": operator.sub}


def row(name: str, known: Knowledge) -> Row:
    """The row of a class with the rows it says it is the `same_as` under it; an empty one if there is none."""
    return _under(name, known, ())


def _under(name: str, known: Knowledge, seen: tuple[str, ...]) -> Row:
    own = known.row(TABLE, name)
    base = own.get("same_as")
    if base is None:
        return own
    if base in seen:
        raise RecursionError(f"phantoms.toml: {' -> '.join((*seen, base))} go in a circle")
    taken = {key: value for key, value in _under(base, known, (*seen, base)).items() if key not in ("left_out", "why", "source")}
    return merged(taken, own)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, table by table; a part of another class does not take the config of the one it replaces."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and old.get("class") == value.get("class", old.get("class")):
            value = merged(old, value)
        out[key] = value
    return out


def filled(value: Any, parts: Mapping[str, object]) -> Any:
    """A value with its `$` words looked up: `$none`, `$height` of the scope, `$text_encoder.hidden_size` of a config.

    errors: LookupError names the word that leads nowhere.
    """
    match value:
        case "$none":
            return None
        case str() if value.startswith("$"):
            return _looked_up(value[1:], parts)
        case Mapping():
            return {key: filled(inner, parts) for key, inner in value.items()}
        case list():
            return [filled(inner, parts) for inner in value]
        case _:
            return value


def _looked_up(word: str, parts: Mapping[str, object]) -> Any:
    """`transformer.in_channels*4`, `area/256`, `it.size-6`: a value and a whole number; `a.b|c.d|16` is the first there is."""
    for one in word.split("|"):
        if one.isdigit():
            return int(one)
        path, sign, number = re.fullmatch(r"([^*/-]*)([*/-]?)(\d*)", one).groups()  # type: ignore[union-attr]
        name, *keys = path.split(".")
        found: Any = config_of(parts.get(name)) if keys else parts.get(name)
        for key in keys:
            found = _inner(found, key)
        if found is not None:
            return _CALCULATED[sign](found, int(number)) if sign else found
    raise LookupError(f"none of the parts ({', '.join(parts)}) has {word}")


def config_of(part: object) -> Any:
    """The config of a model, a scheduler or a processor; None if it has none."""
    return getattr(part, "config", None)


def value_in(config: Any, *names: str) -> Any:
    """The first of the names that a config, or the text config inside it, has; None if there is none."""
    inner = (config, _inner(config, "text_config"), _inner(config, "llm_config"))
    found = (_inner(place, name) for place in inner if place is not None for name in names)
    return next((value for value in found if value is not None), None)


def _inner(config: Any, key: str) -> Any:
    """One value of a config, which is an object (transformers) or a table (diffusers); a list takes a number."""
    match config:
        case Mapping():
            return config.get(key)
        case list() | tuple() if key.lstrip("-").isdigit():
            return config[int(key)]
        case _:
            return getattr(config, key, None)
