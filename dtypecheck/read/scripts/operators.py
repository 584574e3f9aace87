"""Operators: sums of constants, and the tensor that comes of two."""

from __future__ import annotations

import ast
from typing import Final

from ...dtypes import DType, promote
from ...subjects.cases import NOTHING_KNOWN, UNKNOWN, Seq, Value, just, pairs, value_of
from ...subjects.scripts import Thing
from .conditions import Conditions
from .contents import Dotted, Ref

NUMBERS: Final = "?config"
"""The name under which the settings of a model stand: numbers, texts, no tensors."""
SCHEDULE: Final = "schedule"
"""The flag of a tensor of timesteps or sigmas."""
_KINDS: Final = ("tensor", "array")
"""Kinds of things that are numbers, which operators take."""
_LONGEST_TEXT: Final = 400
_MOST_ITEMS: Final = 64
_SMALL: Final = 1e-4
_LARGE: Final = 65504.0


class Operators(Conditions):
    """`left + right` and its like."""

    def _operation(self, node: ast.BinOp) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        mine, theirs = left.single, right.single
        if isinstance(mine, Ref) or isinstance(theirs, Ref):
            if isinstance(node.op, ast.MatMult):
                return self._product(node, left, right)
            self._number_added(node, left, right)
            return self._promoted(left, right)
        match node.op, mine, theirs:
            case ast.Add(), str(), str():
                return just(mine + theirs) if len(mine) + len(theirs) < _LONGEST_TEXT else NOTHING_KNOWN
            case ast.Mult(), Seq(items=items), int() if 0 < theirs * len(items) <= _MOST_ITEMS:
                return just(Seq(items * theirs))
            case ast.Add(), Seq(items=items), Seq(items=more) if len(items) + len(more) <= _MOST_ITEMS:
                return just(Seq((*items, *more)))
            case ast.Div(), str(), str():
                return just(f"{mine.rstrip('/')}/{theirs}")
            case ast.Add() | ast.Sub() | ast.Mult(), (int() | float()), (int() | float()) if abs(mine) + abs(theirs) < 1e9:
                return just(
                    mine + theirs
                    if isinstance(node.op, ast.Add)
                    else mine - theirs
                    if isinstance(node.op, ast.Sub)
                    else mine * theirs
                )
            case ast.Pow(), (int() | float()), int() if 1 < abs(mine) <= 10 and abs(theirs) <= 300:
                return just(mine**theirs)
        return NOTHING_KNOWN

    def _number_added(self, node: ast.BinOp, left: Value, right: Value) -> None:
        """Note a tensor to which a small number is added, or a large one applied: the tensor's dtype may not hold it."""
        for value, other, inner in ((left, right, node.right), (right, left, node.left)):
            content, number = value.single, other.single
            if not isinstance(content, Ref) or type(number) not in (int, float) or self.thing(content).kind != "tensor":
                continue
            if isinstance(node.op, ast.Add) and 0 < number < _SMALL:
                self.note(node, "+", "adds", inner, other, content)
            elif isinstance(node.op, (ast.Add, ast.Sub)) and abs(number) > _LARGE:
                self.note(node, "+", "shifts", inner, other, content)
            elif isinstance(node.op, ast.Mult) and abs(number) > _LARGE:
                self.note(node, "*", "scales", inner, other, content)

    def _product(self, node: ast.BinOp, left: Value, right: Value) -> Value:
        """`left @ right`, which takes no two dtypes."""
        things = [self.thing(content) if isinstance(content := value.single, Ref) else None for value in (left, right)]
        first = things[0]
        if first is None or any(thing is None or thing.kind != "tensor" for thing in things):
            return NOTHING_KNOWN
        if isinstance(content := left.single, Ref):
            self.note(node, "@", "multiplies", node.right, right, content)
        dtype = NOTHING_KNOWN if self.around else first.dtype
        return self.make("tensor", dtype=dtype, loader=first.loader, caster=first.caster)

    def _promoted(self, left: Value, right: Value) -> Value:
        """The tensor that an operator makes of two: a number keeps the dtype, another tensor may widen it."""
        found: list[Thing] = []
        for value in (left, right):
            content = value.single
            if isinstance(content, Ref):
                thing = self.thing(content)
                if thing.kind not in _KINDS or (found and found[0].kind != thing.kind):
                    return NOTHING_KNOWN
                found.append(thing)
            elif not isinstance(content, (int, float)) and not (isinstance(content, Dotted) and content.root == NUMBERS):
                return NOTHING_KNOWN
        flags = frozenset().union(*(thing.flags for thing in found)) & {SCHEDULE}
        if len(found) == 1:
            return self.make(found[0].kind, dtype=found[0].dtype, loader=found[0].loader, caster=found[0].caster, flags=flags)
        dtype = value_of(
            (case, promote(a, b) or UNKNOWN if isinstance(a, DType) and isinstance(b, DType) else UNKNOWN)
            for case, a, b in pairs(found[0].dtype, found[1].dtype)
        )
        first = found[0] if same_dtype(dtype, found[0].dtype) else found[1]
        return self.make(first.kind, dtype=dtype, loader=first.loader, caster=first.caster, flags=flags)


def same_dtype(left: Value, right: Value) -> bool:
    """True where two values are always the same one dtype."""
    return left.dtype is not None and left.dtype is right.dtype
