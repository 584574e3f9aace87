"""Tests of a script: what is true under which conditions, and the two paths on which one holds and does not hold."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from typing import Any, Final

from ...dtypes import DType
from ...subjects.cases import NOTHING_KNOWN, UNKNOWN, Case, Condition, Map, Seq, Value, both, just, pairs, value_of
from .base import Base
from .contents import Func, Klass, Ref
from .state import State, join, narrowed

_SAME_KIND: Final = (str, int, float, bool, type(None))
_SIMPLE: Final = (ast.Constant, ast.Name, ast.Attribute, ast.Tuple, ast.List, ast.UnaryOp)
"""What may be evaluated twice: there is no call in it, or nobody writes one there."""
_LONGEST_TEXT: Final = 400


class Conditions(Base, ABC):
    """Tests and choices."""

    @abstractmethod
    def evaluate(self, node: ast.expr) -> Value:
        """What an expression may be."""

    def parted(self, test: ast.expr) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        """The paths on which a test holds and does not hold; an empty one cannot be."""
        value = self.evaluate(test)
        holds: list[Case] = []
        fails: list[Case] = []
        for case, content in value.ways:
            truth = _truth(content)
            if truth is None:
                yes, no = self._conditions(test)
                holds += [met for condition in yes if (met := both(case, condition)) is not None]
                fails += [met for condition in no if (met := both(case, condition)) is not None]
            else:
                (holds if truth else fails).append(case)
        path = self.state.path
        return narrowed(path, holds) if holds else (), narrowed(path, fails) if fails else ()

    def _conditions(self, test: ast.expr) -> tuple[list[Case], list[Case]]:
        """The cases under which a test holds and under which it does not, by its words."""
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                yes, no = self._conditions(inner)
                return no, yes
            case ast.BoolOp(op=ast.And(), values=values):
                parts = [self._conditions(value) for value in values]
                whole = self.condition(test, test, "", True)
                yes_all: list[Case] = [frozenset({whole})]
                for yes, _ in parts:
                    yes_all = [met for a in yes_all for b in yes if (met := both(a, b)) is not None][:8]
                return yes_all, [frozenset({flipped(whole)})]
            case ast.BoolOp(op=ast.Or(), values=values):
                parts = [self._conditions(value) for value in values]
                whole = self.condition(test, test, "", True)
                no_all: list[Case] = [frozenset({flipped(whole)})]
                for _, no in parts:
                    no_all = [met for a in no_all for b in no if (met := both(a, b)) is not None][:8]
                return [frozenset({whole})], no_all
            case ast.Compare(left=left, ops=[op], comparators=[right]) if isinstance(right, _SIMPLE):
                constant = self.evaluate(right).single
                if isinstance(op, (ast.Eq, ast.Is, ast.NotEq, ast.IsNot)) and _plain(constant):
                    found = self.condition(test, left, _spelled(constant), isinstance(op, (ast.Eq, ast.Is)))
                    return [frozenset({found})], [frozenset({flipped(found)})]
                if isinstance(op, (ast.In, ast.NotIn)) and isinstance(constant, Seq):
                    items = [item.single for item in constant.items]
                    if items and len(items) <= 6 and all(map(_plain, items)):
                        conditions = [self.condition(test, left, _spelled(item), True) for item in items]
                        yes, no = [frozenset({c}) for c in conditions], [frozenset(map(flipped, conditions))]
                        return (yes, no) if isinstance(op, ast.In) else (no, yes)
        found = self.condition(test, test, "", True)
        return [frozenset({found})], [frozenset({flipped(found)})]

    def condition(self, test: ast.expr, subject: ast.expr, constant: str, holds: bool) -> Condition:
        """A condition by its words; the same words about a name that changed in between are another one."""
        names = self.names_in.get(subject)
        if names is None:  # a function that is called often is walked once
            names = self.names_in[subject] = [node.id for node in ast.walk(subject) if isinstance(node, ast.Name)]
        version = sum(self.versions.get(name, 0) - 1 for name in names if name in self.versions)
        text = " ".join(self.text(subject).split())[:_LONGEST_TEXT]
        return (f"{text}\0{version}" if version > 0 else text), constant, holds

    def _choice(self, node: ast.IfExp) -> Value:
        yes, no = self.parted(node.test)
        before = self.state
        ways: list[tuple[Case, Any]] = []
        after: State | None = None
        for path, branch in ((yes, node.body), (no, node.orelse)):
            if path:
                self.state = before.copy(path)
                value = self.evaluate(branch)
                ways += [(met, content) for case, content in value.ways for way in path if (met := both(case, way)) is not None]
                after = join(after, self.state, before.path)
        self.state = after or before
        self.state.path = before.path
        return value_of(ways)

    def _bool_op(self, node: ast.BoolOp) -> Value:
        values = [self.evaluate(value) for value in node.values]
        stops = isinstance(node.op, ast.Or)
        ways: list[tuple[Case, Any]] = []
        for number, (value, part) in enumerate(zip(values, node.values, strict=True)):
            truths = {_truth(content) for _, content in value.ways}
            if number == len(values) - 1 or truths == {stops}:
                return value if not ways else value_of([*ways, *value.ways])
            if truths == {not stops}:
                continue
            if len(values) == 2 and stops and None in truths and isinstance(value.single, Ref):
                return value
            yes, no = self._conditions(part)
            ways += [(met, c) for case, c in value.ways for way in (yes if stops else no) if (met := both(case, way)) is not None]
        return NOTHING_KNOWN

    def _unary(self, node: ast.UnaryOp) -> Value:
        value = self.evaluate(node.operand)
        match node.op, value.single:
            case ast.USub(), (int() | float()) as number:
                return just(-number)
            case ast.USub(), Ref():
                return value
            case ast.Not(), _:
                return value_of((case, UNKNOWN if (t := _truth(c)) is None else not t) for case, c in value.ways)
        return NOTHING_KNOWN

    def _compare(self, node: ast.Compare) -> Value:
        left = self.evaluate(node.left)
        rights = [self.evaluate(item) for item in node.comparators]
        if len(rights) != 1:
            return NOTHING_KNOWN
        op = node.ops[0]
        return value_of((case, _compared(op, mine, theirs)) for case, mine, theirs in pairs(left, rights[0]))


def _truth(content: Any) -> bool | None:
    """Whether a content counts as true, None where that is not known."""
    if isinstance(content, _SAME_KIND):
        return bool(content)
    if isinstance(content, (DType, Func, Klass)):
        return True
    return None


def _plain(content: Any) -> bool:
    return isinstance(content, (*_SAME_KIND, DType))


def _spelled(content: Any) -> str:
    return f"torch.{content.torch}" if isinstance(content, DType) else repr(content)


def flipped(condition: Condition) -> Condition:
    """The condition that holds where this one does not."""
    return condition[0], condition[1], not condition[2]


def _compared(op: ast.cmpop, mine: Any, theirs: Any) -> Any:
    """True, False or UNKNOWN."""
    if isinstance(op, (ast.In, ast.NotIn)):
        items = [item.single for item in theirs.items] if isinstance(theirs, Seq) else []
        if isinstance(theirs, Map) and theirs.whole and isinstance(mine, str):
            return (mine in theirs.items) == isinstance(op, ast.In)
        if not items or not _plain(mine) or not all(map(_plain, items)):
            return UNKNOWN
        return (mine in items) == isinstance(op, ast.In)
    if isinstance(mine, Ref) and theirs is None and isinstance(op, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)):
        return isinstance(op, (ast.IsNot, ast.NotEq))
    if not _plain(mine) or not _plain(theirs):
        return UNKNOWN
    if isinstance(op, (ast.Eq, ast.Is)):
        return bool(mine == theirs)
    if isinstance(op, (ast.NotEq, ast.IsNot)):
        return bool(mine != theirs)
    if isinstance(mine, (int, float)) and isinstance(theirs, (int, float)):
        match op:
            case ast.Lt():
                return mine < theirs
            case ast.LtE():
                return mine <= theirs
            case ast.Gt():
                return mine > theirs
            case ast.GtE():
                return mine >= theirs
    return UNKNOWN
