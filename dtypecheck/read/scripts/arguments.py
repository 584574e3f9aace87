"""What a call is given: its arguments as records, the dtype they name, and the objects that go where nobody can follow."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ...dtypes import DType
from ...subjects.cases import NOTHING_KNOWN, UNKNOWN, Map, Seq, Value, just, value_of
from ...subjects.scripts import NOWHERE, Argument
from .contents import Dotted, Ref
from .expressions import Expressions

REST: Final = "**"
"""The name of what comes through `**` and is not known."""
_DEVICE: Final = re.compile(r"device|cuda|rank|gpu|cpu|mps|accelerator", re.IGNORECASE)


class Arguments(Expressions):
    """Arguments of calls."""

    def arguments(self, node: ast.Call) -> list[Argument]:
        """Every argument, in the order of the text, without its place; those through `*` and `**` where they are known."""
        found: list[Argument] = []
        for item in node.args:
            if isinstance(item, ast.Starred):
                content = self.evaluate(item.value).single
                items = content.items if isinstance(content, Seq) else (NOTHING_KNOWN,)
                found += (Argument("", each, NOWHERE, NOWHERE, not isinstance(content, Seq)) for each in items)
            else:
                found.append(Argument("", self.evaluate(item), NOWHERE, NOWHERE))
        for keyword in node.keywords:
            value = self.evaluate(keyword.value)
            if keyword.arg is not None:
                found.append(Argument(keyword.arg, value, NOWHERE, NOWHERE))
                continue
            content = value.single
            if isinstance(content, Map):
                found += (Argument(name, each, NOWHERE, NOWHERE, True) for name, each in content.items.items())
            if not isinstance(content, Map) or not content.whole:
                whole = isinstance(content, Ref) and self.thing(content).kind == "features"
                found.append(Argument(REST, value if whole else NOTHING_KNOWN, NOWHERE, NOWHERE, True))
        return found

    def escape(self, arguments: Iterable[Argument]) -> None:
        """What is given to code that nobody knows may come back with other dtypes."""
        for argument in arguments:
            self.touched(argument.value)

    def touched(self, value: Value, depth: int = 0) -> None:
        """Forget the dtypes of the models in a value."""
        for _, content in value.ways:
            if isinstance(content, Seq) and depth < 3:
                for item in content.items:
                    self.touched(item, depth + 1)
            elif isinstance(content, Map) and depth < 3:
                for item in content.items.values():
                    self.touched(item, depth + 1)
        for ref in self.things(value):
            thing = self.thing(ref)
            if thing.kind in ("model", "pipeline", "parameters"):
                fields = dict.fromkeys(thing.fields, NOTHING_KNOWN) if thing.kind == "pipeline" else thing.fields
                if thing.kind == "pipeline" and depth < 3:
                    for field in thing.fields.values():
                        self.touched(field, depth + 1)
                self.change(ref, dtype=NOTHING_KNOWN, flags=thing.flags | {"touched"}, fields=fields)
            elif thing.kind in ("instance", "optimizer") and depth < 3 and "touched" not in thing.flags:
                self.change(ref, flags=thing.flags | {"touched"})
                for field in thing.fields.values():
                    self.touched(field, depth + 1)

    def is_harmless(self, callee: Any) -> bool:
        """True for functions that leave what they are given as it is."""
        return isinstance(callee, Dotted) and callee.root in self.meanings.bystanders

    def dtype_named(self, node: ast.Call, arguments: Sequence[Argument]) -> Value | None:
        """The dtype that `.to(...)` is given; None where it is given none, unknown where that cannot be told."""
        for argument in arguments:
            if argument.name == "dtype":
                return only_dtypes(argument.value)
            if argument.name == REST or (argument.starred and not argument.name):
                return NOTHING_KNOWN
        nodes = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg in ("other", "tensor"))]
        plain = [argument for argument in arguments if argument.name in ("", "other", "tensor")]
        unsure = False
        for argument, given in zip(plain, nodes, strict=False):
            for _, content in argument.value.ways:
                if isinstance(content, DType):
                    return only_dtypes(argument.value)
                if (
                    isinstance(content, Ref)
                    and content.number in self.state.heap
                    and self.thing(content).kind in ("tensor", "model")
                ):
                    return self.thing(content).dtype
                if not isinstance(content, (str, int)) and not _DEVICE.search(self.text(given)[-40:]):
                    unsure = True
        return NOTHING_KNOWN if unsure else None

    def named(self, argument: Argument | None) -> Value:
        """The value of an argument that may not be there: None then."""
        return just(None) if argument is None else argument.value


def only_dtypes(value: Value) -> Value:
    """A value with everything that is no dtype made unknown; None means that no dtype is named, which is not known either."""
    return value_of((case, content if isinstance(content, DType) else UNKNOWN) for case, content in value.ways)


def keyword(arguments: Sequence[Argument], *names: str, position: int | None = None) -> Argument | None:
    """The argument with the first of these keywords that is there, else the one at a position."""
    for name in names:
        for argument in arguments:
            if argument.name == name:
                return argument
    plain = [argument for argument in arguments if not argument.name]
    if position is None or position >= len(plain) or any(argument.starred for argument in plain[: position + 1]):
        return None
    return plain[position]


def has_rest(arguments: Sequence[Argument]) -> bool:
    """True where something unknown comes through `**`."""
    return any(argument.name == REST for argument in arguments)
