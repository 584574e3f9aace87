"""Remedies for settings that do harm, or nothing: the statement that makes them is left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from ...dtypes import DType
from ...subjects.scripts import Call, content
from .case import Case, Idea, Unfit
from .page import Change
from .pieces import without_statement

_BUILTINS: Final = ("print", "len", "range", "str", "int", "float", "enumerate", "zip", "open", "getattr", "isinstance")
_HARMLESS: Final = (
    "save",
    "manual_seed",
    "format",
    "join",
    "append",
    "add_argument",
    "parse_args",
    "ArgumentParser",
    "is_available",
)
"""Methods and functions that make no tensor of torch's default dtype."""


def default_left(case: Case) -> Iterator[Idea]:
    """DT226: torch's default dtype is left as it is, where nothing else in the script is made in it."""
    call = case.call
    if reason := _depends(case):
        raise Unfit(reason)
    yield Idea(f"{case.line(call)}: torch's default dtype left as it is", (_left_out(case, call),), "cast")


def _depends(case: Case) -> str:
    """What in a script may be made in the default dtype, in words; "" where nothing is."""
    noted = {(call.span.cell, case.document.pages[call.span.cell].spot(call.span)): call for call in case.script.calls}
    for cell, page in case.document.pages.items():
        for span, node in page.calls.items():
            place = f"{f'cell {cell} ' if cell else ''}line {page.number(span[0])}"
            known = noted.get((cell, span))
            if known is not None:
                named = known.argument("dtype")
                if known.means in ("tensor", "like", "build") and not (named and isinstance(named.value.single, DType)):
                    return f"what {place} makes has the default dtype"
            elif not _is_harmless(node.func):
                return f"what {place} makes may have the default dtype"
        if any(isinstance(inner, ast.ClassDef) for inner in ast.walk(page.tree)):
            return "a class of the script may make something in the default dtype"
    return ""


def _is_harmless(func: ast.expr) -> bool:
    return (isinstance(func, ast.Name) and func.id in _BUILTINS) or (isinstance(func, ast.Attribute) and func.attr in _HARMLESS)


def nothing_to_speed_up(case: Case) -> Iterator[Idea]:
    """DT229: TF32 is not switched on: every statement that does it goes, for the finding is told of the first alone."""
    every = [call for call in case.script.calls if call.means == "tf32" and _is_on(case, call)]
    changes = tuple(_left_out(case, call) for call in every)
    yield Idea(f"{', '.join(map(case.line, every))}: TF32 left as it is", changes, "cast")


def _is_on(case: Case, call: Call) -> bool:
    rows = (row for header, row in case.known.all("calls") if call.what in row.get("names", (header,)))
    value = content(call.arguments[0].value) if call.arguments else None
    return any(type(value) is type(one) and value == one for row in rows for one in row.get("on", ()))


def not_in_slices(case: Case) -> Iterator[Idea]:
    """DT231: attention is not computed in slices: the call that asks for it goes."""
    pipe = case.call.target
    every = [c for c in case.script.calls if c.means == "slices" and pipe and c.target and c.target.number == pipe.number]
    changes = tuple(_left_out(case, call) for call in every)
    if changes:
        text = f"{', '.join(map(case.line, every))}: attention not in slices"
        yield Idea(text, changes, "cast", ("attention takes more memory",))


def _left_out(case: Case, call: Call) -> Change:
    """A statement less. errors: Unfit for one that is more than this call, or this assignment."""
    page, node = case.expression(call.span)
    statement = page.statement(node) if page and node else None
    alone = (isinstance(statement, ast.Expr) and statement.value is node) or (
        isinstance(statement, ast.Assign) and len(statement.targets) == 1 and statement.targets[0] is node
    )
    if page is None or statement is None or not alone:
        raise Unfit("it stands in a statement that is more than a call")
    return without_statement(page, statement)
