"""Calls: functions of the script, of a library, and methods of objects, each to where it is understood."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from ...dtypes import DType
from ...knowledge import Row
from ...subjects.cases import NOTHING_KNOWN, UNKNOWN, Case, Map, Seq, Value, both, just, value_of
from ...subjects.scripts import Argument
from .arguments import only_dtypes
from .contents import Dotted, Func, Klass, Method, Ref
from .expressions import by_name
from .methods import Methods
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

_GATHER: Final = ("list", "tuple", "filter", "chain", "itertools.chain")
"""Functions that give parameters they are given, in another form."""


class Library(Methods):
    """`call` for all that is no function of the script."""

    def call(self, node: ast.Call) -> Value:
        """What a call gives, after noting it where it matters."""
        func = node.func
        if isinstance(func, ast.Attribute):
            owner = self.evaluate(func.value)
            content = owner.single
            if isinstance(content, (str, Map, Seq)):
                return self.of_plain(node, func, content)
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
                return self.method(node, callee.owner, callee.name, arguments)
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

    @abstractmethod
    def instance(self, klass: Klass, arguments: Sequence[Argument]) -> Value:
        """An object of a class of the script."""

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
                if not any(a.name == "autocast_adapter_dtype" and a.value.single is False for a in arguments):
                    self.adapted(arguments, None)
                return arguments[0].value if arguments else NOTHING_KNOWN
            case "same" if name.startswith(("torch.", "copy.")) or name == "deepcopy":
                return self._again(name, row, arguments)
            case "multiplies":
                self.record(node, name, "multiplies", arguments)
                return NOTHING_KNOWN
            case "tf32":
                self.record(node, name, "tf32", arguments)
                return just(None)
            case "numpy":
                return self.to_array(node, name, arguments)
            case "picture":
                return self.make("picture")
            case "transforms":
                return self.transforms(node, row)
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

    def _again(self, name: str, row: Row, arguments: Sequence[Argument]) -> Value:
        """What a function gives that keeps the dtype: the same thing, or a copy of its own."""
        if not arguments or any(argument.name == "dtype" for argument in arguments) or (row.get("wide") and self.around):
            return NOTHING_KNOWN  # it is given a dtype, or autocast runs it in fp32
        value = arguments[0].value
        content = value.single
        if name.endswith("deepcopy") and isinstance(content, Ref) and self.thing(content).kind == "model":
            thing = self.thing(content)
            self.count += 1
            self.state.heap[self.count] = thing.but(number=self.count, flags=thing.flags - {"trained", "prepared"})
            return just(Ref(self.count))
        return value

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
        if name in _GATHER:
            return self.gathered(arguments)
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
        if thing.kind == "transform":
            return self.make("tensor", dtype=self.default_dtype(), name=self.text(node))
        if thing.kind == "instance":
            for name in ("__call__", "forward"):
                if (func := self.method_of_instance(ref, name)) is not None:
                    return self.inline(func, arguments)
        self.escape(arguments)
        return NOTHING_KNOWN


def _limit(value: Value, sign: int) -> Value:
    """The largest number of a dtype, or the one farthest below 0."""
    return value_of((case, sign * content.largest if isinstance(content, DType) else UNKNOWN) for case, content in value.ways)
