"""Small edits of a page that keep what stands around them: an argument more or less, a cast more or less, a line less."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from .page import Change, Page


class Unfit(ValueError):
    """Why a text cannot be edited so; the text is for people."""


def replaced(page: Page, node: ast.expr, new: str) -> Change:
    """Another expression in place of one."""
    return Change(page.cell, *page.span(node), new)


def arguments(page: Page, call: ast.Call) -> list[tuple[int, int]]:
    """Begin and end of every argument, brackets around it included at the end, in the order of the text."""
    given: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    spans = sorted(map(page.span, given))
    nexts = [*(start for start, _ in spans), page.span(call)[1] - 1][1:]
    return [(start, page.closed(end, after)) for (start, end), after in zip(spans, nexts, strict=False)]


def added(page: Page, call: ast.Call, name: str, value: str) -> list[Change]:
    """One keyword more behind the last argument, on a line of its own where that one has one.

    errors: Unfit for a call that is given a bare generator, or arguments through ``**``, which may hold the same one.
    """
    if any(keyword.arg is None for keyword in call.keywords):
        raise Unfit(f"what it is given through ** may name a {name} already")
    if len(call.args) == 1 and not call.keywords and isinstance(call.args[0], ast.GeneratorExp):
        raise Unfit("it is given a generator without brackets")
    word = f"{name}={value}"
    end = page.span(call)[1] - 1
    spans = arguments(page, call)
    if not spans:
        opening = [at for at, char in page.tokens(page.span(call.func)[1], end) if char == "("]
        return [Change(page.cell, opening[-1] + 1, opening[-1] + 1, word)]
    start, last = spans[-1]
    comma = next((at for at, char in page.tokens(last, end) if char == ","), None)
    behind = last if comma is None else comma + 1
    if not page.is_first(start):
        return [Change(page.cell, behind, behind, f" {word}," if comma is not None else f", {word}")]
    line_end = page.line(behind)[1]
    rest = page.text[behind:line_end].rstrip("\r\n")
    gap = page.newline(start) + page.indent(start)
    if "#" in rest and rest.lstrip().startswith("#"):
        at = behind + len(rest)
        if comma is not None:
            return [Change(page.cell, at, at, f"{gap}{word},")]
        return [Change(page.cell, behind, behind, ","), Change(page.cell, at, at, f"{gap}{word}")]
    return [Change(page.cell, behind, behind, f"{gap}{word}," if comma is not None else f",{gap}{word}")]


def removed(page: Page, call: ast.Call, argument: ast.expr | ast.keyword) -> Change:
    """One argument less, with the line that is empty then; a comment behind it stays."""
    spans = arguments(page, call)
    begin = page.span(argument)[0]
    number = next(i for i, (start, _) in enumerate(spans) if start == begin)
    start, end = spans[number]
    limit = spans[number + 1][0] if number + 1 < len(spans) else page.span(call)[1] - 1
    comma = next((at for at, char in page.tokens(end, limit) if char == ","), None)
    behind = end if comma is None else comma + 1
    line, next_line = page.line(start)[0], page.line(behind)[1]
    tail = page.text[behind:next_line]
    if page.is_first(start) and not tail.strip() and number > 0:
        return Change(page.cell, line, next_line, "")
    if number + 1 < len(spans):
        blanks = len(tail) - len(tail.lstrip(" \t"))
        same = behind + blanks == limit or tail.lstrip(" \t").startswith("#")
        return Change(page.cell, start, behind + blanks if same else behind, "")
    if number == 0:
        return Change(page.cell, start, behind, "")
    before = spans[number - 1][1]
    if any(char == "#" for char in page.text[before:start]):
        return Change(page.cell, start, behind, "")
    return Change(page.cell, before, end, "")


def wrapped(page: Page, node: ast.expr, method: str) -> list[Change]:
    """`.to(...)` behind an expression, in brackets where it needs them."""
    start, end = page.span(node)
    if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
        return [Change(page.cell, end, end, method)]
    if page.text[:start].rstrip().endswith("(") and isinstance(page.parents[node], ast.Attribute):
        return [Change(page.cell, end, end, method)]
    return [Change(page.cell, start, start, "("), Change(page.cell, end, end, f"){method}")]


def before_method(page: Page, call: ast.Call, method: str) -> Change:
    """`.float()` between an object and the method of it that is called."""
    at = _dot(page, call)
    return Change(page.cell, at, at, method)


def _dot(page: Page, call: ast.Call) -> int:
    """The place of the dot before the method that a call is of. errors: Unfit where it is of none."""
    if not isinstance(call.func, ast.Attribute):
        raise Unfit("it is no method that is called")
    found = [at for at, char in page.tokens(page.span(call.func.value)[1], page.span(call.func)[1]) if char == "."]
    return found[0]


def without_cast(page: Page, call: ast.Call, dtypes: Sequence[ast.expr | ast.keyword]) -> list[Change]:
    """A cast less. dtypes: the arguments that name the dtype; a device beside them stays.

    A statement that does nothing then goes as a whole. errors: Unfit where the cast is no method.
    """
    if not isinstance(call.func, ast.Attribute):
        raise Unfit("it is no method that is called")
    others = [item for item in (*call.args, *call.keywords) if item not in dtypes]
    if others and dtypes:
        return [removed(page, call, item) for item in dtypes]
    if others:
        raise Unfit("it is given more than a dtype")
    owner, statement = call.func.value, page.statement(call)
    if isinstance(statement, ast.Expr) and statement.value is call and isinstance(owner, (ast.Name, ast.Attribute)):
        return [without_statement(page, statement)]
    if isinstance(statement, ast.Assign) and statement.value is call and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, (ast.Name, ast.Attribute)) and ast.unparse(target) == ast.unparse(owner):
            return [without_statement(page, statement)]
    dot, end = _dot(page, call), page.span(call)[1]
    closed = page.closed(page.span(owner)[1], dot)
    start = closed if not page.text[closed:dot].strip() else dot
    return [Change(page.cell, start, end, "")]


def without_statement(page: Page, node: ast.stmt) -> Change:
    """A statement less, and its line; a comment behind it keeps the line, and a block that would be empty gets `pass`."""
    start, end = page.span(node)
    if len(page.block(node)) == 1 and not isinstance(page.parents[node], ast.Module):
        return Change(page.cell, start, end, "pass")
    line_end = page.line(max(start, end - 1))[1]
    rest = page.text[end:line_end]
    if not page.is_first(start):
        return Change(page.cell, start, end, "pass")
    if not rest.strip():
        return Change(page.cell, page.line(start)[0], line_end, "")
    if rest.lstrip(" \t").startswith("#"):
        return Change(page.cell, start, end + len(rest) - len(rest.lstrip(" \t")), "")
    return Change(page.cell, start, end, "pass")


def before_statement(page: Page, node: ast.stmt, new: str) -> Change:
    """One statement more before another one, on a line of its own. errors: Unfit where that one begins no line."""
    start = page.span(node)[0]
    if not page.is_first(start):
        raise Unfit("other statements stand on its line")
    return Change(page.cell, start, start, f"{new}{page.newline(start)}{page.indent(start)}")


def is_path(node: ast.expr | None) -> bool:
    """True for a name and its attributes."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def short(page: Page, node: ast.expr) -> str:
    """An expression in one line, cut where it is long."""
    text = " ".join(page.source(node).split())
    return text if len(text) <= 40 else text[:37] + "..."


__all__ = [
    "Unfit",
    "added",
    "arguments",
    "before_method",
    "before_statement",
    "is_path",
    "removed",
    "replaced",
    "short",
    "without_cast",
    "without_statement",
    "wrapped",
]
