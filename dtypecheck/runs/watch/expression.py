"""The line that failed, read as Python: what its innermost expression names, and which part each plays in it."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import FrameType
from typing import Any, Final

import torch

_ROLES: Final = {
    "linear": ("input", "weight", "bias"),
    "conv": ("input", "weight", "bias"),
    "embedding": ("input", "weight"),
    "layer_norm": ("input", "", "weight", "bias"),
    "group_norm": ("input", "", "weight", "bias"),
    "batch_norm": ("input",),
    "rms_norm": ("input", "", "weight"),
    "scaled_dot_product_attention": ("query", "key", "value", "mask"),
    "addmm": ("bias", "input", "weight"),
    "baddbmm": ("mask", "query", "key"),
    "prelu": ("input", "weight"),
    "lerp": ("input", "other"),
    "where": ("mask", "input", "other"),
    "index_copy": ("destination", "", "", "source"),
    "index_add": ("destination", "", "", "source"),
    "index_put": ("destination", "", "source"),
    "scatter": ("destination", "", "", "source"),
    "masked_scatter": ("destination", "mask", "source"),
    "masked_fill": ("destination", "mask"),
    "copy": ("destination", "source"),
    "binary_cross_entropy": ("input", "target"),
    "mse_loss": ("input", "target"),
}
"""Which part each argument of a function plays; a method's own tensor is the first. "" is no tensor of interest."""
_TELLING: Final = ("input", "weight", "bias", "query", "key", "value", "target", "source")
_VIEWS: Final = ("T", "mT", "H", "mH", "data", "real")
"""Attributes of a tensor that are tensors of its dtype."""
_SAME: Final = (
    *("transpose", "permute", "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "contiguous", "expand"),
    *("repeat", "chunk", "detach", "clone", "cpu", "cuda", "t", "swapaxes", "movedim"),
)
"""Methods of a tensor whose result has its dtype."""


@dataclass(frozen=True, slots=True)
class Term:
    """Something that the line names. role: the part it plays. name: as the line spells it."""

    role: str
    name: str
    value: Any


def terms(frame: FrameType, line: int, instruction: int) -> tuple[Term, ...]:
    """The variables and attributes in the innermost expression that was evaluated; none where there is no source.

    No code is run: what the line computes by a call is not known.
    """
    tree = _tree(frame.f_code.co_filename, tuple(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))
    if tree is None:
        return ()
    node = _node(tree, _span(frame, line, instruction))
    return tuple(_unique(_terms(node, frame))) if node is not None else ()


@lru_cache(maxsize=8)
def _tree(path: str, lines: tuple[str, ...]) -> ast.Module | None:
    try:
        return ast.parse("".join(lines)) if lines else None
    except (SyntaxError, ValueError, RecursionError):
        return None


def _span(frame: FrameType, line: int, instruction: int) -> tuple[int, int, int, int]:
    """First line and column, last line and column of what was evaluated; the whole line where Python does not say."""
    found = next(islice(frame.f_code.co_positions(), instruction // 2, None), (None, None, None, None))
    start, end, column, last = found
    if start is None or end is None or column is None or last is None:
        return line, 0, line, 1 << 30
    return start, column, end, last


def _node(tree: ast.Module, span: tuple[int, int, int, int]) -> ast.AST | None:
    """The smallest expression or assignment around a place; an assignment if the place is its target."""
    best: ast.AST | None = None
    for node in ast.walk(tree):
        if not isinstance(node, (ast.expr, ast.Assign, ast.AugAssign, ast.Return)):
            continue
        start, end = (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0)
        exact = span[3] < 1 << 30
        around = start <= (span[0], span[1]) and (span[2], span[3]) <= end if exact else node.lineno <= span[0] <= end[0]
        if around and (best is None or _size(node) <= _size(best)):
            target = isinstance(best, ast.Assign) and any(node is one for one in best.targets)
            best = best if target or (not exact and best is not None) else node
    return best


def _size(node: Any) -> tuple[int, int]:
    lines = (node.end_lineno or node.lineno) - node.lineno
    return lines, (node.end_col_offset or 0) - node.col_offset if lines == 0 else 0


def _terms(node: ast.AST, frame: FrameType) -> Iterator[Term]:
    match node:
        case ast.Assign(targets=[ast.Subscript(value=held)], value=given):
            yield from _term(held, "destination", frame)
            yield from _term(given, "source", frame)
        case ast.AugAssign(target=held, value=given):
            yield from _term(held, "destination", frame)
            yield from _term(given, "source", frame)
        case ast.Assign(value=given) | ast.Return(value=ast.expr() as given):
            yield from _terms(given, frame)
        case ast.BinOp(left=left, right=right) | ast.Compare(left=left, comparators=[right]):
            yield from _term(left, "input", frame)
            yield from _term(right, "other", frame)
        case ast.Call():
            yield from _arguments(node, frame)
        case ast.expr():
            yield from _term(node, "input", frame)


def _arguments(node: ast.Call, frame: FrameType) -> Iterator[Term]:
    """What a call is given; the tensor whose method it is comes first."""
    given: list[ast.expr] = list(node.args)
    name = ""
    if isinstance(node.func, ast.Attribute):
        name = node.func.attr
        if issubclass(type(_value(node.func.value, frame)), torch.Tensor):
            given.insert(0, node.func.value)
    elif isinstance(node.func, ast.Name):
        name = node.func.id
    roles = next((parts for word, parts in _ROLES.items() if name.strip("_").startswith(word)), ("input", "other"))
    for number, argument in enumerate(given):
        inner = argument.elts if isinstance(argument, (ast.List, ast.Tuple)) else [argument]
        for one in inner:
            role = roles[number] if number < len(roles) else "other"
            yield from _term(one, role or "input", frame)
    for keyword in node.keywords:
        role = "mask" if "mask" in (keyword.arg or "") else (keyword.arg or "") if keyword.arg in _TELLING else "other"
        yield from _term(keyword.value, role, frame)


def _term(node: ast.expr, role: str, frame: FrameType) -> Iterator[Term]:
    """One argument. A name that tells what it is, self.weight or attn_mask, says its role itself."""
    if isinstance(node, ast.Starred):
        node = node.value
    value = _value(node, frame)
    if value is None:
        return
    name = ast.unparse(_bare(node))
    last = name.rpartition(".")[2].lower()
    role = last if last in _TELLING else "mask" if "mask" in last and role != "destination" else role
    for one in value if isinstance(value, (list, tuple)) else (value,):
        yield Term(role, name, one)


def _bare(node: ast.expr) -> ast.expr:
    """The variable or attribute that a term is a view or a part of."""
    match node:
        case ast.Call(func=ast.Attribute(value=inner)) | ast.Subscript(value=inner) | ast.UnaryOp(operand=inner):
            return _bare(inner)
        case ast.Attribute(value=inner, attr=name) if name in _VIEWS:
            return _bare(inner)
    return node


def _value(node: ast.expr, frame: FrameType) -> Any:
    """What a name stands for now; None for what would have to be computed."""
    match node:
        case ast.Name(id=name):
            return frame.f_locals.get(name, frame.f_globals.get(name))
        case ast.Attribute(value=inner, attr=name):
            return _attribute(_value(inner, frame), name)
        case ast.Subscript(value=inner):
            held = _value(inner, frame)
            return held if issubclass(type(held), torch.Tensor) else None
        case ast.UnaryOp(operand=inner):
            return _value(inner, frame)
        case ast.Call(func=ast.Attribute(value=inner, attr=name)) if name in _SAME:
            held = _value(inner, frame)
            return held if issubclass(type(held), torch.Tensor) else None
    return None


def _attribute(owner: Any, name: str) -> Any:
    """An attribute that is stored, none that code would make: parameters and buffers of a module, what lies in `__dict__`."""
    if issubclass(type(owner), torch.Tensor):
        return owner if name in _VIEWS else None
    if issubclass(type(owner), torch.nn.Module):
        for held in (owner._parameters, owner._buffers, owner._modules):
            if name in held:
                return held[name]
    return attributes(owner).get(name)


def attributes(owner: Any) -> dict[str, Any]:
    """What lies in an object's own `__dict__`; nothing where it has none, or is a proxy that fails to say."""
    try:
        found = owner.__dict__
    except Exception:  # noqa: BLE001 - a stranger's object may answer for another one that is gone
        return {}
    return found if isinstance(found, dict) else {}


def _unique(found: Iterator[Term]) -> Iterator[Term]:
    """Each object once."""
    seen: set[int] = set()
    for term in found:
        if id(term.value) not in seen:
            seen.add(id(term.value))
            yield term
