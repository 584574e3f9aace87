"""Remedies where two tensors, or a tensor and a weight, meet in dtypes that do not go together: one of them is cast there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...dtypes import F32, F64, DType
from ...subjects.scripts import Argument, Thing, content
from .case import Case, Idea, Unfit
from .page import Change
from .pieces import is_path, replaced, short, wrapped


def to_the_query(case: Case) -> Iterator[Idea]:
    """DT219: key, value and mask are cast to the dtype of the query, as far as they may have another one."""
    call = case.call
    page, node = case.found(call)
    first = call.argument("query", position=0)
    query, written = _tensor(first), case.node_of(call, first)
    if query is None or written is None:
        raise Unfit("the query comes through * or **")
    if is_path(written):
        dtype, changes = f"{page.source(written)}.dtype", list[Change]()
    elif query.dtype.dtype is not None:
        spelled = case.spelling.dtype(query.dtype.dtype, page, node)
        dtype, changes = spelled.text, list(spelled.changes)
    else:
        raise Unfit("the query is no plain name")
    cast: list[str] = []
    for number, name in enumerate(("key", "value", "attn_mask"), 1):
        argument = call.argument(name, position=number)
        other, given = _tensor(argument), case.node_of(call, argument)
        if other is None or given is None or not _differs(query, other, name == "attn_mask"):
            continue
        changes += wrapped(page, given, f".to({dtype})")
        cast.append(short(page, given))
    if cast:
        yield Idea(f"{case.line(call)}: .to({dtype}) behind {', '.join(cast)}", tuple(changes), "cast")


def _tensor(argument: Argument | None) -> Thing | None:
    thing = content(argument.value) if argument else None
    return thing if isinstance(thing, Thing) and thing.kind == "tensor" else None


def _differs(query: Thing, other: Thing, mask: bool) -> bool:
    """Whether a tensor may have another floating dtype than the query. A mask that may be bool is none to cast."""
    found = [dtype for _, dtype in other.dtype.ways]
    floats = [dtype for dtype in found if isinstance(dtype, DType) and dtype.is_wide and not (mask and dtype is F32)]
    if mask and any(not isinstance(dtype, DType) or not dtype.is_wide for dtype in found):
        return False
    return any(dtype is not query.dtype.dtype for dtype in floats)


def both_wide(case: Case) -> Iterator[Idea]:
    """DT228: prediction and target of a loss in one dtype, fp32 unless one of them is wider."""
    call = case.call
    page, _ = case.found(call)
    given = [call.argument(name, position=number) for number, name in enumerate(("input", "target"))]
    tensors = [_tensor(argument) for argument in given]
    wide = F64 if any(dtype is F64 for thing in tensors if thing for _, dtype in thing.dtype.ways) else F32
    method = ".double()" if wide is F64 else ".float()"
    changes: list[Change] = []
    cast: list[str] = []
    for argument, thing in zip(given, tensors, strict=True):
        node = case.node_of(call, argument)
        if node is None or thing is None:
            raise Unfit("what the loss is given comes through * or **")
        if thing.dtype.dtype is not wide:
            changes += wrapped(page, node, method)
            cast.append(short(page, node))
    yield Idea(f"{case.line(call)}: {method} behind {' and '.join(cast)}", tuple(changes), "cast")


def one_of_two(case: Case) -> Iterator[Idea]:
    """DT230: the first operand of a product gets the dtype of the second, or the other way round where that one is fp8."""
    page, node = case.expression(case.call.span)
    given = [case.call.target, *(_tensor(argument) for argument in case.call.arguments)]
    things = [thing for thing in given if thing is not None]
    operands = _operands(node, case.call.target is not None)
    if page is None or len(things) < 2 or len(operands) < 2:
        raise Unfit("its operands come through * or **")
    pairs = list(zip(operands, things, strict=False))[:2]
    for (cast, _), (other, thing) in (pairs, pairs[::-1]):
        dtype = thing.dtype.dtype
        if dtype is None or not dtype.is_wide:
            continue
        spelled = case.spelling.dtype(dtype, page, other)
        to, more = (f"{page.source(other)}.dtype", ()) if is_path(other) else (spelled.text, spelled.changes)
        text = f"{case.line(case.call)}: .to({to}) behind {short(page, cast)}"
        yield Idea(text, (*more, *wrapped(page, cast, f".to({to})")), "cast")


def _operands(node: ast.expr | None, method: bool) -> list[ast.expr]:
    """What is multiplied, as it is written."""
    match node:
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.Call(func=ast.Attribute(value=owner), args=args) if method:
            return [owner, *args]
        case ast.Call(args=args) if not any(isinstance(item, ast.Starred) for item in args):
            return list(args)
    return []


def layerwise(case: Case) -> Iterator[Idea]:
    """DT224: fp8 as the dtype to store in, with the one that the model had to compute in, in place of a cast of its weights."""
    for part in _parts(case.call.target):
        caster = case.script.call(part.caster)
        if caster is None or part.library != "diffusers" or not caster.target or caster.target.kind != "model":
            continue
        page, node = case.found(caster)
        before = caster.target.dtype.dtype
        statement = page.statement(node)
        given = case.node_of(caster, case.asked(caster))
        alone = len(node.args) + len(node.keywords) == 1
        if before is None or not before.is_wide or given is None or not alone or not isinstance(node.func, ast.Attribute):
            raise Unfit(f"{case.line(caster)}: the cast says more than a dtype, or nobody knows what the model was in before")
        if not isinstance(statement, ast.Expr) or statement.value is not node:
            raise Unfit(f"{case.line(caster)}: what the cast gives is used")
        compute = case.spelling.dtype(before, page, node)
        new = f"{page.source(node.func.value)}.enable_layerwise_casting("
        new += f"storage_dtype={page.source(given)}, compute_dtype={compute.text})"
        text = f"{case.line(caster)}: {new}"
        yield Idea(text, (*compute.changes, replaced(page, node, new)), "cast")


def _parts(target: Thing | None) -> Iterator[Thing]:
    """What is fp8 of the thing that is run: itself, or parts of it."""
    if target is None:
        return
    parts = (target.part(name) for name in target.fields) if target.kind == "pipeline" else iter((target,))
    for part in parts:
        if part is not None and any(dtype.is_float and dtype.bits == 8 for _, dtype in part.dtype.dtypes()):
            yield part


__all__ = ["both_wide", "layerwise", "one_of_two", "to_the_query"]
