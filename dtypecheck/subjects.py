"""What is looked at: frozen records from a pipeline down to a tensor, and the walk over them.

A reader makes them, a rule reads them, nobody changes them. Where a record names a dtype it says who says so (`Claim.by`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from .dtypes import DType
from .findings import Where

By = Literal["stores", "declares", "requests", "shows", "loads"]


_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Claim:
    """One witness: this place says this dtype. by: stores, declares, requests, shows, or loads (predicted from the others)."""

    dtype: DType
    where: Where
    by: By


class Stock(NamedTuple):
    """How much of one dtype: tensors, parameters (elements), bytes."""

    tensors: int = 0
    parameters: int = 0
    nbytes: int = 0

    def plus(self, other: Stock) -> Stock:
        """Both together."""
        return Stock(self.tensors + other.tensors, self.parameters + other.parameters, self.nbytes + other.nbytes)


class Tensor(NamedTuple):
    """One tensor of a file: its key, dtype and shape (elements per dimension)."""

    key: str
    dtype: DType
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True, slots=True)
class Tensors:
    """The tensors of a file as columns of equal length: no object per tensor until a rule asks for one."""

    keys: Sequence[str] = ()
    dtypes: Sequence[DType] = ()
    shapes: Sequence[tuple[int, ...]] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Tensor]:
        return map(Tensor, self.keys, self.dtypes, self.shapes)

    def take(self, rows: Sequence[int]) -> Tensors:
        """Some of the rows, in the order given."""
        return Tensors([self.keys[i] for i in rows], [self.dtypes[i] for i in rows], [self.shapes[i] for i in rows])

    def stock(self) -> dict[DType, Stock]:
        """How much there is of each dtype, the dtype with the most bytes first."""
        tally: dict[DType, list[int]] = {}
        sizes: dict[tuple[int, ...], int] = {}
        for dtype, shape in zip(self.dtypes, self.shapes, strict=True):
            count = sizes.get(shape)
            if count is None:
                count = sizes[shape] = Tensor("", dtype, shape).elements
            row = tally.get(dtype)
            if row is None:
                tally[dtype] = [1, count]
            else:
                row[0] += 1
                row[1] += count
        stocks = {dtype: Stock(n, count, dtype.nbytes(count)) for dtype, (n, count) in tally.items()}
        return dict(sorted(stocks.items(), key=lambda item: (-item[1].nbytes, item[0].name)))


def add_stocks(stocks: Iterator[Mapping[DType, Stock]] | Sequence[Mapping[DType, Stock]]) -> dict[DType, Stock]:
    """The sum of several stocks, the dtype with the most bytes first."""
    total: dict[DType, Stock] = {}
    for stock in stocks:
        for dtype, amount in stock.items():
            total[dtype] = total.get(dtype, Stock()).plus(amount)
    return dict(sorted(total.items(), key=lambda item: (-item[1].nbytes, item[0].name)))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a reader could not take as it should be. kind: the words the DT0 rules look for (read/problems.py)."""

    kind: str
    where: Where
    detail: str
    against: Where | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A JSON file of a model: its data, and the text to find lines in."""

    path: str
    data: Mapping[str, Any]
    text: str = field(default="", repr=False)

    def get(self, *keys: str) -> Any:
        """The value of the first of these top-level keys that is there and not null, else None."""
        return next((self.data[key] for key in keys if self.data.get(key) is not None), None)

    def where(self, *keys: str) -> Where:
        """The place of a nested key, `where("text_config", "dtype")`, with its line; the file alone if it has no such key."""
        line = line_of(self.text, keys)
        return Where(self.path, pointer(*keys) if line else "", line)


def pointer(*keys: str) -> str:
    """The JSON pointer (RFC 6901) of nested keys."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"\s*:?|[{}\[\]\n]')


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """The line (from 1) of a nested object key in a JSON text, None if it is not there; the last one where it is repeated."""
    line, found = 1, None
    inside: list[str | None] = []
    key: str | None = None
    for token in _TOKEN.finditer(text):
        word = token.group()
        match word[0]:
            case "\n":
                line += 1
            case "{" | "[":
                inside.append(key)
                key = None
            case "}" | "]":
                del inside[-1:]
                key = None
            case _:
                if word.endswith(":"):
                    key = json.loads(word[:-1]) if "\\" in word else word[1 : word.rindex('"')]
                    if len(inside) == len(keys) and [*inside[1:], key] == list(keys):
                        found = line
                line += word.count("\n")
    return found


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of weights: what its header says. tensors: the columns, None when they were not kept or not readable.

    path: relative to the target. nbytes: of the whole file. sha256: of its content where a name or pointer tells it.
    """

    path: str
    format: str
    nbytes: int
    stock: Mapping[DType, Stock] = field(default_factory=dict)
    tensors: Tensors | None = field(default=None, repr=False, compare=False)
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    sha256: str | None = None
    readable: bool = True

    def light(self) -> WeightFile:
        """The same without columns: what a report keeps."""
        return replace(self, tensors=None, metadata=_NOTHING)


@dataclass(frozen=True, slots=True)
class WeightSet:
    """One way of loading a component: a file or an index with its shards.

    stem: the name's first part, `model`. variant: "fp16" for `model.fp16.safetensors`, None without. index: path of the index
    file, None for a single file. spelling: of the index, "usual", "legacy" (diffusers reads it too) or "unread" (nobody does).
    says: the dtype in the index's metadata. missing: shards that the index names and nobody has.
    """

    format: str
    stem: str
    variant: str | None
    files: tuple[WeightFile, ...]
    index: str | None = None
    spelling: str = "usual"
    says: DType | None = None
    missing: tuple[str, ...] = ()

    @property
    def stock(self) -> dict[DType, Stock]:
        """How much of each dtype the files hold together."""
        return add_stocks([file.stock for file in self.files])

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(amount.nbytes for amount in self.stock.values())

    @property
    def main(self) -> DType | None:
        """The floating dtype that most parameters are stored in, None where there is none."""
        floats = {dtype: amount.parameters for dtype, amount in self.stock.items() if dtype.is_float}
        return max(floats, key=lambda dtype: (floats[dtype], dtype.bits)) if floats else None

    @property
    def where(self) -> Where:
        """The place that stands for the set: its index, else its first file."""
        return Where(self.index or (self.files[0].path if self.files else ""))

    def tensors(self) -> Iterator[tuple[WeightFile, Tensor]]:
        """Every tensor with its file; nothing for files whose columns were not kept."""
        for file in self.files:
            for tensor in file.tensors or ():
                yield file, tensor


@dataclass(frozen=True, slots=True)
class Quantised:
    """How a component's weights are packed. method: bitsandbytes_4bit, gptq, awq, fp8, torchao, quanto, gguf, ...

    compute: the dtype it computes in where it says so.
    """

    method: str
    where: Where
    compute: Claim | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What from_pretrained will give. counts: parameters by dtype after loading (packed ones in their stored dtype).

    dtype: what most floating parameters get; None when nothing can be loaded, `failure` then says why.
    kept: parameters that stay float32 by a keep list, and `patterns`, what that list names. chosen: the weights it reads.
    raises: the exception that `failure` comes as. variant: the one that is really read, None for the files without.
    packed: bytes of a quantised component, whose counts are logical numbers; None for others.
    """

    dtype: DType | None
    claim: Claim | None = None
    counts: Mapping[DType, int] = field(default_factory=dict)
    chosen: WeightSet | None = None
    patterns: tuple[str, ...] = ()
    kept: int = 0
    failure: str | None = None
    raises: str | None = None
    variant: str | None = None
    packed: int | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the parameters after loading."""
        if self.packed is not None:
            return self.packed
        return sum(dtype.nbytes(count) for dtype, count in self.counts.items())


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. dtypes: component name to dtype, "" for all the rest; empty when no dtype was asked for.

    device: a name of rules/devices.toml. libraries: ("diffusers", "0.42.1", "installed") for each that matters.
    """

    dtypes: Mapping[str, DType] = field(default_factory=dict)
    variant: str | None = None
    device: str | None = None
    libraries: tuple[tuple[str, str, str], ...] = ()

    def dtype_for(self, component: str) -> DType | None:
        """The dtype asked for a component, None when none was."""
        return self.dtypes.get(component, self.dtypes.get(""))

    def version(self, library: str) -> tuple[int, ...]:
        """The version of a library that the plan is for, as numbers; empty if it is not known."""
        text = next((version for name, version, _ in self.libraries if name == library), "")
        return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

    def __str__(self) -> str:
        if not self.dtypes:
            return "no dtype"
        named = [f"{name}={dtype.short}" for name, dtype in self.dtypes.items() if name]
        return ", ".join([self.dtypes[""].short] * ("" in self.dtypes) + named)


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a pipeline that holds weights. name: as in model_index.json, the folder's name for a lone one.

    family: "diffusers" or "transformers", whose loader reads it; "single-file" for a part of a checkpoint; "adapter".
    role: what the pipeline uses it for: text_encoder, denoiser, vae, controlnet, image_encoder, safety_checker, other.
    undotted: names in its folder without a dot, on which diffusers stumbles when a variant is asked for.
    """

    name: str
    path: str
    klass: str | None
    family: str
    role: str
    config: Config | None = None
    sets: tuple[WeightSet, ...] = ()
    declared: Claim | None = None
    quantised: Quantised | None = None
    load: Load | None = None
    undotted: tuple[str, ...] = ()
    pipeline: Pipeline = field(init=False, repr=False, compare=False)

    @property
    def label(self) -> str:
        """What a message calls it."""
        return self.name or self.path or self.klass or "model"

    @property
    def where(self) -> Where:
        """The place that stands for the component: its config, else its first weights, else its folder."""
        if self.config:
            return Where(self.config.path)
        files = [file.path for chosen in self.sets for file in chosen.files]
        return Where(files[0] if files else self.path)

    @property
    def loaded_from(self) -> Where:
        """The weights that the load plan reads, `at` the component; `where` when it reads none."""
        chosen = self.load.chosen if self.load else None
        return Where(chosen.where.path, self.name) if chosen else self.where

    def loads(self) -> Load:
        """The load plan; an empty one before it was made."""
        return self.load or Load(None)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What is loaded together: a pipeline directory, a component or transformers folder, a single file, an adapter.

    kind: "pipeline", "component", "model" (transformers), "single-file" or "adapter". path: "." for the target itself.
    root: what stands in front of the paths of its files, the target's name where there are several.
    """

    path: str
    klass: str | None
    kind: str
    components: tuple[Component, ...] = ()
    adapters: tuple[Component, ...] = ()
    request: Request = field(default_factory=Request)
    config: Config | None = None
    loose: tuple[WeightFile, ...] = ()
    root: str = ""

    def __post_init__(self) -> None:
        for component in (*self.components, *self.adapters):
            object.__setattr__(component, "pipeline", self)

    def of_role(self, *roles: str) -> tuple[Component, ...]:
        """The components with one of these roles, in their order."""
        return tuple(component for component in self.components if component.role in roles)

    def named(self, name: str) -> Component | None:
        """The component of that name."""
        return next((component for component in self.components if component.name == name), None)

    def light(self) -> Pipeline:
        """The same without the columns of its headers: what a report keeps."""

        def lighter(part: Component) -> Component:
            sets = tuple(replace(weights, files=tuple(file.light() for file in weights.files)) for weights in part.sets)
            load = part.load and replace(part.load, chosen=next((s for s in sets if s.where == _where(part.load.chosen)), None))
            return replace(part, sets=sets, load=load, config=part.config and Config(part.config.path, _NOTHING))

        return replace(
            self,
            components=tuple(map(lighter, self.components)),
            adapters=tuple(map(lighter, self.adapters)),
            config=self.config and Config(self.config.path, _NOTHING),
            loose=tuple(file.light() for file in self.loose),
        )


def _where(chosen: WeightSet | None) -> Where | None:
    return chosen.where if chosen else None


Subject = Pipeline | Component | WeightFile | Problem


def walk(subject: Pipeline) -> Iterator[Subject]:
    """A pipeline, then each component and adapter, each with its files."""
    yield subject
    for component in (*subject.components, *subject.adapters):
        yield component
        yield from (file for weights in component.sets for file in weights.files)
