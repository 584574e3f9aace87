"""What an expression of a script may be: constants, names, attributes, choices, dicts, and what is known of operators."""

from __future__ import annotations

import ast
import re
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Final

from ...dtypes import DType, parse
from ...subjects.cases import (
    NOTHING_KNOWN,
    UNKNOWN,
    Case,
    Map,
    Seq,
    Value,
    both,
    just,
    value_of,
    within,
)
from .base import TORCH_DTYPES
from .conditions import flipped
from .contents import Dotted, Klass, Method, Ref
from .operators import NUMBERS, SCHEDULE, Operators

_SAME_KIND: Final = (str, int, float, bool, type(None))
_SIMPLE: Final = (ast.Constant, ast.Name, ast.Attribute, ast.Tuple, ast.List, ast.UnaryOp)
"""What may be evaluated twice: there is no call in it, or nobody writes one there."""
_PROCESSORS: Final = ("image_processor", "video_processor", "feature_extractor", "vae_image_processor")
_OF_SCHEDULER: Final = ("timesteps", "sigmas")
_NUMBERS_OF_FEATURES: Final = ("pixel_values", "input_features", "input_values")
_PARTS_OF_OUTPUT: Final = ("images", "frames", "videos", "audios", "sample", "latents", "image_embeddings", "image_embeds")


class Expressions(Operators):
    """`evaluate` for every kind of expression; calls are left to the classes that build on this one."""

    def evaluate(self, node: ast.expr) -> Value:
        """What an expression may be. Evaluating it notes the calls in it."""
        self.tick()
        known = _BY_TYPE.get(type(node))
        return known(self, node) if known else NOTHING_KNOWN

    @abstractmethod
    def call(self, node: ast.Call) -> Value:
        """What a call gives."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Value) -> None:
        """Give a name, an attribute or several of them a value."""

    @abstractmethod
    def part_of(self, ref: Ref, name: str) -> Value | None:
        """A part of a pipeline that was not asked for before."""

    # names

    def lookup(self, name: str) -> Value:
        """What a name is; one that nothing defines is taken for a library's."""
        scopes = self.state.scopes
        for scope in reversed(scopes):
            if (found := scope.get(name)) is not None:
                return within(found, self.state.path)
        if self.starred and name[:1].isupper() and len(self.starred) == 1:
            return just(Dotted(f"{next(iter(self.starred))}.{name}"))
        return just(Dotted(name))

    def _constant(self, node: ast.Constant) -> Value:
        return just(node.value)

    def _name(self, node: ast.Name) -> Value:
        return self.lookup(node.id)

    def _attribute(self, node: ast.Attribute) -> Value:
        return self.attribute(self.evaluate(node.value), node.attr)

    def attribute(self, owner: Value, name: str) -> Value:
        """What `owner.name` may be."""
        if len(owner.ways) == 1:
            return self._attribute_of(owner.ways[0][1], name)
        ways = []
        for case, content in owner.ways:
            ways += [
                (met, found) for way, found in self._attribute_of(content, name).ways if (met := both(case, way)) is not None
            ]
        return value_of(ways)

    def _attribute_of(self, content: Any, name: str) -> Value:
        if isinstance(content, Dotted):
            if content.root == "torch" and name in TORCH_DTYPES and content.name == "torch":
                return just(TORCH_DTYPES[name])
            return just(Dotted(f"{content.name}.{name}"))
        if isinstance(content, Ref) and content.number in self.state.heap:
            return self._attribute_of_thing(content, name)
        if isinstance(content, Klass):
            return content.values.get(name) or NOTHING_KNOWN
        if isinstance(content, DType) or name == "device":
            return just("device") if name == "device" else NOTHING_KNOWN
        return NOTHING_KNOWN

    def _attribute_of_thing(self, ref: Ref, name: str) -> Value:
        thing = self.thing(ref)
        if (found := thing.fields.get(name)) is not None:
            return within(found, self.state.path)
        if name == "device":
            return just("device")
        if name == "dtype" and thing.kind in ("tensor", "model"):
            return within(thing.dtype, self.state.path)
        if name == "dtype" and thing.kind == "pipeline" and all(isinstance(c, DType) for _, c in thing.dtype.ways):
            return within(thing.dtype, self.state.path)
        if thing.kind == "pipeline" and name in _PROCESSORS:
            made = self.make("processor", name=f"{thing.label}.{name}")
            self.field(ref, name, made)
            return made
        if thing.kind == "pipeline" and (part := self.part_of(ref, name)) is not None:
            return part
        if thing.kind == "output" and name in (*_PARTS_OF_OUTPUT, "latent_dist"):
            return just(ref) if name == "latent_dist" else thing.fields.get("", NOTHING_KNOWN)
        if thing.kind == "output":
            return just(Method(ref, name)) if name in ("sample", "mode", "to") else NOTHING_KNOWN
        if thing.kind in ("instance", "namespace"):
            return NOTHING_KNOWN if thing.kind != "instance" else just(Method(ref, name))
        if thing.kind == "features" and name in _NUMBERS_OF_FEATURES:
            return self.make("tensor", dtype=thing.dtype, loader=thing.loader, caster=thing.caster, name=name)
        if name == "init_noise_sigma" and thing.kind == "scheduler":
            return just(Dotted(NUMBERS))
        if name in _OF_SCHEDULER and thing.kind == "scheduler":
            return self.make("tensor", name=f"{thing.label}.{name}", flags=frozenset({SCHEDULE}))
        if name == "scheduler" and thing.kind == "pipeline":
            made = self.make("scheduler", name=f"{thing.name or 'pipe'}.scheduler")
            self.field(ref, name, made)
            return made
        if name in ("data", "T", "mT") and thing.kind == "tensor":
            return just(ref)
        if name == "config":
            return just(Dotted(NUMBERS))
        if name == "module" and thing.kind == "model":
            return just(ref)
        return just(Method(ref, name))

    def _named(self, node: ast.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        self.assign(node.target, value)
        return value

    # collections and text

    def _list(self, node: ast.List | ast.Tuple) -> Value:
        items = [self.evaluate(item) for item in node.elts]
        return NOTHING_KNOWN if any(isinstance(item, ast.Starred) for item in node.elts) else just(Seq(tuple(items)))

    def _dict(self, node: ast.Dict) -> Value:
        found: dict[str, Value] = {}
        whole = True
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.evaluate(item)
            if key is None:
                inner = value.single
                found |= inner.items if isinstance(inner, Map) else {}
                whole = whole and isinstance(inner, Map) and inner.whole
            elif (name := self.evaluate(key).text) is not None:
                found[name] = value
            else:
                whole = False
        return just(Map(found, whole))

    def _subscript(self, node: ast.Subscript) -> Value:
        owner, key = self.evaluate(node.value), self.evaluate(node.slice)
        content, index = owner.single, key.single
        if isinstance(content, Map):
            return self.chosen(content, key, node.slice, NOTHING_KNOWN)
        if isinstance(content, Seq) and isinstance(index, int) and -len(content.items) <= index < len(content.items):
            return content.items[index]
        if isinstance(content, Ref) and content.number in self.state.heap:
            thing = self.thing(content)
            if thing.kind in ("tensor", "array"):
                return owner
            if thing.kind == "features" and isinstance(index, str):
                return self.attribute(owner, index) if index in _NUMBERS_OF_FEATURES else NOTHING_KNOWN
            if thing.kind == "output" and index == 0:
                return thing.fields.get("", NOTHING_KNOWN)
            if thing.kind in ("namespace", "object") and isinstance(index, str):
                return thing.fields.get(index, NOTHING_KNOWN)
        return NOTHING_KNOWN

    def chosen(self, content: Map, key: Value, node: ast.expr, default: Value) -> Value:
        """What a dict holds under a key; under one that is not known it may be any, each under its condition."""
        ways: list[tuple[Case, Any]] = []
        for case, name in key.ways:
            if isinstance(name, str) and (name in content.items or content.whole):
                found = content.items.get(name, default)
            elif name is UNKNOWN and content.whole and content.items:
                conditions = {item: self.condition(node, node, repr(item), True) for item in content.items}
                for item, value in content.items.items():
                    mine = both(case, frozenset({conditions[item]}))
                    ways += [(met, c) for way, c in value.ways if mine is not None and (met := both(mine, way)) is not None]
                none = both(case, frozenset(flipped(condition) for condition in conditions.values()))
                if none is not None and default is not NOTHING_KNOWN:
                    ways += [(met, c) for way, c in default.ways if (met := both(none, way)) is not None]
                continue
            else:
                found = NOTHING_KNOWN
            ways += [(met, c) for way, c in found.ways if (met := both(case, way)) is not None]
        return value_of(ways)

    def _f_string(self, node: ast.JoinedStr) -> Value:
        parts = []
        for item in node.values:
            content = self.evaluate(item.value if isinstance(item, ast.FormattedValue) else item).single
            if not isinstance(content, (str, int)) or (isinstance(item, ast.FormattedValue) and item.format_spec):
                return NOTHING_KNOWN
            parts.append(str(content))
        return just("".join(parts))

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp) -> Value:
        first = node.generators[0]
        items = self.evaluate(first.iter).single
        if isinstance(items, Ref) and items.number in self.state.heap and self.thing(items).kind == "parameters":
            return just(items) if isinstance(node.elt, ast.Name) else NOTHING_KNOWN
        before = self.state.scopes
        self.state.scopes = [*before, {}]
        made = []
        known = isinstance(items, Seq) and len(items.items) <= 8 and len(node.generators) == 1 and not first.ifs
        for item in items.items if known and isinstance(items, Seq) else (NOTHING_KNOWN,):
            for generator in node.generators:
                self.assign(generator.target, item if generator is first else NOTHING_KNOWN)
            made.append(self.evaluate(node.elt))
        self.state.scopes = self.state.scopes[: len(before)]
        return just(Seq(tuple(made))) if known else NOTHING_KNOWN

    def _dict_comprehension(self, node: ast.DictComp) -> Value:
        for generator in node.generators:
            self.evaluate(generator.iter)
        return NOTHING_KNOWN


_BY_TYPE: Final[dict[type[ast.expr], Callable[[Expressions, Any], Value]]] = {
    ast.Constant: Expressions._constant,
    ast.Name: Expressions._name,
    ast.Attribute: Expressions._attribute,
    ast.Call: lambda reader, node: reader.call(node),
    ast.IfExp: Expressions._choice,
    ast.BinOp: Expressions._operation,
    ast.BoolOp: Expressions._bool_op,
    ast.UnaryOp: Expressions._unary,
    ast.Compare: Expressions._compare,
    ast.Dict: Expressions._dict,
    ast.List: Expressions._list,
    ast.Tuple: Expressions._list,
    ast.Subscript: Expressions._subscript,
    ast.JoinedStr: Expressions._f_string,
    ast.NamedExpr: Expressions._named,
    ast.Await: lambda reader, node: reader.evaluate(node.value),
    ast.Starred: lambda reader, node: reader.evaluate(node.value),
    ast.ListComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.SetComp: Expressions._comprehension,
    ast.DictComp: Expressions._dict_comprehension,
}
"""What reads each kind of expression. Bound methods would make a reader hold itself, and its trees, until a collection."""


def by_name(text: str) -> DType | None:
    """The dtype that a string names as getattr(torch, text) would."""
    return TORCH_DTYPES.get(text) if re.fullmatch(r"\w+", text) else parse(text)
