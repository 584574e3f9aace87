"""What the bytes store: tensors as columns, files of them, and the sets of files that load together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from ..dtypes import DType
from ..findings import Where

NOTHING: Final[Mapping[str, Any]] = {}


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
    trouble: str | None = None

    def light(self) -> WeightFile:
        """The same without columns: what a report keeps."""
        return replace(self, tensors=None, metadata=NOTHING)


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
