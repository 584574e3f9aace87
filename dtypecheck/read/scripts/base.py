"""What reading one script needs at every step: its text, the rows of calls.toml, the state, and the records made so far."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ...dtypes import ALL, DType
from ...findings import Where
from ...knowledge import Knowledge, Row
from ...subjects import Pipeline, Request
from ...subjects.cases import Seq, Value
from ...subjects.scripts import NOWHERE, Argument, Call, Span, Thing, lines_of
from .contents import Ref
from .source import Source
from .state import State

TORCH_DTYPES: Final[dict[str, DType]] = {dtype.torch: dtype for dtype in ALL if dtype.torch} | {
    alias: dtype for dtype in ALL for alias in dtype.aliases if alias in ("half", "float", "double", "long", "int", "short")
}
"""The attributes of torch that are dtypes."""
_MOST_STEPS: Final = 400_000
_DEEPEST_SNAPSHOT: Final = 3


class Exhausted(Exception):
    """A script of so many calls of its own functions in each other that reading it to the end would take too long."""


_KINDS: Final = ("settings", "processors", "models", "packed")


class Meanings:
    """The rows of calls.toml by the names they are about. kinds: patterns of names, by the kind of thing that has such a one."""

    def __init__(self, known: Knowledge) -> None:
        self.rows: dict[str, Row] = {}
        self.bystanders: set[str] = set()
        kinds: dict[str, list[str]] = {kind: [] for kind in _KINDS}
        for header, row in known.all("calls"):
            if row["means"] == "kind":
                kinds.setdefault(header.rpartition(":")[2], []).append(row["pattern"])
                continue
            if row["means"] == "bystander":
                self.bystanders.update(row["names"])
                continue
            for name in row.get("names", (header,)):
                self.rows[name] = row
        self.kinds = {kind: re.compile("|".join(patterns) or "(?!)") for kind, patterns in kinds.items()}

    def of_function(self, name: str) -> Row | None:
        """The row about a function or class by its full name, else by its last one, else by its method."""
        rows = self.rows
        if (row := rows.get(name)) is not None:
            return row
        last = name.rpartition(".")[2]
        return rows.get(last) or (rows.get("." + last) if "." in name else None)

    def of_pipeline(self, klass: str | None) -> Row:
        """The row about a class that gives pipelines of other classes; an empty one for every other class."""
        row = self.rows.get(klass or "", {})
        return row if row.get("means") == "pipelines" else {}

    def of_method(self, name: str) -> Row | None:
        """The row about a method of an object."""
        return self.rows.get("." + name)


class Base:
    """The reading of one script. models: what hub ids and folders stand for."""

    def __init__(
        self,
        source: Source,
        known: Knowledge,
        meanings: Meanings,
        request: Request,
        arguments: Sequence[str],
        models: Mapping[str, Pipeline],
    ) -> None:
        self.source, self.known, self.meanings, self.request = source, known, meanings, request
        self.words, self.models = arguments, models
        self.state = State([{}], {})
        self.calls: list[Call] = []
        self.runs: list[tuple[Thing, int | None]] = []
        self.ran: set[int] = set()
        self.versions: dict[str, int] = {}
        self.names_in: dict[ast.expr, list[str]] = {}
        self.around: list[Ref] = []
        self.cell = 0
        self.sure = True
        self.loop = 0
        self.starred: set[str] = set()
        self.steps = 0
        self.count = 0
        self.lines: tuple[str, ...] = ()

    # the heap

    def make(self, kind: str, **fields: Any) -> Value:
        """A new object."""
        self.count += 1
        self.state.heap[self.count] = Thing(self.count, kind, **fields)
        return Value(((frozenset(), Ref(self.count)),))

    def thing(self, ref: Ref) -> Thing:
        """An object as it is now."""
        return self.state.heap[ref.number]

    def change(self, ref: Ref, **fields: Any) -> None:
        """Give an object other values."""
        self.state.heap[ref.number] = self.state.heap[ref.number].but(**fields)

    def field(self, ref: Ref, name: str, value: Value) -> None:
        """Give an object an attribute."""
        thing = self.thing(ref)
        self.state.heap[ref.number] = thing.but(fields={**thing.fields, name: value})

    def things(self, value: Value) -> list[Ref]:
        """The objects that a value may be."""
        return [content for _, content in value.ways if isinstance(content, Ref) and content.number in self.state.heap]

    def snapshot(self, ref: Ref, depth: int = 0) -> Thing:
        """An object as it is now, with the objects in its attributes."""
        thing = self.state.heap[ref.number]
        if not thing.fields:
            return thing
        fields = {name: self.shown(value, depth + 1) for name, value in thing.fields.items()} if depth < _DEEPEST_SNAPSHOT else {}
        return thing.but(fields=fields)

    def shown(self, value: Value, depth: int = 0) -> Value:
        """A value with snapshots in place of references."""
        if not any(isinstance(content, (Ref, Seq)) for _, content in value.ways):
            return value
        return Value(tuple((case, self._shown(content, depth)) for case, content in value.ways))

    def _shown(self, content: Any, depth: int) -> Any:
        if isinstance(content, Ref):
            return self.snapshot(content, depth) if content.number in self.state.heap else content
        if isinstance(content, Seq) and depth < _DEEPEST_SNAPSHOT:
            return Seq(tuple(self.shown(item, depth + 1) for item in content.items))
        return content

    # the text

    def span(self, node: ast.expr | ast.keyword | ast.stmt) -> Span:
        """The characters of a node."""
        line, end = node.lineno, node.end_lineno or node.lineno
        return Span(line, self._column(line, node.col_offset), end, self._column(end, node.end_col_offset or 0), self.cell)

    def _column(self, line: int, offset: int) -> int:
        """Characters in place of the bytes of UTF-8 that ast counts."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return offset if text.isascii() else len(text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace"))

    def text(self, node: ast.expr) -> str:
        """What stands in the script, in one line."""
        span = self.span(node)
        if span.line == span.end_line and span.line <= len(self.lines):
            return self.lines[span.line - 1][span.column : span.end_column]
        return ast.unparse(node)

    def where(self, node: ast.expr | ast.stmt) -> Where:
        """The place of a node."""
        return Where(self.source.path, f"cell {self.cell}" if self.cell else "", node.lineno)

    def begin(self, cell: int) -> None:
        """From here on it is about this cell."""
        self.cell, self.lines = cell, lines_of(self.source.texts[cell])

    # the records

    def record(
        self,
        node: ast.Call,
        what: str,
        means: str,
        arguments: Sequence[Argument],
        target: Ref | None = None,
    ) -> int:
        """Note a call that matters; what came of it is added by `resulted`. Gives its number."""
        number = len(self.calls)
        self.calls.append(
            Call(
                number,
                what,
                means,
                self.where(node),
                self.span(node),
                self.span(node.func),
                tuple(self._placed(node, arguments)),
                self.snapshot(target) if target else None,
                None,
                self.state.case,
                tuple(self.snapshot(ref) for ref in self.around),
                self.sure,
                self.loop,
            )
        )
        return number

    def note(self, node: ast.expr, what: str, means: str, inner: ast.expr, value: Value, target: Ref | None = None) -> None:
        """Note what matters as a call does and is none: an operator, a number put in by index. inner: what it is given."""
        span = self.span(inner)
        given = Argument("value", self.shown(value), span, span)
        where, head, place = self.where(node), self.span(node), self.snapshot(target) if target else None
        around = tuple(self.snapshot(ref) for ref in self.around)
        call = Call(len(self.calls), what, means, where, head, head, (given,), place, None, self.state.case, around, self.sure)
        self.calls.append(call)

    def _placed(self, node: ast.Call, arguments: Sequence[Argument]) -> Iterator[Argument]:
        """The arguments of a call with their places, which only a call that is noted needs."""
        spans = [(self.span(item), self.span(item)) for item in node.args]
        named = {keyword.arg: (self.span(keyword), self.span(keyword.value)) for keyword in node.keywords}
        plain = 0
        for argument in arguments:
            if argument.name:
                span, inner = named.get(argument.name) or named.get(None) or (NOWHERE, NOWHERE)
            else:
                span, inner = spans[min(plain, len(spans) - 1)] if spans else (NOWHERE, NOWHERE)
                plain += 1
            yield Argument(argument.name, self.shown(argument.value), span, inner, argument.starred)

    def resulted(self, number: int, value: Value) -> None:
        """Note what a recorded call gave."""
        content = value.single
        if isinstance(content, Ref):
            self.calls[number] = replace(self.calls[number], result=self.snapshot(content))

    def tick(self) -> None:
        """One step more. errors: Exhausted after too many."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise Exhausted
