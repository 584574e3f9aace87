"""Remedies for a dtype that a checkpoint, a class or a device does not bear: another one, where the dtype was chosen."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...dtypes import BF16, BY_NAME, F16, F32, DType
from ...subjects.scripts import Call
from .case import Case, Idea, Unfit
from .loads import loaded_in
from .page import Change
from .pieces import replaced


def safer(case: Case) -> Iterator[Idea]:
    """DT206: the other half dtype, then fp32, in the call that chose the one that is bad."""
    for dtype in (BF16, F32):
        yield from _chosen(case, dtype)


def published(case: Case) -> Iterator[Idea]:
    """DT220: the dtype that the checkpoint was published for, then fp32."""
    made = case.call.result
    right = BY_NAME.get(case.known.row("hub", (made.repo.text if made else None) or "").get("dtype", ""))
    for dtype in (right, F32) if right else ():
        yield from _chosen(case, dtype)


def on_the_device(case: Case) -> Iterator[Idea]:
    """DT225: fp32 where the device lacks the dtype; where it only emulates it, what --strategy asks for, for that costs."""
    row = case.known.row("devices", case.script.device)
    if case.finding.severity == "error":
        yield from _chosen(case, F32)
        return
    others = [dtype for dtype in (F16, F32) if row.get(dtype.name, "native") == "native"]
    if not case.wish.strategies and others:
        raise Unfit(
            f"it runs there, slowly; {' or '.join(f'--strategy {dtype.short}' for dtype in others)} chooses another dtype"
        )
    for dtype in others:
        yield from _chosen(case, dtype)


def _chosen(case: Case, dtype: DType) -> Iterator[Idea]:
    """Ideas that choose a dtype: where the name is defined that the call is given, in the call, and without its variant."""
    call = case.call
    used = next((dtype for way in (call.result,) if way for _, dtype in way.dtype.dtypes()), None)
    if dtype is used:
        return
    yield from _defined(case, call, dtype)
    if call.means == "cast":
        yield from cast_to(case, call, dtype)
        return
    argument = case.asked(call)
    for idea in loaded_in(case, call, dtype):
        yield idea
        if argument is not None and call.argument("variant"):
            without = case.without(call, "variant")
            costs = (*idea.costs, "loads the larger files")
            yield Idea(f"{idea.change}, and no variant", (*idea.changes, *without), dtype.short, costs)


def _defined(case: Case, call: Call, dtype: DType) -> Iterator[Idea]:
    """The dtype where the name that the call is given is defined, so that all that use it stay together."""
    expression = case.node_of(call, case.asked(call))
    if not isinstance(expression, ast.Name):
        return
    page, _ = case.found(call)
    found = [
        (other, node)
        for other in case.document.pages.values()
        for node in ast.walk(other.tree)
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == expression.id for t in node.targets)
    ]
    if len(found) != 1 or not isinstance(found[0][1].value, (ast.Attribute, ast.Name)):
        return
    home, assigned = found[0]
    if not case.spelling.reaches(expression, page, expression, page) and page.scope(expression) is not home.scope(assigned):
        return
    spelled = case.spelling.dtype(dtype, home, assigned.value)
    line = home.number(home.span(assigned)[0])
    text = f"line {line}: {expression.id} = {spelled.text} in place of {home.source(assigned.value)}"
    yield Idea(text, (*spelled.changes, replaced(home, assigned.value, spelled.text)), dtype.short)


def cast_to(case: Case, call: Call, dtype: DType) -> Iterator[Idea]:
    """The same cast, to another dtype."""
    page, node = case.found(call)
    spelled = case.spelling.dtype(dtype, page, node)
    expression = case.node_of(call, case.asked(call))
    if expression is not None:
        text = f"{case.line(call)}: {spelled.text} in place of {page.source(expression)}"
        yield Idea(text, case.with_dtype(call, spelled), dtype.short)
    elif isinstance(node.func, ast.Attribute) and not node.args and not node.keywords:
        end = page.span(node)[1]
        start = page.span(node.func)[1] - len(node.func.attr)
        new = f"to({spelled.text})"
        changes = (*spelled.changes, Change(page.cell, start, end, new))
        yield Idea(f"{case.line(call)}: .{new} in place of .{node.func.attr}()", changes, dtype.short)
