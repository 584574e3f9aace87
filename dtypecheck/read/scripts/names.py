"""What gives names their values: assignments, imports, deletions."""

from __future__ import annotations

import ast

from ...subjects.cases import NOTHING_KNOWN, Map, Seq, Value, just
from .contents import Dotted, Ref
from .functions import Functions


class Names(Functions):
    """Assignments and imports."""

    def assign(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(id=name):
                self._name_thing(value, name)
                self.versions[name] = self.versions.get(name, 0) + 1
                shared = name in self.frames[-1].shared
                self.state.scopes[0 if shared else -1][name] = value
            case ast.Attribute(value=owner, attr=name):
                content = self.evaluate(owner).single
                if isinstance(content, Dotted):
                    self._setting(target, f"{content.name}.{name}", value)
                if name == "data":
                    for ref in self.things(self.evaluate(owner)):
                        self.touched(just(ref))
                for ref in self.things(self.evaluate(owner)):
                    if self.thing(ref).kind in ("pipeline", "instance", "namespace", "object", "model"):
                        self.field(ref, name, value)
                        self._name_thing(value, f"{ast.unparse(owner)}.{name}")
            case ast.Subscript(value=ast.Name(id=name) as owner, slice=key):
                content, text = self.evaluate(owner).single, self.evaluate(key).text
                if isinstance(content, Map):
                    made = Map({**content.items, text: value}, content.whole) if text else Map(content.items, False)
                    self.assign(owner, just(made))
                elif isinstance(content, Seq):
                    self.assign(owner, NOTHING_KNOWN)
                elif isinstance(content, Ref) and self.thing(content).kind == "tensor":
                    self.note(target, "[...] =", "puts", target, value, content)
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                content = value.single
                if isinstance(content, Seq) and len(content.items) == len(targets):
                    for inner, item in zip(targets, content.items, strict=True):
                        self.assign(inner, item)
                else:
                    whole = isinstance(content, Ref) and self.thing(content).kind in ("tensor", "features")
                    for inner in targets:
                        self.assign(inner, value if whole else NOTHING_KNOWN)
            case ast.Starred(value=inner):
                self.assign(inner, NOTHING_KNOWN)

    def _setting(self, target: ast.expr, name: str, value: Value) -> None:
        """A switch of torch that is set by assignment."""
        row = self.meanings.rows.get(name)
        if row is not None and row["means"] == "tf32":
            self.note(target, name, "tf32", target, value)

    def _name_thing(self, value: Value, name: str) -> None:
        content = value.single
        if isinstance(content, Ref) and not self.thing(content).name:
            self.change(content, name=name)

    def _assign(self, node: ast.Assign) -> bool:
        value = self.evaluate(node.value)
        for target in node.targets:
            self.assign(target, value)
        return True

    def _annotated(self, node: ast.AnnAssign) -> bool:
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value))
        return True

    def _augmented(self, node: ast.AugAssign) -> bool:
        operation = ast.copy_location(ast.BinOp(node.target, node.op, node.value), node)
        self.assign(node.target, self.evaluate(operation))
        return True

    def _delete(self, node: ast.Delete) -> bool:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.state.scopes[-1].pop(target.id, None)
        return True

    def _global(self, node: ast.Global | ast.Nonlocal) -> bool:
        if isinstance(node, ast.Global):
            self.frames[-1].shared.update(node.names)
        return True

    def _import(self, node: ast.Import) -> bool:
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            self.state.scopes[-1][alias.asname or name] = just(Dotted(name))
        return True

    def _import_from(self, node: ast.ImportFrom) -> bool:
        module = "." * node.level + (node.module or "")
        owner = just(Dotted(_shortened(module)))
        for alias in node.names:
            if alias.name == "*":
                self.starred.add(_shortened(module))
            else:
                self.state.scopes[-1][alias.asname or alias.name] = self.attribute(owner, alias.name)
        return True


def _shortened(module: str) -> str:
    """The library alone, for modules inside diffusers and transformers: their names are the same wherever they come from."""
    root = module.partition(".")[0]
    return root if root in ("diffusers", "transformers") else module
