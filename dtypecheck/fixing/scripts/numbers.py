"""Remedies for constants that the dtype of their tensor cannot hold: its own limit, or a number that it can tell from 0."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from ...dtypes import DType
from ...subjects.scripts import Argument, Call, Thing
from .case import Case, Idea, Unfit
from .page import Page
from .pieces import is_path, replaced, short

EPS: Final = "1e-5"
"""The least eps that is far enough from 0 in fp16: 168 of its steps."""


def own_limit(case: Case) -> Iterator[Idea]:
    """DT213: the limit of the tensor's own dtype in place of a constant that it cannot hold."""
    call = case.call
    thing, argument = _filled(call)
    numbers = [n for _, n in argument.value.ways if isinstance(n, (int, float))] if argument else []
    if thing is None or argument is None or not numbers:
        return
    page, given, owner, at = _WAYS.get(call.means, _passed)(case, argument)
    torch = case.spelling.torch(page, at)
    dtype = thing.dtype.dtype
    if owner is not None and is_path(owner):
        named, more = f"{page.source(owner)}.dtype", torch.changes
    elif isinstance(dtype, DType):
        spelled = case.spelling.dtype(dtype, page, at)
        named, more = spelled.text, (*torch.changes, *spelled.changes)
    else:
        raise Unfit("the dtype of the tensor hangs on a condition")
    new = f"{torch.text}.finfo({named}).{'min' if numbers[0] < 0 else 'max'}"
    yield Idea(f"{case.line(call)}: {new} in place of {short(page, given)}", (*more, replaced(page, given, new)), "cast")


def _filled(call: Call) -> tuple[Thing | None, Argument | None]:
    """The tensor that a constant is put into, and the constant."""
    full = call.what == "torch.full"
    position = 0 if call.what == ".fill_" else 1
    return (call.result if full else call.target), call.argument("fill_value", "value", position=position)


def _passed(case: Case, argument: Argument) -> tuple[Page, ast.expr, ast.expr | None, ast.AST]:
    """The page of a call, the constant in it, and what it is a method of. errors: Unfit where it is not written."""
    page, node = case.found(case.call)
    given = case.node_of(case.call, argument)
    if given is None:
        raise Unfit("the constant comes through * or **")
    owner = node.func.value if isinstance(node.func, ast.Attribute) and case.call.means == "fills" else None
    return page, given, owner, node


def _put(case: Case, argument: Argument) -> tuple[Page, ast.expr, ast.expr | None, ast.AST]:
    """The same for a constant that is put in by index: `scores[0] = 2.0**30`. errors: Unfit for any other way to do so."""
    page, target = case.expression(case.call.span)
    statement = page.statement(target) if page and target else None
    if page is None or not isinstance(target, ast.Subscript) or not isinstance(statement, ast.Assign):
        raise Unfit("it is put in by no plain assignment")
    if len(statement.targets) != 1 or statement.targets[0] is not target:
        raise Unfit("it is put in at several places")
    return page, statement.value, target.value, statement


def _met(case: Case, argument: Argument) -> tuple[Page, ast.expr, ast.expr | None, ast.AST]:
    """The same for a constant that a tensor is multiplied by, or that is added to it."""
    page, given = case.expression(argument.inner)
    if page is None or given is None:
        raise Unfit("the constant is written somewhere else")
    return page, given, None, given


_WAYS: Final = {"puts": _put, "scales": _met, "shifts": _met}


def larger_eps(case: Case) -> Iterator[Idea]:
    """DT223: an eps that is not 0 in fp16, where it is written as a number and the tensor is fp16 for sure."""
    call = case.call
    argument = call.argument("value")
    page, given = case.expression(argument.inner) if argument else (None, None)
    if page is None or not isinstance(given, ast.Constant):
        raise Unfit("the number is written somewhere else")
    if call.target is None or call.target.dtype.dtype is None:
        raise Unfit("the dtype of the tensor hangs on a condition")
    yield Idea(f"{case.line(call)}: {EPS} in place of {page.source(given)}", (replaced(page, given, EPS),), "cast")
