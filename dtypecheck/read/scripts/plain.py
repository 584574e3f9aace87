"""Methods of constant texts, dicts and lists."""

from __future__ import annotations

import ast

from ...subjects.cases import NOTHING_KNOWN, Map, Seq, Value, just
from .options import Options


class Plain(Options):
    """What is neither a function nor an object of the script."""

    def of_plain(self, node: ast.Call, func: ast.Attribute, content: str | Map | Seq) -> Value:
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
            elif func.attr == "extend" and len(arguments) == 1 and isinstance(func.value, ast.Name):
                more = arguments[0].value.single
                self.assign(func.value, just(Seq((*content.items, *more.items))) if isinstance(more, Seq) else NOTHING_KNOWN)
            elif func.attr in ("insert", "pop", "remove", "clear", "sort", "reverse") and isinstance(func.value, ast.Name):
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
