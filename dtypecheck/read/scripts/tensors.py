"""Tensors and casts: which dtype a new tensor has, and what `.to`, `.half` and their like make of tensors and models."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ...dtypes import BY_NAME, F32, DType, promote
from ...knowledge import Row
from ...subjects.cases import NOTHING_KNOWN, UNKNOWN, Seq, Value, just, pairs, value_of
from ...subjects.scripts import Argument
from .arguments import Arguments, has_rest, keyword, only_dtypes
from .contents import Ref
from .operators import SCHEDULE

DEFAULT = "<default dtype>"
"""The name in the module's scope that torch's default dtype stands under."""


class Tensors(Arguments):
    """What makes and casts tensors."""

    def default_dtype(self) -> Value:
        """torch's default dtype at this point."""
        return self.state.scopes[0].get(DEFAULT, just(F32))

    def new_tensor(self, node: ast.Call, what: str, row: Row, arguments: Sequence[Argument]) -> Value:
        """torch.randn and its like."""
        named = keyword(arguments, "dtype")
        if named is not None:
            dtype = _or_default(named.value, self.default_dtype() if "default" in row else NOTHING_KNOWN)
        elif has_rest(arguments):
            dtype = NOTHING_KNOWN
        elif "default" not in row:
            dtype = self._of_array(arguments)
        else:
            dtype = self.default_dtype()
        number = self.record(node, what, "tensor", arguments)
        return self._noted(number, self.make("tensor", dtype=dtype, loader=number))

    def _of_array(self, arguments: Sequence[Argument]) -> Value:
        """The dtype of an array of numpy that is made a tensor."""
        content = arguments[0].value.single if arguments else UNKNOWN
        thing = self.thing(content) if isinstance(content, Ref) and content.number in self.state.heap else None
        return thing.dtype if thing is not None and thing.kind == "array" else NOTHING_KNOWN

    def like(self, node: ast.Call, what: str, arguments: Sequence[Argument]) -> Value:
        """torch.randn_like and its like."""
        named, model = keyword(arguments, "dtype"), keyword(arguments, "input", position=0)
        other = model.value.single if model else UNKNOWN
        inherited = self.thing(other).dtype if isinstance(other, Ref) and self.thing(other).kind == "tensor" else NOTHING_KNOWN
        dtype = _or_default(named.value, inherited) if named else inherited
        number = self.record(node, what, "tensor", arguments)
        return self._noted(number, self.make("tensor", dtype=dtype, loader=number))

    def widened(self, arguments: Sequence[Argument]) -> Value:
        """torch.cat and its like."""
        given = keyword(arguments, "tensors", position=0)
        content = given.value.single if given else UNKNOWN
        return self.promoted(content.items if isinstance(content, Seq) else ())

    def promoted(self, values: Iterable[Value]) -> Value:
        """The tensor that comes of several; unknown where one of them is."""
        items = [value.single for value in values]
        tensors = [self.thing(item) for item in items if isinstance(item, Ref) and self.thing(item).kind == "tensor"]
        if not tensors or len(tensors) < len(items):
            return NOTHING_KNOWN
        dtype = tensors[0].dtype
        for other in tensors[1:]:
            dtype = value_of(
                (case, promote(a, b) or UNKNOWN if isinstance(a, DType) and isinstance(b, DType) else UNKNOWN)
                for case, a, b in pairs(dtype, other.dtype)
            )
        return self.make("tensor", dtype=dtype, loader=tensors[0].loader, caster=tensors[0].caster)

    def of_attention(self, arguments: Sequence[Argument]) -> Value:
        """What attention gives: the dtype of its query."""
        query = keyword(arguments, "query", position=0)
        content = query.value.single if query and not self.around else UNKNOWN
        thing = self.thing(content) if isinstance(content, Ref) and content.number in self.state.heap else None
        return self.make("tensor", dtype=thing.dtype, loader=thing.loader, caster=thing.caster) if thing else NOTHING_KNOWN

    def cast(self, node: ast.Call, name: str, row: Row, ref: Ref, arguments: Sequence[Argument]) -> Value:
        """`.to(...)`, `.half()`: a tensor gives another tensor, a model or pipeline is changed in place."""
        if "part" in row:
            part = (
                self.part_of(ref, row["part"])
                if row["part"] not in self.thing(ref).fields
                else self.thing(ref).fields[row["part"]]
            )
            for inner in self.things(part) if part else ():
                self._cast_model(node, name, inner, just(BY_NAME[row["to"]]), arguments)
            return just(None)
        dtype = just(BY_NAME[row["to"]]) if "to" in row else self.dtype_named(node, arguments)
        thing = self.thing(ref)
        if name == "to" and thing.kind in ("tensor", "model", "pipeline"):
            self._moved_to(node, ref, arguments, dtype)
            thing = self.thing(ref)
        if thing.kind in ("tensor", "features"):
            return self.cast_tensor(node, name, ref, dtype, arguments)
        if thing.kind in ("model", "pipeline") and dtype is not None:
            self._cast_model(node, name, ref, dtype, arguments)
        elif thing.kind == "instance" and dtype is not None:
            for field in thing.fields.values():
                self.touched(field, 1)
        return just(ref)

    def _moved_to(self, node: ast.Call, ref: Ref, arguments: Sequence[Argument], dtype: Value | None) -> None:
        """Note a move to mps, which lacks dtypes and has troubles of its own, where the script names it."""
        place = keyword(arguments, "device", position=0)
        text = place.value.text if place else None
        thing = self.thing(ref)
        if text is None or (thing.kind == "tensor" and text.partition(":")[0] != "mps"):
            return
        there = text.partition(":")[0] == "mps"
        if there and dtype is None:
            self.record(node, ".to", "moves", arguments, ref)
        if thing.kind != "tensor":
            self.change(ref, flags=thing.flags | {"mps"} if there else thing.flags - {"mps"})

    def cast_tensor(self, node: ast.Call, name: str, ref: Ref, dtype: Value | None, arguments: Sequence[Argument]) -> Value:
        """Another tensor in this dtype; the same one where that is None."""
        thing = self.thing(ref)
        if dtype is None:
            return just(ref)
        number = self.record(node, "." + name, "cast", arguments, ref)
        fields = {} if thing.kind == "tensor" else dict.fromkeys(thing.fields, NOTHING_KNOWN)
        flags = thing.flags & {SCHEDULE}
        made = self.make(thing.kind, dtype=dtype, loader=thing.loader, caster=number, fields=fields, name=thing.name, flags=flags)
        return self._noted(number, made)

    def _cast_model(self, node: ast.Call, name: str, ref: Ref, dtype: Value, arguments: Sequence[Argument]) -> None:
        number = self.record(node, "." + name, "cast", arguments, ref)
        self.recast(ref, dtype, number)
        self.calls[number] = replace(self.calls[number], result=self.snapshot(ref))

    def recast(self, ref: Ref, dtype: Value, number: int, depth: int = 0) -> None:
        """Give a model, or all parts of a pipeline, another dtype."""
        thing = self.thing(ref)
        if thing.kind not in ("model", "pipeline") or depth > 2:
            return
        if thing.kind == "pipeline":
            for value in thing.fields.values():
                for inner in self.things(value):
                    self.recast(inner, dtype, number, depth + 1)
        self.change(ref, dtype=dtype, caster=number, flags=thing.flags - {"adapted"} | {"cast"})

    def _noted(self, number: int, value: Value) -> Value:
        self.resulted(number, value)
        return value


def _or_default(value: Value, default: Value) -> Value:
    """A dtype that is named, the default where None is."""
    if value.single is None:
        return default
    return only_dtypes(value)
