"""What an expression of a script may be: several contents, each with the conditions under which it is that one.

`dtype = torch.float16 if cuda else torch.float32` is a Value of two ways. Two values that hang on the same condition are never
paired across it, so that what cannot happen together is not judged together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from ..dtypes import DType

Condition = tuple[str, str, bool]
"""A subject as it is written, the constant it is compared with ("" for its truth alone), and whether that holds."""
Case = frozenset[Condition]
"""Conditions that hold together; none: always."""
ALWAYS: Final[Case] = frozenset()
_MOST_WAYS: Final = 16


class Unknown:
    """The content of an expression about which nothing is known."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Value:
    """ways: contents with their cases, at least one. A content is UNKNOWN, a DType, a constant, or a reader's own."""

    ways: tuple[tuple[Case, Any], ...]

    @property
    def known(self) -> bool:
        """True when every way is known."""
        return all(content is not UNKNOWN for _, content in self.ways)

    @property
    def single(self) -> Any:
        """The content where there is only one way, else UNKNOWN."""
        return self.ways[0][1] if len(self.ways) == 1 else UNKNOWN

    @property
    def text(self) -> str | None:
        """The string it is, None if it is none or several."""
        return self.single if isinstance(self.single, str) else None

    def dtypes(self) -> Iterator[tuple[Case, DType]]:
        """The ways in which it is a dtype."""
        return ((case, content) for case, content in self.ways if isinstance(content, DType))

    @property
    def dtype(self) -> DType | None:
        """The dtype that it is in every way, None where it is not always the same one."""
        content = self.ways[0][1]
        return content if isinstance(content, DType) and all(other is content for _, other in self.ways) else None


NOTHING_KNOWN: Final = Value(((ALWAYS, UNKNOWN),))


def just(content: Any) -> Value:
    """The value that is always this content."""
    return Value(((ALWAYS, content),)) if content is not UNKNOWN else NOTHING_KNOWN


def value_of(ways: Iterable[tuple[Case, Any]]) -> Value:
    """A value out of its ways: equal contents that hold everywhere become one; too many ways are unknown."""
    kept: list[tuple[Case, Any]] = []
    for case, content in ways:
        if not any(case == other and same(content, old) for other, old in kept):
            kept.append((case, content))
    if not kept or len(kept) > _MOST_WAYS:
        return NOTHING_KNOWN
    first = kept[0][1]
    if all(same(content, first) for _, content in kept):
        return just(first)
    return Value(tuple(kept))


def same(left: Any, right: Any) -> bool:
    """True for the same content: True is not 1."""
    return left is right or (type(left) is type(right) and bool(left == right))


def within(value: Value, path: tuple[Case, ...]) -> Value:
    """What is left of a value on a path: a disjunction of cases."""
    if (len(path) == 1 and not path[0]) or (len(value.ways) == 1 and not value.ways[0][0]):
        return value
    left = [(way, content) for way, content in value.ways if any(both(way, case) is not None for case in path)]
    return value_of(left) if left else value


def joined(left: Value, left_path: tuple[Case, ...], right: Value, right_path: tuple[Case, ...]) -> Value:
    """What a name is after two branches came together again."""
    if left is right:
        return left
    ways = [*_on(left, left_path), *_on(right, right_path)]
    return value_of(ways)


def _on(value: Value, path: tuple[Case, ...]) -> Iterator[tuple[Case, Any]]:
    for case, content in value.ways:
        for other in path:
            if (met := both(case, other)) is not None:
                yield met, content


def pairs(left: Value, right: Value) -> Iterator[tuple[Case, Any, Any]]:
    """The contents that two values can have together."""
    for case, content in left.ways:
        for other, against in right.ways:
            if (met := both(case, other)) is not None:
                yield met, content, against


@lru_cache(maxsize=4096)
def both(left: Case, right: Case) -> Case | None:
    """Two cases together, None where they contradict each other."""
    if not left or not right:
        return left or right
    union = left | right
    found: dict[str, dict[str, bool]] = {}
    for subject, constant, holds in union:
        said = found.setdefault(subject, {})
        if said.get(constant, holds) != holds:
            return None
        said[constant] = holds
    return union if all(len(said) == 1 or _agree(said) for said in found.values()) else None


def _agree(said: dict[str, bool]) -> bool:
    """False for what is equal to two constants, and for what is false and equal to something that is not."""
    equal = [constant for constant, holds in said.items() if constant and holds]
    if len(equal) > 1:
        return False
    truth = said.get("")
    return not equal or truth is None or truth == (equal[0] not in _FALSE)


_FALSE: Final = ("None", "False", "''", '""', "0")


def words(case: Case) -> str:
    """A case as people read it, "" for always."""
    return " and ".join(_word(*condition) for condition in sorted(case))


def _word(subject: str, constant: str, holds: bool) -> str:
    plain = subject.partition("\0")[0]
    if not constant:
        return plain if holds else f"not {plain}"
    return f"{plain} {'==' if holds else '!='} {constant}"


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """A dict whose keys are known strings. whole: False where it may hold more."""

    items: dict[str, Value]
    whole: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Seq:
    """A list or tuple of known length."""

    items: tuple[Value, ...]
