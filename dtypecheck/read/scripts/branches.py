"""Branches and loops: which can be entered, and what holds after them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from ...subjects.cases import NOTHING_KNOWN, Seq, Value, just
from .contents import Ref
from .names import Names
from .state import Path, State, join

_MOST_TURNS: Final = 8
_CHANGES: Final = ("data", "to", "float", "half", "bfloat16", "double")


class Branches(Names):
    """if, match, try, for and while."""

    def _if(self, node: ast.If) -> bool:
        if _is_main(node.test):
            return self.body(node.body)
        yes, no = self.parted(node.test)
        before = self.state
        after: list[State] = []
        for path, statements in ((yes, node.body), (no, node.orelse)):
            if path:
                self.state = before.copy(path) if yes and no else before
                self.state.path = path
                if self.body(statements):
                    after.append(self.state)
        return self._go_on(after, before.path if len(after) == 2 or not (yes and no) else None)

    def _go_on(self, states: list[State], path: Path | None = None) -> bool:
        """After branches: what all that are alive have in common; False where none is."""
        merged: State | None = None
        for state in states:
            merged = join(merged, state, path)
        if merged is None:
            return False
        self.state = merged
        return True

    def _match(self, node: ast.Match) -> bool:
        self.evaluate(node.subject)
        before, after = self.state, [self.state.copy()]
        subject = self.text(node.subject)
        for case in node.cases:
            path = before.path
            match case.pattern:
                case ast.MatchValue(value=ast.Constant(value=constant)):
                    path = tuple(way | {(subject, repr(constant), True)} for way in before.path)
            self.state = before.copy(path)
            if self.body(case.body):
                after.append(self.state)
        return self._go_on(after, before.path)

    def _try(self, node: ast.Try) -> bool:
        before = self.state.copy()
        alive = self.body(node.body)
        inside = self.state
        after = []
        if alive and self.body(node.orelse):
            after.append(self.state)
        for handler in node.handlers:
            self.state = join(before.copy(), inside.copy(), before.path) or before.copy()
            if self.body(handler.body):
                after.append(self.state)
        going = self._go_on(after, before.path)
        if not going:
            self.state = inside
        return self.body(node.finalbody) and going

    def _for(self, node: ast.For | ast.AsyncFor) -> bool:
        value = self.evaluate(node.iter)
        content = value.single
        self._through_parameters(node, value)
        if isinstance(content, Seq) and len(content.items) <= _MOST_TURNS:
            if not content.items:
                return self.body(node.orelse)
            for item in content.items:
                self.assign(node.target, item)
                if not self._turn(node.body, sure=True):
                    return False
            return self.body(node.orelse)
        if any(isinstance(way, Seq) for _, way in value.ways) and _casts(node.body):
            self.touched(value)
        self.assign(node.target, NOTHING_KNOWN)
        self._each(node, value)
        self._turn(node.body, sure=False)
        return self.body(node.orelse)

    def _each(self, node: ast.For | ast.AsyncFor, value: Value) -> None:
        """Name what a loop over a tensor, or `enumerate` of one, comes by."""
        target = node.target
        match node.iter:
            case ast.Call(func=ast.Name(id="enumerate" | "tqdm"), args=[(ast.Name() | ast.Attribute()) as inner, *_]):
                value = self.evaluate(inner)
                if isinstance(target, ast.Tuple) and len(target.elts) == 2:
                    target = target.elts[1]
        content = value.single
        if isinstance(content, Ref) and content.number in self.state.heap and self.thing(content).kind == "tensor":
            self.assign(target, value)

    def _through_parameters(self, node: ast.For | ast.AsyncFor, value: Value) -> None:
        """A loop over the parameters or modules of a model that casts them leaves nobody knows what."""
        calls = (inner for inner in ast.walk(node.iter) if isinstance(inner, ast.Attribute))
        if not any(c.attr.endswith(("parameters", "modules", "children", "buffers", "components", "items")) for c in calls):
            return
        if _casts(node.body):
            for inner in ast.walk(node.iter):
                if isinstance(inner, (ast.Name, ast.Attribute)):
                    for ref in self.things(self.evaluate(inner)):
                        self.touched(just(ref))

    def _while(self, node: ast.While) -> bool:
        self.parted(node.test)
        self._turn(node.body, sure=False)
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        if endless and not any(isinstance(inner, ast.Break) for part in node.body for inner in ast.walk(part)):
            return False
        return self.body(node.orelse)

    def _turn(self, statements: Sequence[ast.stmt], sure: bool) -> bool:
        """The body of a loop once. sure: it is run; else what was before may still hold after it."""
        before = None if sure else self.state.copy()
        path = self.state.path
        self.frames[-1].left.append([])
        outer, self.loop = self.loop, self.loop or (statements[0].lineno if statements else 0)
        alive = self.body(statements)
        if alive and before is not None and self._moved(before):
            alive = self.body(statements)  # the second turn starts with other dtypes than the first
        self.loop = outer
        states = [*self.frames[-1].left.pop(), *([self.state] if alive else []), *([before] if before else [])]
        return self._go_on(states, path)

    def _moved(self, before: State) -> bool:
        """True where a tensor that a name stands for has another dtype than before."""
        for name, value in self.state.scopes[-1].items():
            old = before.scopes[-1].get(name)
            if old is None or old is value:
                continue
            was, now = old.single, value.single
            if not isinstance(was, Ref) or not isinstance(now, Ref) or was.number not in before.heap:
                continue
            if now.number in self.state.heap and before.heap[was.number].kind == self.state.heap[now.number].kind == "tensor":
                dtypes = before.heap[was.number].dtype.dtype, self.state.heap[now.number].dtype.dtype
                if None not in dtypes and dtypes[0] is not dtypes[1]:
                    return True
        return False

    def _leave(self, node: ast.Break | ast.Continue) -> bool:
        if self.frames[-1].left:
            self.frames[-1].left[-1].append(self.state)
        return False


def _casts(statements: Sequence[ast.stmt]) -> bool:
    """True where statements may cast what they are about."""
    return any(isinstance(inner, ast.Attribute) and inner.attr in _CHANGES for part in statements for inner in ast.walk(part))


def _is_main(test: ast.expr) -> bool:
    """True for `__name__ == "__main__"`."""
    match test:
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]):
            return True
    return False
