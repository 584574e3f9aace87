"""The statements of a script in their order: what they assign, which branches can be, and where a function ends."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, Final

from ...subjects.cases import NOTHING_KNOWN, just
from .branches import Branches
from .contents import Dotted, Method, Ref
from .functions import Definition

_MOST_TURNS: Final = 8
_CHANGES: Final = ("data", "to", "float", "half", "bfloat16", "double")


class Statements(Branches):
    """`body` for every kind of statement."""

    def body(self, statements: Sequence[ast.stmt]) -> bool:
        for statement in statements:
            self.tick()
            run = _KINDS.get(type(statement))
            if run is not None and not run(self, statement):
                return False
        return True

    def _expression(self, node: ast.Expr) -> bool:
        value = node.value
        if isinstance(value, (ast.Yield, ast.YieldFrom)):
            if value.value is not None:
                self.evaluate(value.value)
            return True
        self.evaluate(value)
        return not (isinstance(value, ast.Call) and isinstance(value.func, (ast.Name, ast.Attribute)) and _ends(value.func))

    # the rest

    def _with(self, node: ast.With | ast.AsyncWith) -> bool:
        depth = len(self.around)
        for item in node.items:
            value = self.evaluate(item.context_expr)
            content = value.single
            for _, context in value.ways:
                if isinstance(context, Ref) and self.thing(context).kind == "autocast":
                    self.around.append(context)
            if isinstance(item.context_expr, (ast.Name, ast.Attribute)) and not isinstance(content, Ref):
                self.around += self.things(self.make("autocast", fields={"enabled": NOTHING_KNOWN}))  # nobody knows what it is
            if item.optional_vars is not None:
                self.assign(item.optional_vars, NOTHING_KNOWN if isinstance(content, (Dotted, Method)) else value)
        alive = self.body(node.body)
        del self.around[depth:]
        return alive

    def _return(self, node: ast.Return) -> bool:
        value = self.evaluate(node.value) if node.value is not None else just(None)
        if len(self.frames) > 1:
            self.frames[-1].returned.append((self.state, value))
        return False

    def _raise(self, node: ast.Raise) -> bool:
        return False

    def _assert(self, node: ast.Assert) -> bool:
        yes, _ = self.parted(node.test)
        if yes:
            self.state.path = yes
        return True

    def _def(self, node: Definition) -> bool:
        self.state.scopes[-1][node.name] = just(self.define(node))
        return True

    def _class_def(self, node: ast.ClassDef) -> bool:
        self.state.scopes[-1][node.name] = just(self.klass(node))
        self.cells[node] = self.cell
        return True


_KINDS: Final[dict[type[ast.stmt], Callable[[Statements, Any], bool]]] = {
    ast.Assign: Statements._assign,
    ast.AnnAssign: Statements._annotated,
    ast.AugAssign: Statements._augmented,
    ast.Expr: Statements._expression,
    ast.If: Statements._if,
    ast.For: Statements._for,
    ast.AsyncFor: Statements._for,
    ast.While: Statements._while,
    ast.With: Statements._with,
    ast.AsyncWith: Statements._with,
    ast.Try: Statements._try,
    ast.TryStar: Statements._try,
    ast.FunctionDef: Statements._def,
    ast.AsyncFunctionDef: Statements._def,
    ast.ClassDef: Statements._class_def,
    ast.Return: Statements._return,
    ast.Raise: Statements._raise,
    ast.Break: Statements._leave,
    ast.Continue: Statements._leave,
    ast.Import: Statements._import,
    ast.ImportFrom: Statements._import_from,
    ast.Global: Statements._global,
    ast.Nonlocal: Statements._global,
    ast.Delete: Statements._delete,
    ast.Match: Statements._match,
    ast.Assert: Statements._assert,
}
"""What runs each kind of statement."""


def _ends(func: ast.Name | ast.Attribute) -> bool:
    """True for a call after which nothing runs."""
    return (isinstance(func, ast.Name) and func.id in ("exit", "quit")) or (
        isinstance(func, ast.Attribute)
        and func.attr in ("exit", "_exit", "abort")
        and isinstance(func.value, ast.Name)
        and func.value.id in ("sys", "os")
    )
