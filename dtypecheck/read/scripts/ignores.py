"""Comments that mute: `# dtypecheck: ignore[DT201, dtype-as-text] reason`, and the lines that each of them covers.

Only comments count, no texts that look like one. A comment covers the statement that it stands in: all its lines, or of one that
holds others (a def, a with, an if) those of its head. A comment on a line of its own covers the statement right below it.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .source import without_magics

MARK: Final = "dtypecheck:"
_SAID: Final = re.compile(r"#\s*dtypecheck:\s*ignore\b(?P<rules>\s*\[[^\]]*\])?(?P<reason>(?:(?!#\s*dtypecheck:).)*)")
_OTHER: Final = re.compile(r"(?:^|\s)#(?!\d)")
"""Where a comment for another tool begins; `#12` is a number of an issue."""
_PUNCTUATION: Final = " \t:;,.-–—"


@dataclass(frozen=True, slots=True)
class Ignore:
    """One comment. words: the rules it names; line: where it stands; first, last: what it covers; cell: or 0."""

    words: tuple[str, ...]
    reason: str
    line: int
    first: int
    last: int
    cell: int = 0

    def covers(self, cell: int, line: int | None) -> bool:
        """Whether a line is one of those."""
        return cell == self.cell and line is not None and self.first <= line <= self.last


def ignores(texts: Mapping[int, str], notebook: bool) -> tuple[Ignore, ...]:
    """The comments of a script that mute, in their order. texts: as written, by cell; a plain file is one of number 0."""
    found: list[Ignore] = []
    for cell, text in texts.items():
        if MARK in text:
            found += _of_text(without_magics(text) if notebook else text, cell)
    return tuple(found)


def _of_text(text: str, cell: int) -> Iterator[Ignore]:
    spans: list[range] | None = None
    for line, comment, about in _comments(text):
        for said in _SAID.finditer(comment):
            spans = _statements(text) if spans is None else spans
            reason = _OTHER.split(said["reason"])[0].strip(_PUNCTUATION)
            words = tuple(word for word in re.split(r"[,\s]+", (said["rules"] or "").strip(" \t[]")) if word)
            covered = min((span for span in spans if about in span), key=len, default=range(line, line + 1))
            yield Ignore(words, reason, line, covered.start, covered.stop - 1, cell)


def _comments(text: str) -> list[tuple[int, str, int]]:
    """Of each comment: its line, its text, and the line that it is about: its own, or the one right below it and such others."""
    found: list[tuple[int, str, bool]] = []
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                by_itself = depth == 0 and not token.line[: token.start[1]].strip()
                found.append((token.start[0], token.string, by_itself))
            elif token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
    except (tokenize.TokenError, SyntaxError):
        pass  # what stands behind it is not read by Python either
    alone = {line for line, _, by_itself in found if by_itself}
    result = []
    for line, comment, _ in found:
        about = line
        while about in alone:
            about += 1
        result.append((line, comment, about))
    return result


def _statements(text: str) -> list[range]:
    """The lines of each statement; of one that holds others, the lines of its head, and of each of its branches."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = compile(text, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found: list[range] = []
    for node in ast.walk(tree):
        if isinstance(node, _LINED):
            inner: list[ast.AST] = getattr(node, "body", None) or getattr(node, "cases", None) or []
            begin = _begin(node)
            end = _begin(inner[0]) - 1 if inner else getattr(node, "end_lineno", None) or begin
            found.append(range(begin, max(begin, end) + 1))
    return found


_LINED: Final = (ast.stmt, ast.ExceptHandler, ast.match_case)


def _begin(node: ast.AST) -> int:
    """The first line of a statement, its decorators included."""
    placed = node.pattern if isinstance(node, ast.match_case) else node
    line: int = getattr(placed, "lineno", 1)
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([line, *(decorator.lineno for decorator in decorators)])
