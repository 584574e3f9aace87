"""The messages that a text holds: which row each is, and the dtypes it names by role."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Final

from ..dtypes import DType
from ..subjects.shown import Operand
from .patterns import Pattern, normal, one_line
from .rows import Row
from .spelled import spelled

_ORDER: Final = ("input", "query", "weight", "bias", "key", "value", "mask", "other", "target", "source", "destination")
_LIKE: Final = 0.5
_LONGEST: Final = 400
"""Characters of a message that are shown, and compared with those that are known."""
_MOST: Final = 1000
"""Places in one text at which one pattern is looked at."""


@dataclass(frozen=True, slots=True)
class Found:
    """One message in a text. says: its words as they stand there. operands: the dtypes it names, by role.

    values: what else it names: a kernel, a class. devices: the different devices that it names, none if it is one.
    start, end: where it stands in the text as one line. times: how often it does.
    """

    row: Row
    says: str
    operands: tuple[Operand, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    start: int = 0
    end: int = 0
    times: int = 1


def find(text: str, rows: Sequence[Row]) -> tuple[Found, ...]:
    """Every message that is known in a text, each once, in the order of their last places. text: at most some megabytes."""
    shown, lower = one_line(text), normal(text)
    taken: list[tuple[int, int]] = []
    last: dict[str, Found] = {}
    for row in rows:
        for pattern in row.patterns:
            if all(word in lower for word in pattern.words):
                for found in _at(row, pattern, shown, lower):
                    if not any(found.start < end and start < found.end for start, end in taken):
                        taken.append((found.start, found.end))
                        before = last.get(row.name)
                        times = before.times + 1 if before else 1
                        later = before if before and before.start > found.start else found
                        last[row.name] = replace(later, times=times)
    return tuple(sorted(last.values(), key=lambda found: found.start))


def _at(row: Row, pattern: Pattern, shown: str, lower: str) -> Iterator[Found]:
    for number, match in enumerate(pattern.expression.finditer(lower)):
        if number == _MOST:
            return
        named = {role: word for role in pattern.roles if (word := match[role]) is not None}
        read = {role: spelled(word) for role, word in named.items()}
        if any(one is None for one in read.values()):
            continue
        dtypes = {role: one[0] for role, one in read.items() if one}
        if not row.allows(dtypes):
            continue
        devices = tuple(dict.fromkeys(one[1] for one in read.values() if one and one[1]))
        values = {
            name: shown[slice(*match.span(name))]
            for name, word in match.groupdict().items()
            if word is not None and name not in pattern.roles
        }
        start, end = match.span()
        yield Found(row, shown[start:end], _operands(dtypes), values, devices if len(devices) > 1 else (), start, end)


def _operands(dtypes: Mapping[str, DType | None]) -> tuple[Operand, ...]:
    ordered = sorted(dtypes.items(), key=lambda item: _ORDER.index(item[0]) if item[0] in _ORDER else len(_ORDER))
    return tuple(Operand(role, dtype) for role, dtype in ordered if dtype is not None)


def parse(message: str, rows: Sequence[Row]) -> Found | None:
    """The gravest message in the text of one exception, None if none is known: what it means without frames or modules."""
    found = find(message, rows)
    return min(found, key=lambda one: (one.row.gravity, one.start)) if found else None


def nearest(message: str, rows: Sequence[Row], most: int = 3) -> tuple[Row, ...]:
    """The rows whose messages are most like a text, best first; none if none is like it."""
    asked = re.sub(r"^[\w.]*(?:error|exception|warning): ", "", normal(message[: 4 * _LONGEST]))[:_LONGEST]
    scored: list[tuple[float, int, Row]] = []
    for row in rows:
        matcher = SequenceMatcher(b=asked, autojunk=False)
        best = 0.0
        for says in row.says:
            matcher.set_seq1(normal(says)[:_LONGEST])
            if matcher.quick_ratio() > max(best, _LIKE):
                best = max(best, matcher.ratio())
        if best >= _LIKE:
            scored.append((-best, len(scored), row))
    return tuple(row for _, _, row in sorted(scored)[:most])
