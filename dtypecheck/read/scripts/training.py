"""Autocast, scalers, optimizers, accelerators and quantisers: what surrounds models in a script."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from ...dtypes import BY_NAME, DType, parse
from ...knowledge import Row
from ...subjects.cases import NOTHING_KNOWN, UNKNOWN, Map, Seq, Value, just, value_of
from ...subjects.scripts import Argument
from .arguments import has_rest, keyword, only_dtypes
from .contents import Ref
from .pictures import Pictures


class Training(Pictures):
    """What makes regions and things that are no models."""

    def autocast(self, node: ast.Call, name: str, row: Row, arguments: Sequence[Argument]) -> Value:
        """torch.autocast: its device, dtype and whether it is switched on."""
        words = name.split(".")
        fixed = next((word for word in words if word in ("cuda", "cpu")), None)
        device = just(fixed) if fixed and words[-2:-1] == ["amp"] else self._first(arguments, "device_type")
        position = 0 if fixed else None
        enabled = keyword(arguments, "enabled", position=position)
        dtype = keyword(arguments, "dtype", position=1)
        default = row.get("defaults", {}).get(_device(device) or "", "")
        given = only_dtypes(dtype.value) if dtype and dtype.value.single is not None else None
        number = self.record(node, name, "autocast", arguments)
        made = self.make(
            "autocast",
            dtype=given or (just(BY_NAME[default]) if default else NOTHING_KNOWN),
            loader=number,
            fields={"device": device, "enabled": enabled.value if enabled else just(True)},
        )
        self.resulted(number, made)
        return made

    def _first(self, arguments: Sequence[Argument], name: str) -> Value:
        found = keyword(arguments, name, position=0)
        return found.value if found else NOTHING_KNOWN

    def optimizer(self, node: ast.Call, name: str, arguments: Sequence[Argument]) -> Value:
        """An optimizer over parameters."""
        number = self.record(node, name, "optimizer", arguments)
        found = list(self.inside(self._first(arguments, "params")))
        given = just(Seq(tuple(map(just, found)))) if found else NOTHING_KNOWN
        made = self.make("optimizer", klass=name.rpartition(".")[2], loader=number, fields={"params": given})
        for model in (ref for parameters in found for ref in self.things(self.thing(parameters).fields["of"])):
            self.change(model, flags=self.thing(model).flags | {"trained"})
        self.resulted(number, made)
        return made

    def inside(self, value: Value, depth: int = 0) -> Iterator[Ref]:
        """The parameters of models in a value: in lists, and in groups of them for an optimizer."""
        for _, content in value.ways:
            if isinstance(content, Ref) and content.number in self.state.heap:
                if self.thing(content).kind == "parameters":
                    yield content
            elif isinstance(content, Seq) and depth < 3:
                for item in content.items:
                    yield from self.inside(item, depth + 1)
            elif isinstance(content, Map) and "params" in content.items and depth < 3:
                yield from self.inside(content.items["params"], depth + 1)

    def gathered(self, arguments: Sequence[Argument]) -> Value | None:
        """`list(...)`, `filter(...)` and their like over parameters; None where there are none."""
        found = [ref for argument in arguments for ref in self.inside(argument.value)]
        return just(Seq(tuple(map(just, found)))) if found else None

    def scaler(self, node: ast.Call, name: str, arguments: Sequence[Argument]) -> Value:
        """A GradScaler."""
        number = self.record(node, name, "scaler", arguments)
        enabled = keyword(arguments, "enabled")
        made = self.make("scaler", loader=number, fields={"enabled": enabled.value if enabled else just(True)})
        self.resulted(number, made)
        return made

    def accelerator(self, node: ast.Call, name: str, arguments: Sequence[Argument]) -> Value:
        """accelerate's Accelerator, by its mixed_precision."""
        number = self.record(node, name, "accelerator", arguments)
        given = keyword(arguments, "mixed_precision")
        said = given.value if given and not has_rest(arguments) else NOTHING_KNOWN
        dtype = value_of((case, parse(c) or UNKNOWN if isinstance(c, str) else UNKNOWN) for case, c in said.ways)
        made = self.make("accelerator", dtype=dtype, loader=number, fields={"mixed_precision": said})
        self.resulted(number, made)
        return made

    def training_arguments(self, node: ast.Call, name: str, arguments: Sequence[Argument]) -> Value:
        """transformers' TrainingArguments: the dtype of the autocast that its Trainer opens, None for none."""
        number = self.record(node, name, "training_arguments", arguments)
        given = [(BY_NAME[to], keyword(arguments, word)) for word, to in (("fp16", "F16"), ("bf16", "BF16"))]
        on = [dtype for dtype, argument in given if argument is not None and argument.value.single is True]
        made = self.make("training_arguments", dtype=just(on[0]) if on else NOTHING_KNOWN, loader=number)
        self.resulted(number, made)
        return made

    def quantiser(self, node: ast.Call, name: str, row: Row, arguments: Sequence[Argument]) -> Value:
        """A quantisation config, by the dtype it computes in."""
        number = self.record(node, name, "quantiser", arguments)
        dtype = NOTHING_KNOWN
        fields: dict[str, Value] = {}
        if "inner" in row and arguments:
            fields = {"inner": arguments[0].value}
        if "parts" in row:
            dtype = self._compute_of_parts(arguments, row)
        if "compute" in row and not has_rest(arguments):
            given = keyword(arguments, row["compute"])
            asked = self.named(keyword(arguments, row["only"])).single is True if "only" in row else True
            if asked:
                dtype = (
                    value_of((case, _dtype(content)) for case, content in given.value.ways)
                    if given
                    else just(BY_NAME[row["default"]])
                )
        if "takes" in row:
            fields["takes"] = just(BY_NAME[row["takes"]])
        made = self.make("quantiser", klass=name.rpartition(".")[2], dtype=dtype, loader=number, fields=fields)
        self.resulted(number, made)
        return made

    def _compute_of_parts(self, arguments: Sequence[Argument], row: Row) -> Value:
        """The dtype that a config for a whole pipeline computes in, where all its parts have one."""
        given = keyword(arguments, *row["parts"])
        content = given.value.single if given else UNKNOWN
        if not isinstance(content, Map):
            return NOTHING_KNOWN
        if (found := content.items.get(row["word"])) is not None:
            return value_of((case, _dtype(item)) for case, item in found.ways)
        configs = [self.thing(ref) for item in content.items.values() for ref in self.things(item)]
        same = bool(configs) and all(thing.kind == "quantiser" and thing.dtype == configs[0].dtype for thing in configs)
        return configs[0].dtype if same else NOTHING_KNOWN

    def adapted(self, arguments: Sequence[Argument], ref: Ref | None) -> None:
        """Parameters of another dtype came to models: which, nobody can tell from the call."""
        values = [argument.value for argument in arguments] + ([just(ref)] if ref else [])
        if ref is None and any(value.single is UNKNOWN and len(value.ways) == 1 for value in values):
            values += [
                just(Ref(number)) for number, thing in self.state.heap.items() if thing.kind == "model"
            ]  # may be any of them
        for value in values:
            items = [item for _, c in value.ways if isinstance(c, Seq) for item in c.items]
            for inner in (*self.things(value), *(r for item in items for r in self.things(item))):
                self.change(inner, flags=self.thing(inner).flags | {"adapted"})

    def accelerated(self, node: ast.Call, ref: Ref, name: str, arguments: Sequence[Argument], row: Row | None) -> Value:
        """A method of an Accelerator."""
        thing = self.thing(ref)
        if name == "prepare":
            self.record(node, ".prepare", "prepare", arguments, ref)
            values = [argument.value for argument in arguments]
            for value in values:
                for inner in self.things(value):
                    self.change(inner, flags=self.thing(inner).flags | {"prepared"})
            return values[0] if len(values) == 1 else just(Seq(tuple(values)))
        if name in ("unwrap_model", "prepare_model", "prepare_optimizer") and arguments:
            return arguments[0].value
        if name == "autocast" and row is not None:
            number = self.record(node, ".autocast", "autocast", arguments, ref)
            fields = {"device": just("cuda"), "enabled": just(True) if thing.dtype.known else NOTHING_KNOWN}
            made = self.make("autocast", dtype=thing.dtype, loader=number, fields=fields)
            self.resulted(number, made)
            return made
        return NOTHING_KNOWN


def _device(value: Value) -> str | None:
    return value.text.partition(":")[0] if value.text else None


def _dtype(content: Any) -> Any:
    if isinstance(content, DType):
        return content
    return parse(content) or UNKNOWN if isinstance(content, str) else UNKNOWN
