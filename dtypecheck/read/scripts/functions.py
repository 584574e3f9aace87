"""Functions and classes of the script: a call runs the body with what it was given; one that nobody calls, with unknowns."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ...subjects.cases import NOTHING_KNOWN, Map, Seq, Value, joined, just
from ...subjects.scripts import NOWHERE, Argument
from .arguments import REST
from .contents import Dotted, Func, Klass, Ref
from .library import Library
from .state import State, join

_DEEPEST: Final = 8
Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class Frame:
    """A function, or the module, while it runs: what it returned so far, and where its loops were left."""

    node: ast.AST
    returned: list[tuple[State, Value]] = field(default_factory=list)
    left: list[list[State]] = field(default_factory=list)
    raised: list[list[State]] = field(default_factory=list)
    shared: set[str] = field(default_factory=set)


class Functions(Library):
    """What calls of the script's own functions give."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.frames: list[Frame] = [Frame(ast.Module([], []))]
        self.called: set[Definition] = set()
        self.klasses: dict[int, Klass] = {}
        self.cells: dict[Definition | ast.ClassDef, int] = {}

    @abstractmethod
    def body(self, statements: Sequence[ast.stmt]) -> bool:
        """Run statements; False where the state ended in them."""

    def define(self, node: Definition, bound: Ref | None = None) -> Func:
        """A function where its definition stands."""
        self.cells[node] = self.cell
        return Func(node, len(self.state.scopes), bound)

    def inline(self, func: Func, arguments: Sequence[Argument]) -> Value:
        """Run a function's body; unknown where it calls itself, or too deep."""
        node = func.node
        if len(self.frames) > _DEEPEST or any(frame.node is node for frame in self.frames):
            self.escape(arguments)
            return NOTHING_KNOWN
        self.called.add(node)
        names = self._bound(func, arguments)
        cell, lines, saved, path = self.cell, self.lines, self.state.scopes, self.state.path
        self.begin(self.cells.get(node, self.cell))
        frame = Frame(node)
        self.frames.append(frame)
        depth = min(func.depth, len(saved))
        self.state.scopes = [*saved[:depth], names]
        alive = self.body(node.body)
        self.frames.pop()
        value = self._returned(frame, alive)
        self.state.scopes = [*self.state.scopes[:depth], *saved[depth:]]
        self.state.path = path
        self.cell, self.lines = cell, lines
        return value

    def _returned(self, frame: Frame, alive: bool) -> Value:
        """What all ways out of a function give, and the state after them."""
        ends = [*frame.returned, *([(self.state, just(None))] if alive else [])]
        if not ends:
            return NOTHING_KNOWN  # it only raises; whoever reads on assumes that it did not
        state, value = ends[0]
        for other, more in ends[1:]:
            value = joined(value, state.path, more, other.path)
            state = join(state, other) or state
        self.state = state
        return value

    def _bound(self, func: Func, arguments: Sequence[Argument]) -> dict[str, Value]:
        """The names of a function's parameters with what they are given, else with their defaults."""
        spec = func.node.args
        names: dict[str, Value] = {}
        parameters = [*spec.posonlyargs, *spec.args]
        if func.bound is not None and parameters:
            names[parameters[0].arg] = just(func.bound)
            parameters = parameters[1:]
        plain = [argument for argument in arguments if not argument.name]
        unsure = any(argument.starred and argument.value is NOTHING_KNOWN for argument in arguments)
        by_name = {argument.name: argument.value for argument in arguments if argument.name}
        for parameter, argument in zip(parameters, plain, strict=False):
            names[parameter.arg] = argument.value
        if spec.vararg:
            names[spec.vararg.arg] = just(Seq(tuple(argument.value for argument in plain[len(parameters) :])))
        defaults = dict(zip([p.arg for p in parameters][::-1], spec.defaults[::-1], strict=False))
        defaults |= {p.arg: d for p, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None}
        for parameter in (*parameters, *spec.kwonlyargs):
            name = parameter.arg
            if name in by_name:
                names[name] = by_name.pop(name)
            elif name not in names:
                names[name] = self.evaluate(defaults[name]) if name in defaults and not unsure else NOTHING_KNOWN
        if spec.kwarg:
            known = REST not in by_name
            names[spec.kwarg.arg] = just(Map({k: v for k, v in by_name.items() if k != REST}, known))
        return names

    def unknown(self, func: Func) -> None:
        """Run a function that nobody calls in this file: what it is given is not known."""
        spec = func.node.args
        given = [*spec.posonlyargs, *spec.args][1 if func.bound is not None else 0 :]
        names = [p.arg for p in (*given, *spec.kwonlyargs)]
        arguments = [Argument(name, NOTHING_KNOWN, NOWHERE, NOWHERE, True) for name in names]
        before = self.state.copy()
        self.inline(func, [*arguments, Argument(REST, NOTHING_KNOWN, NOWHERE, NOWHERE, True)])
        self.state = join(before, self.state) or before

    # classes

    def klass(self, node: ast.ClassDef) -> Klass:
        """A class where its definition stands."""
        made = Klass(node, len(self.state.scopes), is_dataclass=any("dataclass" in ast.unparse(d) for d in node.decorator_list))
        bases: list[Dotted] = []
        for base in node.bases:
            content = self.evaluate(base).single
            if isinstance(content, Klass):
                made.values.update(content.values)
                made.methods.update(content.methods)
                bases += content.bases
            elif isinstance(content, Dotted):
                bases.append(content)
        for statement in node.body:
            match statement:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    made.methods[statement.name] = statement
                    self.cells[statement] = self.cell
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    made.values[name] = self.evaluate(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    made.values[name] = self.evaluate(value)
        return Klass(node, made.depth, made.values, made.methods, tuple(bases), made.is_dataclass)

    def instance(self, klass: Klass, arguments: Sequence[Argument]) -> Value:
        """An object of the class: its constructor is run."""
        fields = dict(klass.values)
        if klass.is_dataclass:
            for name, argument in zip(klass.values, (a for a in arguments if not a.name), strict=False):
                fields[name] = argument.value
            fields |= {a.name: a.value for a in arguments if a.name and a.name != REST}
        value = self.make("instance", klass=None, name=klass.node.name, fields=fields)
        ref = value.single
        self.klasses[ref.number] = klass
        if (init := klass.methods.get("__init__")) is not None:
            self.inline(Func(init, klass.depth, ref), arguments)
        elif not klass.is_dataclass:
            self.escape(arguments)
        return value

    def method_of_instance(self, ref: Ref, name: str) -> Func | None:
        klass = self.klasses.get(ref.number)
        node = klass.methods.get(name) if klass else None
        if klass is None or node is None:
            return None
        static = any(isinstance(d, ast.Name) and d.id in ("staticmethod", "classmethod") for d in node.decorator_list)
        return Func(node, klass.depth, None if static else ref)
