"""The values of a JSON object, taken strictly: a text where a text is wanted, a number that can be one, else a clear refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from ..dtypes import BY_NAME, DType
from ..subjects import pointer

_LARGEST: Final = 1 << 53
_LONGEST: Final = 20_000
"""Letters of a text; those of our own reports have some hundreds."""
_KINDS: Final = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number", bool: "a truth value"}


class Refused(ValueError):
    """A value that is not what it should be. at: its JSON pointer; the text says what it is and what was wanted."""

    def __init__(self, at: str, text: str) -> None:
        super().__init__(text)
        self.at = at


@dataclass(frozen=True, slots=True)
class Fields:
    """One object and where it stands. Every method raises Refused for a value of the wrong kind; null counts as not there."""

    data: Mapping[str, Any]
    at: str = ""

    def refuse(self, key: str, wanted: str) -> Refused:
        """The refusal of a value."""
        value = self.data.get(key)
        kind = _KINDS.get(type(value), "nothing" if value is None else "something else")
        return Refused(self.at + pointer(key), f"{wanted} is wanted, it holds {kind}")

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        value = self.data.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise self.refuse(key, "a text of sensible length")
        return value

    def word(self, key: str, words: Sequence[str], default: str | None = None) -> Any:
        """One of some words."""
        value = self.data.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in words:
            raise self.refuse(key, f"one of {', '.join(words)}")
        return value

    def whole(self, key: str, default: int = 0, least: int = 0) -> int:
        """A whole number, not below `least` and not beyond what a float can count."""
        value = self.data.get(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST:
            raise self.refuse(key, f"a whole number from {least}")
        return value

    def number(self, key: str) -> float | None:
        """A finite number that is not negative, None for null."""
        value = self.data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(key, "a number")
        if (isinstance(value, int) and value > _LARGEST) or not isfinite(value) or value < 0:
            raise self.refuse(key, "a finite number that is not negative")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """A truth value."""
        value = self.data.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.refuse(key, "true or false")
        return value

    def dtype(self, key: str) -> DType | None:
        """A dtype by its name in JSON, None for null."""
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or value not in BY_NAME:
            raise self.refuse(key, "the name of a dtype")
        return BY_NAME[value]

    def some_dtype(self, key: str) -> DType:
        """A dtype that must be there."""
        found = self.dtype(key)
        if found is None:
            raise self.refuse(key, "the name of a dtype")
        return found

    def dtypes(self, key: str) -> tuple[DType, ...]:
        """A list of dtypes."""
        for i, name in enumerate(values := self._list(key)):
            if not isinstance(name, str) or name not in BY_NAME:
                raise Refused(f"{self.at}{pointer(key)}/{i}", "the name of a dtype is wanted")
        return tuple(BY_NAME[name] for name in values)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        for i, text in enumerate(values := self._list(key)):
            if not isinstance(text, str) or len(text) > _LONGEST:
                raise Refused(f"{self.at}{pointer(key)}/{i}", "a text is wanted")
        return tuple(values)

    def wholes(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        for i, value in enumerate(values := self._list(key)):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
                raise Refused(f"{self.at}{pointer(key)}/{i}", "a whole number is wanted")
        return tuple(values)

    def counts(self, key: str) -> dict[str, int]:
        """An object of whole numbers."""
        inner = self.inside(key)
        return {name: inner.whole(name) for name in inner.data} if inner else {}

    def inside(self, key: str) -> Fields | None:
        """An object, None for null."""
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.refuse(key, "an object")
        return Fields(value, self.at + pointer(key))

    def each(self, key: str) -> Iterator[Fields]:
        """The objects of a list."""
        for i, value in enumerate(self._list(key)):
            if not isinstance(value, dict):
                raise Refused(f"{self.at}{pointer(key)}/{i}", "an object is wanted")
            yield Fields(value, f"{self.at}{pointer(key)}/{i}")

    def _list(self, key: str) -> list[Any]:
        value = self.data.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.refuse(key, "a list")
        return value
