"""The script as a witness: its calls that matter for dtypes, what they were given, and the objects they are about.

A Call is a snapshot: `target`, `result` and the arguments are as they were when the script came by. What is not known is UNKNOWN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple
from weakref import ReferenceType, ref

from ..findings import Where
from . import Pipeline
from .cases import ALWAYS, NOTHING_KNOWN, UNKNOWN, Case, Value

_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@lru_cache(maxsize=64)
def lines_of(text: str) -> tuple[str, ...]:
    """The lines of a script with their ends, cut where Python cuts them: not at a form feed."""
    if "\r" in text:
        return tuple(_LINE.findall(text))
    lines = text.split("\n")
    last = lines.pop()
    return (*(line + "\n" for line in lines), *((last,) if last else ()))


class Span(NamedTuple):
    """Characters of a script: lines from 1, columns from 0, the end not included. cell: of a notebook, counted from 1."""

    line: int
    column: int
    end_line: int
    end_column: int
    cell: int = 0


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call. name: its keyword, "" for one by position; through `**` it has a name and the span of the dict.

    value: what is known of it. span: of the whole argument, its keyword included; inner: of its value alone.
    """

    name: str
    value: Value
    span: Span
    inner: Span
    starred: bool = False


NOWHERE: Final = Span(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of the script at one moment.

    kind: pipeline, model, tensor, array (of numpy), picture, transform, autocast, scaler, optimizer, accelerator, quantiser,
    processor, features, output, parameters, object.
    klass: its class as the library calls it, None where it is not the library's or not known; library: diffusers, ...
    name: what the script calls it. number: tells things apart. dtype: of its floating numbers; of a pipeline what was asked.
    repo: what it was loaded from. loader: the number of the call that made it; caster: of the one that gave it its dtype last.
    fields: what is known of its attributes; of a pipeline the parts the script named. given: parts handed to its loader.
    flags: quantised, cast (after loading, as a whole), adapted (a LoRA was added), trained (an optimizer has its parameters),
    prepared (by accelerate), mps (moved there), sliced (its attention), touched (by code that nobody knows).
    """

    number: int
    kind: str
    klass: str | None = None
    library: str = ""
    name: str = ""
    dtype: Value = NOTHING_KNOWN
    repo: Value = NOTHING_KNOWN
    loader: int | None = None
    caster: int | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    loads: Pipeline | None = None

    @property
    def label(self) -> str:
        """What a message calls it."""
        return self.name or self.klass or self.kind

    def but(self, **changes: Any) -> Thing:
        """The same with other values: dataclasses.replace, several times as fast, because a reader does it at every step."""
        made = object.__new__(Thing)
        for name in _FIELDS:
            object.__setattr__(made, name, changes[name] if name in changes else getattr(self, name))
        return made

    def part(self, name: str) -> Thing | None:
        """The thing that an attribute is, None where that is not known."""
        found = self.fields.get(name, NOTHING_KNOWN).single
        return found if isinstance(found, Thing) else None


_FIELDS: Final = tuple(Thing.__slots__)


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Call:
    """One call of the script, as often as it was come by (a function that is called twice gives two).

    what: the dotted name of the function, or .method. means: the row of calls.toml it was recognised by, its word `means`.
    number: its place in script.calls. case: the conditions under which the script comes here. around: the autocasts it stands in.
    sure: False where the thing called may be one of several. loop: where the body of the outermost loop
    that it is run in begins, by its line; 0 for none.
    """

    number: int
    what: str
    means: str
    where: Where
    span: Span
    head: Span
    arguments: tuple[Argument, ...] = ()
    target: Thing | None = None
    result: Thing | None = None
    case: Case = ALWAYS
    around: tuple[Thing, ...] = ()
    sure: bool = True
    loop: int = 0
    _script: list[ReferenceType[Script]] = field(default_factory=list, repr=False, compare=False)

    @property
    def script(self) -> Script:
        """The script it stands in. errors: LookupError when nobody holds that any more."""
        script = self._script[0]() if self._script else None
        if script is None:
            raise LookupError(f"the script of {self.what} is gone")
        return script

    def argument(self, *names: str, position: int | None = None) -> Argument | None:
        """The argument with one of these keywords, else the one at this position (from 0)."""
        for argument in self.arguments:
            if argument.name and argument.name in names:
                return argument
        plain = [argument for argument in self.arguments if not argument.name]
        if position is None or position >= len(plain) or any(a.starred for a in plain[: position + 1]):
            return None
        return plain[position]

    @property
    def source(self) -> str:
        """The text of the call in one line: what the fingerprint stands on."""
        return " ".join(self.script.text(self.span).split())


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Script:
    """A Python file or notebook. path: as the report names it. texts: its text, cell by cell; a plain file is one of number 0.

    calls: in the order in which the script comes by them. pipelines: each pipeline at each moment it runs, with the number of the
    call; those that are never run in this file as they are at its end, with None. device: where it will run, "" for nobody knows.
    """

    path: str
    texts: Mapping[int, str]
    calls: tuple[Call, ...] = ()
    pipelines: tuple[tuple[Thing, int | None], ...] = ()
    device: str = ""

    def __post_init__(self) -> None:
        for call in self.calls:
            call._script[:] = [ref(self)]

    def text(self, span: Span) -> str:
        """The characters of a span."""
        lines = list(lines_of(self.texts[span.cell])[span.line - 1 : span.end_line])
        if len(lines) < span.end_line - span.line + 1:
            return ""
        lines[-1] = lines[-1][: span.end_column]
        lines[0] = lines[0][span.column :]
        return "".join(lines)

    def line(self, where: Where) -> str:
        """The line that a place of this script stands for, without its indentation; "" where it has none."""
        cell = int(where.at.removeprefix("cell ")) if where.at.startswith("cell ") else 0
        lines = lines_of(self.texts.get(cell, ""))
        return lines[where.line - 1].strip() if where.line and where.line <= len(lines) else ""

    def call(self, number: int | None) -> Call | None:
        """The call of a number."""
        return self.calls[number] if number is not None else None

    def walk(self) -> Iterator[Script | Call]:
        """The script, then each of its calls."""
        yield self
        yield from self.calls


def content(value: Value | None) -> Any:
    """The one content of a value that may not be there."""
    return UNKNOWN if value is None else value.single
