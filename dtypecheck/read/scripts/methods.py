"""Methods of the objects of a script, each to where it is understood."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Sequence

from ...knowledge import Row
from ...subjects.cases import NOTHING_KNOWN, Value, just
from ...subjects.scripts import Argument
from .arguments import only_dtypes
from .contents import Func, Ref
from .plain import Plain


class Methods(Plain):
    """What a method of a model, a tensor or another thing gives."""

    @abstractmethod
    def inline(self, func: Func, arguments: Sequence[Argument]) -> Value:
        """A function of the script."""

    @abstractmethod
    def method_of_instance(self, ref: Ref, name: str) -> Func | None:
        """A method of an object of the script's own class."""

    def method(self, node: ast.Call, ref: Ref, name: str, arguments: Sequence[Argument]) -> Value:
        """What a method of a thing gives."""
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
        if thing.kind in ("picture", "array") or (thing.kind == "processor" and name == "preprocess"):
            return self.of_picture(ref, name, arguments)
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
                return self._kept(node, ref, name, row, arguments)
            case "first" if thing.kind == "scheduler":
                return arguments[0].value if arguments else NOTHING_KNOWN
            case "promotes" if thing.kind == "scheduler":
                return self.promoted(argument.value for argument in arguments[:2])
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
                if not row.get("follows"):
                    self.adapted((), ref)
            case "slices" if thing.kind == "pipeline":
                self.record(node, "." + name, "slices", arguments, ref)
                self.change(ref, flags=thing.flags | {"sliced"})
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
            case "multiplies" if thing.kind == "tensor":
                self.record(node, "." + name, "multiplies", arguments, ref)
            case "embeds" if thing.kind == "pipeline":
                return self.embeds_of(ref)
        return NOTHING_KNOWN

    def _kept(self, node: ast.Call, ref: Ref, name: str, row: Row, arguments: Sequence[Argument]) -> Value:
        """A method that keeps the dtype of what it is called on, unless it is given one."""
        thing = self.thing(ref)
        if thing.kind == "tensor":
            if (given := next((a.value for a in arguments if a.name == "dtype"), None)) is not None:
                return self.cast_tensor(node, name, ref, only_dtypes(given), arguments)
            if row.get("wide") and self.around:
                return NOTHING_KNOWN  # autocast runs it in fp32
            least = next((a for a in arguments if a.name == "min" or (not a.name and row.get("bounds"))), None)
            if row.get("bounds") and least is not None and isinstance(least.value.single, float):
                self.record(node, "." + name, "bounds", arguments, ref)
        return just(ref)
