"""Whose dtype an expression has: follows `.to(...)` and `dtype=` through the assignments of one function.

A dtype is told by its owner: the name of a component (`vae`, `transformer`), `prompt_embeds`, `latents`, `F32`, `F16`, or
`param:x` for a parameter of the function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from .source import Function

_TORCH = {
    "float32": "F32",
    "float16": "F16",
    "half": "F16",
    "bfloat16": "BF16",
    "float": "F32",
    "float64": "F64",
    "double": "F64",
}
_METHODS = {"float": "F32", "half": "F16", "bfloat16": "BF16"}
_CASTS = frozenset({"to", "type", "astype", "tensor"})


@dataclass(frozen=True)
class Flow:
    """One function, and what its assignments say. `owners` are the objects components hang on: self, components."""

    function: Function
    owners: frozenset[str] = frozenset({"self", "components", "pipeline"})

    @cached_property
    def assigned(self) -> dict[str, list[tuple[int, ast.expr, bool]]]:
        """For every name: line, value, and whether the assignment hangs on a condition about upcasting or a platform."""
        found: dict[str, list[tuple[int, ast.expr, bool]]] = {}
        for node, guarded in _guarded(self.function):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for name in (name for target in targets for name in _targets(target)):
                        found.setdefault(name, []).append((node.lineno, value, guarded))
                case ast.AugAssign(target=target, value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                    for name in _targets(target):
                        found.setdefault(name, []).append((node.lineno, value, guarded))
                case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                    for name in _targets(target):
                        found.setdefault(name, []).append((value.lineno, value, guarded))
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append" | "extend"), args=[value]):
                    found.setdefault(name, []).append((node.lineno, value, guarded))
        return found

    @cached_property
    def params(self) -> tuple[str, ...]:
        arguments = self.function.args
        return tuple(one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))

    def dtype(self, node: ast.AST, depth: int = 4) -> frozenset[str]:
        """Owners of the dtype that an expression *is* (`self.vae.dtype`, `dtype`, `torch.float32`)."""
        match node:
            case ast.Attribute(value=ast.Name(id="torch"), attr=attr) if attr in _TORCH:
                return frozenset({_TORCH[attr]})
            case ast.Attribute(value=of, attr="dtype"):
                return frozenset({self._owner(of)})
            case ast.IfExp(body=body, orelse=orelse):
                return self.dtype(body, depth) | self.dtype(orelse, depth)
            case ast.BoolOp(values=values):
                return frozenset().union(*(self.dtype(value, depth) for value in values))
            case ast.Name(id=name) if name in self.assigned and depth:
                return frozenset().union(*(self.dtype(value, depth - 1) for _, value, _ in self.assigned[name])) | (
                    frozenset({f"param:{name}"}) if name in self.params else frozenset()
                )
            case ast.Name(id=name) if name in self.params:
                return frozenset({f"param:{name}"})
            case ast.Call(func=ast.Name(id="getattr"), args=[of, ast.Constant(value="dtype"), *_]):
                return frozenset({self._owner(of)})
            case _:
                return frozenset()

    def _owner(self, node: ast.AST) -> str:
        """What `.dtype` is asked of: a component, embeddings, latents or something else."""
        for part in ast.walk(node):
            match part:
                case ast.Attribute(value=ast.Name(id=root), attr=component) if root in self.owners:
                    return component
        name = next((part.id for part in ast.walk(node) if isinstance(part, ast.Name)), "")
        if isinstance(node, ast.Attribute):
            name = node.attr
        if "embeds" in name or "hidden_states" in name:
            return "prompt_embeds"
        return "latents" if "latent" in name else name or "?"

    def casts(self, node: ast.AST) -> frozenset[str]:
        """Owners of the dtypes that the casts inside an expression cast to."""
        found: set[str] = set()
        for part in ast.walk(node):
            match part:
                case ast.Call(func=ast.Attribute(attr=attr), args=[]) if attr in _METHODS:
                    found.add(_METHODS[attr])
                case ast.Call(func=ast.Attribute(attr=attr), args=args, keywords=keywords):
                    asked = [keyword.value for keyword in keywords if keyword.arg == "dtype"]
                    asked += [arg for arg in args if not isinstance(arg, ast.Constant) and (attr in _CASTS or _is_dtype(arg))]
                    found |= {owner for one in asked for owner in self.dtype(one)}
        return frozenset(found)

    def traced(self, node: ast.AST, first: int = 0, last: int = 10**9, depth: int = 6, guarded: bool = False) -> frozenset[str]:
        """Casts of an expression and of what its names were assigned between two lines."""
        found, names, seen = set(self.casts(node)), set(names_in(node)), set[str]()
        for _ in range(depth):
            fresh, names = names - seen, set()
            seen |= fresh
            for name in fresh:
                for line, value, unsure in self.assigned.get(name, ()):
                    if first <= line <= last and (guarded or not unsure):
                        found |= self.casts(value)
                        names |= set(names_in(value))
        return frozenset(found)

    def reaches(self, node: ast.AST, last: int = 10**9, depth: int = 6) -> frozenset[str]:
        """The parameters that flow into an expression."""
        names, seen = set(names_in(node)), set[str]()
        for _ in range(depth):
            fresh = names - seen
            seen |= fresh
            names = {
                n for name in fresh for line, value, _ in self.assigned.get(name, ()) if line <= last for n in names_in(value)
            }
        return frozenset(seen & set(self.params))


def _is_dtype(node: ast.AST) -> bool:
    """`self.vae.dtype` or `vae_dtype`, as handed to a method of the pipeline."""
    return (isinstance(node, ast.Attribute) and node.attr == "dtype") or (
        isinstance(node, ast.Name) and node.id.endswith("dtype")
    )


def names_in(node: ast.AST) -> Iterator[str]:
    """The plain names that carry values in an expression, `block_state.x` as `x`; not those that only give a dtype or shape."""
    match node:
        case ast.Attribute(attr="dtype" | "device" | "shape" | "config"):
            return
        case ast.Attribute(value=ast.Name(id="block_state"), attr=attr):
            yield attr
        case ast.Name(id=name):
            yield name
        case ast.Call(func=func, args=args, keywords=keywords):
            yield from names_in(func)
            for one in args:
                yield from names_in(one)
            for keyword in keywords:
                if keyword.arg not in ("dtype", "device", "generator"):
                    yield from names_in(keyword.value)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from names_in(child)


def _targets(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name):
            yield name
        case ast.Attribute(value=ast.Name(id="block_state"), attr=attr):
            yield attr
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for one in elements:
                yield from _targets(one)
        case ast.Subscript(value=value) | ast.Starred(value=value):
            yield from _targets(value)


def _guarded(node: ast.AST, guarded: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Every node below, and whether an `if` about upcasting or a platform stands above it."""
    yield node, guarded
    if isinstance(node, ast.If):
        test = ast.unparse(node.test)
        inner = guarded or "upcast" in test or "mps" in test
        for one in node.body:
            yield from _guarded(one, inner)
        for one in node.orelse:
            yield from _guarded(one, guarded or ("upcast" in test and isinstance(one, ast.If)))
        return
    for child in ast.iter_child_nodes(node):
        yield from _guarded(child, guarded)
