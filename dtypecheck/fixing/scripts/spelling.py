"""How a script spells things: its dtypes, its keyword for them, its classes; and whether a name means the same elsewhere."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ...dtypes import DType
from ...read.scripts.base import TORCH_DTYPES
from .document import Document
from .page import Change, Page
from .pieces import Unfit


@dataclass(frozen=True, slots=True)
class Spelled:
    """An expression as text, and the changes that make it mean something: an import more.

    always: it is the same in every case, where another expression of the script may hang on a condition.
    """

    text: str
    changes: tuple[Change, ...] = ()
    always: bool = True


@dataclass(slots=True)
class Spelling:
    """The habits of one document."""

    document: Document

    def dtype(self, dtype: DType, page: Page, at: ast.AST) -> Spelled:
        """A dtype of torch as the script writes it, else `torch.float16`."""
        names = [name for name, known in TORCH_DTYPES.items() if known is dtype]
        for owner, alias in self._imported("torch", page, at):
            if alias.name in names and owner == "torch":
                return Spelled(alias.asname or alias.name)
        torch = self.torch(page, at)
        used = Counter(
            node.attr
            for other in self.document.pages.values()
            for node in ast.walk(other.tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == torch.text
        )
        word = max((name for name in names if used[name]), key=lambda name: used[name], default=dtype.torch)
        return Spelled(f"{torch.text}.{word}", torch.changes)

    def torch(self, page: Page, at: ast.AST) -> Spelled:
        """The module torch as the script calls it, with an import where it has none."""
        for owner, alias in self._imported("torch", page, at):
            if owner == "" and (alias.name == "torch" or (alias.name.startswith("torch.") and not alias.asname)):
                return Spelled(alias.asname or "torch")
        return Spelled("torch", (self._import(page, at),))

    def keyword(self, call: ast.Call, page: Page) -> str:
        """`torch_dtype`, or `dtype` where the other calls of the script that load say so."""
        used = Counter(
            keyword.arg
            for other in self.document.pages.values()
            for node in other.calls.values()
            if isinstance(node.func, ast.Attribute) and node.func.attr.startswith("from_")
            for keyword in node.keywords
        )
        return "dtype" if used["dtype"] > used["torch_dtype"] else "torch_dtype"

    def klass(self, name: str, page: Page, at: ast.AST) -> Spelled:
        """A class of diffusers as the script reaches it, with a name more in its import. errors: Unfit where it has none."""
        imported = list(self._imported("diffusers", page, at))
        for owner, alias in imported:
            if owner and alias.name in (name, "*"):
                return Spelled(name if alias.name == "*" else alias.asname or name)
        for owner, alias in imported:
            if not owner and alias.name == "diffusers":
                return Spelled(f"{alias.asname or 'diffusers'}.{name}")
        for owner, alias in imported:
            if owner == "diffusers":
                home = next(p for p in self.document.pages.values() if alias in p.parents)
                end = home.span(alias)[1]
                return Spelled(name, (Change(home.cell, end, end, f", {name}"),))
        raise Unfit("diffusers is not imported")

    def reaches(self, node: ast.expr, page: Page, at: ast.AST, other: Page) -> bool:
        """Whether an expression of `page` means the same where `at` of `other` stands: names and attributes bound before it."""
        allowed = (ast.Name, ast.Attribute, ast.Load, ast.Constant, ast.Subscript)
        if not all(isinstance(inner, allowed) for inner in ast.walk(node)):
            return False
        names = [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
        return all(self._same(name, page, node, other, at) for name in names)

    def _same(self, name: str, page: Page, here: ast.AST, other: Page, there: ast.AST) -> bool:
        """Whether a name is bound once, and before `there`, in a scope that both places see and neither hides."""
        one, two = page.scope(here), other.scope(there)
        if page is other and one is two and not isinstance(one, ast.Module) and (bound := list(_bindings(name, one, page))):
            return len(bound) == 1 and bound[0] < other.span(other.statement(there))[0]
        around = ((page, one), (other, two))
        if any(list(_bindings(name, scope, home)) for home, scope in around if not isinstance(scope, ast.Module)):
            return False
        places = [(p.cell, at) for p in self.document.pages.values() for at in _bindings(name, p.tree, p)]
        inside = not isinstance(two, ast.Module)
        return len(places) == 1 and (inside or places[0] < (other.cell, other.span(other.statement(there))[0]))

    def _imported(self, library: str, page: Page, at: ast.AST) -> Iterator[tuple[str, ast.alias]]:
        """What is imported of a library where `at` stands: the module it comes from, "" for a module itself."""
        for other in self.document.pages.values():
            for node in ast.walk(other.tree):
                if not isinstance(node, (ast.Import, ast.ImportFrom)):
                    continue
                scope = other.scope(node)
                if not isinstance(scope, ast.Module) and not (other is page and _inside(at, scope, page)):
                    continue
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                for alias in node.names:
                    if (module or alias.name).partition(".")[0] == library and not getattr(node, "level", 0):
                        yield module, alias

    def _import(self, page: Page, at: ast.AST) -> Change:
        """`import torch` before the first import of the page, else behind its docstring."""
        body = page.tree.body
        late = [n for n in body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
        imports = [n for n in body if isinstance(n, (ast.Import, ast.ImportFrom)) and n not in late]
        is_text = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
        first = next(iter([*imports, *(n for n in body[is_text:] if n not in late)]), body[-1])
        start = page.span(first)[0]
        if not page.is_first(start):
            raise Unfit("there is no line for `import torch`")
        return Change(page.cell, start, start, f"import torch{page.newline(start)}")


def _inside(node: ast.AST, scope: ast.AST, page: Page) -> bool:
    """Whether a node stands in a function, or is it."""
    while node is not scope:
        if node not in page.parents:
            return False
        node = page.parents[node]
    return True


def _bindings(name: str, scope: ast.AST, page: Page) -> Iterator[int]:
    """Where a name gets a value in a scope, functions in it left out."""
    if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        given = scope.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
        yield from (page.offset(item.lineno, item.col_offset) for item in every if item.arg == name)
    for node in ast.walk(scope):
        if node not in page.parents or page.scope(page.parents[node]) is not scope:
            continue
        match node:
            case ast.Name() if node.id == name and not isinstance(node.ctx, ast.Load):
                yield page.span(node)[0]
            case ast.alias() if (node.asname or node.name.partition(".")[0]) == name:
                yield page.span(node)[0]
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if node.name == name:
                yield page.offset(node.lineno, node.col_offset)


__all__ = ["Spelled", "Spelling"]
