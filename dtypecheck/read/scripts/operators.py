"""Operators: sums of constants, and the tensor that comes of two."""

from __future__ import annotations

import ast
from typing import Final

from ...dtypes import DType, promote
from ...subjects.cases import NOTHING_KNOWN, UNKNOWN, Value, just, pairs, value_of
from .conditions import Conditions
from .contents import Dotted, Ref

NUMBERS: Final = "?config"
"""The name under which the settings of a model stand: numbers, texts, no tensors."""
SCHEDULE: Final = "schedule"
"""The flag of a tensor of timesteps or sigmas."""
_LONGEST_TEXT: Final = 400
_SMALL: Final = 1e-4


class Operators(Conditions):
    """`left + right` and its like."""

    def _operation(self, node: ast.BinOp) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        mine, theirs = left.single, right.single
        if isinstance(mine, Ref) or isinstance(theirs, Ref):
            self._number_added(node, left, right)
            return self._promoted(left, right)
        match node.op, mine, theirs:
            case ast.Add(), str(), str():
                return just(mine + theirs) if len(mine) + len(theirs) < _LONGEST_TEXT else NOTHING_KNOWN
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
        """Note a tensor to which a small number is added: it may be none in the tensor's dtype."""
        for value, other, inner in ((left, right, node.right), (right, left, node.left)):
            content, number = value.single, other.single
            if not isinstance(node.op, ast.Add) or not isinstance(content, Ref) or not isinstance(number, float):
                continue
            if 0 < number < _SMALL and self.thing(content).kind == "tensor":
                self.note(node, "+", "adds", inner, other, content)

    def _promoted(self, left: Value, right: Value) -> Value:
        """The tensor that an operator makes of two: a number keeps the dtype, another tensor may widen it."""
        found = []
        for value in (left, right):
            content = value.single
            if isinstance(content, Ref):
                thing = self.thing(content)
                if thing.kind != "tensor":
                    return NOTHING_KNOWN
                found.append(thing)
            elif not isinstance(content, (int, float)) and not (isinstance(content, Dotted) and content.root == NUMBERS):
                return NOTHING_KNOWN
        flags = frozenset().union(*(thing.flags for thing in found)) & {SCHEDULE}
        if len(found) == 1:
            return self.make("tensor", dtype=found[0].dtype, loader=found[0].loader, caster=found[0].caster, flags=flags)
        dtype = value_of(
            (case, promote(a, b) or UNKNOWN if isinstance(a, DType) and isinstance(b, DType) else UNKNOWN)
            for case, a, b in pairs(found[0].dtype, found[1].dtype)
        )
        first = found[0] if same_dtype(dtype, found[0].dtype) else found[1]
        return self.make("tensor", dtype=dtype, loader=first.loader, caster=first.caster, flags=flags)


def same_dtype(left: Value, right: Value) -> bool:
    """True where two values are always the same one dtype."""
    return left.dtype is not None and left.dtype is right.dtype
