"""Calls: functions of the script, of a library, and methods of objects, each to where it is understood."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Final

from ...dtypes import DType
from ...knowledge import Row
from ...subjects.cases import NOTHING_KNOWN, UNKNOWN, Case, Map, Seq, Value, both, just, value_of
from ...subjects.scripts import Argument
from .arguments import only_dtypes
from .contents import Dotted, Func, Klass, Method, Ref
from .expressions import by_name
from .options import Options
from .tensors import DEFAULT

_PATHS: Final = (
    "pathlib.Path",
    "Path",
    "pathlib.PurePath",
    "str",
    "os.fspath",
    "os.path.abspath",
    "os.path.expanduser",
    "os.path.realpath",
)


class Library(Options):
    """`call` for all that is no function of the script."""

    def call(self, node: ast.Call) -> Value:
        """What a call gives, after noting it where it matters."""
        func = node.func
        if isinstance(func, ast.Attribute):
            owner = self.evaluate(func.value)
            content = owner.single
            if isinstance(content, (str, Map, Seq)):
                return self._of_plain(node, func, content)
            callee = self.attribute(owner, func.attr)
        else:
            callee = self.evaluate(func)
        arguments = self.arguments(node)
        if len(callee.ways) == 1:
            return self.apply(node, callee.ways[0][1], arguments)
        ways: list[tuple[Case, Any]] = []
        sure = self.sure
        for case, content in callee.ways:
            self.sure = False
            found = self.apply(node, content, arguments)
            self.sure = sure
            ways += [(met, c) for way, c in found.ways if (met := both(case, way)) is not None]
        return value_of(ways)

    def apply(self, node: ast.Call, callee: Any, arguments: Sequence[Argument]) -> Value:
        """What calling one content gives."""
        match callee:
            case Dotted():
                return self._function(node, callee, arguments)
            case Method():
                return self._method(node, callee.owner, callee.name, arguments)
            case Func():
                return self.inline(callee, arguments)
            case Klass():
                return self.instance(callee, arguments)
            case Ref() if callee.number in self.state.heap:
                return self._thing_called(node, callee, arguments)
            case DType():
                return NOTHING_KNOWN
        self.escape(arguments)
        return NOTHING_KNOWN

    def inline(self, func: Func, arguments: Sequence[Argument]) -> Value:
        """A function of the script."""
        raise NotImplementedError

    def instance(self, klass: Klass, arguments: Sequence[Argument]) -> Value:
        """An object of a class of the script."""
        raise NotImplementedError

    def method_of_instance(self, ref: Ref, name: str) -> Func | None:
        """A method of an object of the script's own class."""
        raise NotImplementedError

    def _function(self, node: ast.Call, callee: Dotted, arguments: Sequence[Argument]) -> Value:
        name = callee.name
        row = self.meanings.of_function(name)
        if row is not None and (made := self._meant(node, name, row, arguments)) is not None:
            return made
        if (made := self._plain_function(node, name, arguments)) is not None:
            return made
        if name.startswith("argparse.") or callee.last in ("ArgumentParser", "HfArgumentParser"):
            return self.make("argparse") if callee.last == "ArgumentParser" else NOTHING_KNOWN
        if (made := self.construct(node, name, arguments)) is not None:
            return made
        if not self.is_harmless(callee):
            self.escape(arguments)
        return NOTHING_KNOWN

    def _meant(self, node: ast.Call, name: str, row: Row, arguments: Sequence[Argument]) -> Value | None:
        """What a function or class gives that calls.toml knows; None where this one is not meant."""
        match row["means"]:
            case "load":
                return self.load(node, name, row, arguments)
            case "build":
                klass, _, _ = name.rpartition(".")
                return self.build(node, name, klass.rpartition(".")[2], klass.partition(".")[0], arguments)
            case "derive":
                return self.derive(node, name, row, arguments)
            case "tensor":
                return self.new_tensor(node, name, row, arguments)
            case "like":
                return self.like(node, name, arguments)
            case "widens":
                return self.widened(arguments)
            case "autocast":
                return self.autocast(node, name, row, arguments)
            case "scaler":
                return self.scaler(node, name, arguments)
            case "optimizer":
                return self.optimizer(node, name, arguments)
            case "accelerator":
                return self.accelerator(node, name, arguments)
            case "quantiser":
                return self.quantiser(node, name, row, arguments)
            case "adapts":
                self.adapted(arguments, None)
                return arguments[0].value if arguments else NOTHING_KNOWN
            case "same" if name.startswith(("torch.", "copy.")) or name == "deepcopy":
                return arguments[0].value if arguments else NOTHING_KNOWN
            case "attention" | "loss" | "trainer":
                self.record(node, name, row["means"], arguments)
                if row["means"] == "trainer":
                    self.escape(arguments)
                return self.of_attention(arguments) if row["means"] == "attention" else NOTHING_KNOWN
            case "training_arguments":
                return self.training_arguments(node, name, arguments)
            case "default_dtype":
                self.record(node, name, "default_dtype", arguments)
                self.state.scopes[0][DEFAULT] = only_dtypes(arguments[0].value) if arguments else NOTHING_KNOWN
                return just(None)
        return None

    def _plain_function(self, node: ast.Call, name: str, arguments: Sequence[Argument]) -> Value | None:
        """Functions of Python and torch whose result follows from constants."""
        first = arguments[0].value if arguments else NOTHING_KNOWN
        if name in _PATHS:
            return first if all(isinstance(content, (str, type(UNKNOWN))) for _, content in first.ways) else NOTHING_KNOWN
        if name == "torch.device":
            return first if first.text else just("device")
        if name == "getattr" and len(arguments) >= 2:
            return self._getattr(arguments)
        if name in ("os.path.join", "posixpath.join"):
            words = [argument.value.text for argument in arguments]
            return just("/".join(w.rstrip("/") for w in words if w)) if all(words) else NOTHING_KNOWN
        if name == "dict":
            return just(
                Map({a.name: a.value for a in arguments if a.name and a.name != "**"}, all(a.name != "**" for a in arguments))
            )
        if name in ("isinstance", "hasattr", "bool"):
            return NOTHING_KNOWN
        if name == "torch.finfo":
            return self.make("namespace", fields={"min": _limit(first, -1), "max": _limit(first, 1)})
        if name == "float" and (first.text in ("inf", "-inf") or type(first.single) in (int, float)):
            return just(float(first.single))
        if name == "setattr" and len(arguments) == 3:
            for ref in self.things(first):
                if (attribute := arguments[1].value.text) is not None:
                    self.field(ref, attribute, arguments[2].value)
            return just(None)
        return None

    def _getattr(self, arguments: Sequence[Argument]) -> Value:
        owner, key = arguments[0].value, arguments[1].value
        if isinstance(owner.single, Dotted) and owner.single.name == "torch":
            return value_of((case, (by_name(c) or UNKNOWN) if isinstance(c, str) else UNKNOWN) for case, c in key.ways)
        return self.attribute(owner, key.text) if key.text is not None else NOTHING_KNOWN

    def _thing_called(self, node: ast.Call, ref: Ref, arguments: Sequence[Argument]) -> Value:
        thing = self.thing(ref)
        if thing.kind in ("model", "pipeline", "processor"):
            return self.run(node, ref, arguments)
        if thing.kind == "instance":
            for name in ("__call__", "forward"):
                if (func := self.method_of_instance(ref, name)) is not None:
                    return self.inline(func, arguments)
        self.escape(arguments)
        return NOTHING_KNOWN

    def _method(self, node: ast.Call, ref: Ref, name: str, arguments: Sequence[Argument]) -> Value:
        thing = self.thing(ref)
        row = self.meanings.of_method(name)
        match thing.kind:
            case "instance":
                if (func := self.method_of_instance(ref, name)) is not None:
                    return self.inline(func, arguments)
                self.escape(arguments)
            case "accelerator":
                return self.accelerated(node, ref, name, arguments, row)
            case "argparse":
                return self.of_parser(ref, name, arguments)
            case "output":
                return thing.fields.get("", NOTHING_KNOWN) if name in ("sample", "mode") else NOTHING_KNOWN
        if row is None:
            if thing.kind in ("model", "pipeline") and "Pipeline" not in (thing.klass or "") and thing.kind == "pipeline":
                self.escape(arguments)
            return NOTHING_KNOWN
        return self._known_method(node, ref, name, row, arguments)

    def _known_method(self, node: ast.Call, ref: Ref, name: str, row: Row, arguments: Sequence[Argument]) -> Value:
        thing = self.thing(ref)
        match row["means"]:
            case "cast":
                return self.cast(node, name, row, ref, arguments)
            case "same":
                return just(ref)
            case "numpy" if thing.kind == "tensor":
                self.record(node, ".numpy", "numpy", arguments, ref)
            case "forward" if thing.kind == "model":
                self.record(node, f"{thing.label}.{name}", "forward", arguments, ref)
            case "fills" if thing.kind == "tensor":
                self.record(node, "." + name, "fills", arguments, ref)
                return just(ref)
            case "decode" | "encode" if thing.kind == "model":
                return self.through(node, name, ref, arguments)
            case "adapts":
                self.record(node, "." + name, "adapts", arguments, ref)
                self.adapted((), ref)
            case "submodule" if thing.kind == "model":
                inner = {"dtype": thing.dtype, "loader": thing.loader, "caster": thing.caster, "flags": thing.flags}
                return self.make("model", library=thing.library, name=f"{thing.label}.{name}()", **inner)
            case "part" if thing.kind == "model":
                return self.make("parameters", fields={"of": just(ref)}, dtype=thing.dtype)
            case "steps" if thing.kind in ("scaler", "optimizer"):
                self.record(node, "." + name, "steps", arguments, ref)
            case "registers":
                for argument in arguments:
                    self.field(ref, argument.name, argument.value)
            case "touches":
                if thing.kind in ("model", "pipeline") and name not in ("load_state_dict",):
                    self.touched(just(ref))
            case "layerwise" if thing.kind == "model":
                self.record(node, "." + name, "layerwise", arguments, ref)
                self.change(ref, flags=thing.flags | {"layerwise"})
            case "load" if thing.kind in ("model", "pipeline", "instance"):
                return NOTHING_KNOWN
            case "harmless" if name == "encode_prompt":
                return NOTHING_KNOWN
        return NOTHING_KNOWN

    def _of_plain(self, node: ast.Call, func: ast.Attribute, content: str | Map | Seq) -> Value:
        """A method of a constant text, a dict or a list."""
        arguments = self.arguments(node)
        if isinstance(content, Map):
            if func.attr in ("get", "pop") and arguments:
                default = arguments[1].value if len(arguments) > 1 else just(None)
                return self.chosen(content, arguments[0].value, node.args[0] if node.args else node, default)
            if func.attr == "update":
                given = (
                    arguments[0].value.single
                    if arguments and not arguments[0].name
                    else Map({a.name: a.value for a in arguments})
                )
                inner = given if isinstance(given, Map) else Map({}, False)
                self.assign(func.value, just(Map({**content.items, **inner.items}, content.whole and inner.whole)))
                return just(None)
            if func.attr == "values":
                return just(Seq(tuple(content.items.values()))) if content.whole else NOTHING_KNOWN
            if func.attr in ("setdefault", "clear", "popitem"):
                self.assign(func.value, just(Map({}, False)))
            return NOTHING_KNOWN
        if isinstance(content, Seq):
            if func.attr == "append" and len(arguments) == 1 and isinstance(func.value, ast.Name):
                self.assign(func.value, just(Seq((*content.items, arguments[0].value))))
            elif func.attr in ("extend", "insert", "pop", "remove", "clear", "sort", "reverse") and isinstance(
                func.value, ast.Name
            ):
                self.assign(func.value, NOTHING_KNOWN)
            return NOTHING_KNOWN
        match func.attr:
            case "lower":
                return just(content.lower())
            case "upper":
                return just(content.upper())
            case "strip" if not arguments:
                return just(content.strip())
        return NOTHING_KNOWN


def _limit(value: Value, sign: int) -> Value:
    """The largest number of a dtype, or the one farthest below 0."""
    return value_of((case, sign * content.largest if isinstance(content, DType) else UNKNOWN) for case, content in value.ways)
