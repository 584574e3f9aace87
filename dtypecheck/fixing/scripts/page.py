"""The text of a script beside its tree: where every node begins and ends in characters, and what stands around it."""

from __future__ import annotations

import ast
import io
import tokenize
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ...subjects.scripts import Span, lines_of


class Change(NamedTuple):
    """Put `new` in place of the characters `start` to `end` of a page. cell: of a notebook, 0 for a plain file."""

    cell: int
    start: int
    end: int
    new: str


@dataclass(slots=True)
class Page:
    """One text with one tree: a file, or a cell of a notebook."""

    cell: int
    text: str
    tree: ast.Module
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    calls: dict[tuple[int, int], ast.Call] = field(default_factory=dict)

    def __post_init__(self) -> None:
        total = 0
        for line in lines_of(self.text):
            self.starts.append(total)
            total += len(line)
        self.starts.append(total)
        for node in ast.walk(self.tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
            if isinstance(node, ast.Call):
                self.calls[self.span(node)] = node

    def offset(self, line: int, column: int) -> int:
        """Characters before a place of the tree, whose columns are bytes of UTF-8."""
        start, end = self.starts[line - 1], self.starts[min(line, len(self.starts) - 1)]
        text = self.text[start:end]
        return start + (
            column if text.isascii() else len(text.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "replace"))
        )

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.alias) -> tuple[int, int]:
        """The first character of a node, and the first one behind it. Brackets around it are not part of it."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self.offset(node.lineno, node.col_offset), self.offset(end_line, end_column)

    def spot(self, span: Span) -> tuple[int, int]:
        """The characters of a span of the reader, whose columns are characters."""
        return self.starts[span.line - 1] + span.column, self.starts[span.end_line - 1] + span.end_column

    def source(self, node: ast.expr | ast.stmt | ast.alias) -> str:
        """The characters of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def call(self, span: Span) -> ast.Call | None:
        """The node of a call that the reader noted."""
        return self.calls.get(self.spot(span)) if span.line and span.end_line < len(self.starts) else None

    def line(self, offset: int) -> tuple[int, int]:
        """The first character of the line of a place, and the first one of the next line."""
        number = min(bisect_right(self.starts, offset), len(self.starts) - 1)
        return self.starts[number - 1], self.starts[number]

    def number(self, offset: int) -> int:
        """The line of a place, counted from 1."""
        return min(bisect_right(self.starts, offset), max(1, len(self.starts) - 1))

    def newline(self, offset: int) -> str:
        """How the line of a place ends, else how the first line does."""
        for start, end in (self.line(offset), self.line(0)):
            text = self.text[start:end]
            if (ending := text[len(text.rstrip("\r\n")) :]) != "":
                return ending
        return "\n"

    def indent(self, offset: int) -> str:
        """The blanks that the line of a place begins with."""
        start, end = self.line(offset)
        text = self.text[start:end]
        return text[: len(text) - len(text.lstrip(" \t\f"))]

    def is_first(self, offset: int) -> bool:
        """Whether nothing but blanks stands before a place in its line."""
        return not self.text[self.line(offset)[0] : offset].strip(" \t\f")

    def tokens(self, start: int, end: int) -> Iterator[tuple[int, str]]:
        """Every character between two nodes that is neither blank nor in a comment, with its place."""
        at = start
        while at < end:
            if self.text[at] == "#":
                while at < end and self.text[at] not in "\r\n":
                    at += 1
                continue
            if not self.text[at].isspace() and self.text[at] != "\\":
                yield at, self.text[at]
            at += 1

    def closed(self, start: int, end: int) -> int:
        """Where what ends at `start` ends with the brackets around it, looking no further than `end`."""
        found = start
        for at, char in self.tokens(start, end):
            if char != ")":
                break
            found = at + 1
        return found

    def comments(self) -> Iterator[tuple[int, int]]:
        """Where every comment stands; those behind what cannot be cut into tokens are not found."""
        try:
            for token in tokenize.generate_tokens(io.StringIO(self.text, newline="").readline):
                if token.type == tokenize.COMMENT:
                    start = self.starts[token.start[0] - 1] + token.start[1]
                    yield start, start + len(token.string.rstrip("\r"))
        except (tokenize.TokenError, SyntaxError):
            return

    def statement(self, node: ast.AST) -> ast.stmt:
        """The statement that a node stands in."""
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node

    def scope(self, node: ast.AST) -> ast.AST:
        """The function, class or module in which a node stands."""
        while not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Module)):
            node = self.parents[node]
        return node

    def block(self, node: ast.stmt) -> list[ast.stmt]:
        """The statements among which one stands."""
        owner = self.parents[node]
        for _, value in ast.iter_fields(owner):
            if isinstance(value, list) and any(item is node for item in value):
                return value
        return [node]


__all__ = ["Change", "Page"]
