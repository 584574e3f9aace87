"""How the tensors of a set are shared out to files: as they lie now, or packed into shards of a size that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from ...subjects import Tensor, WeightFile, WeightSet

Row = tuple[WeightFile, Tensor]
Size = Callable[[Tensor], int]


@dataclass(frozen=True, slots=True)
class Shard:
    """The tensors of one file to be written, each with the file that it is in now."""

    rows: tuple[Row, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Its keys, in order."""
        return tuple(tensor.key for _, tensor in self.rows)

    @property
    def sources(self) -> tuple[str, ...]:
        """The files that it is made of, each once."""
        return tuple(dict.fromkeys(file.path for file, _ in self.rows))

    def whole(self, chosen: WeightSet) -> bool:
        """True when it takes all that its sources hold."""
        sources = set(self.sources)
        return len(self.rows) == sum(len(file.tensors or ()) for file in chosen.files if file.path in sources)


def as_they_are(chosen: WeightSet) -> list[Shard]:
    """A shard for each file."""
    return [Shard(tuple((file, tensor) for tensor in file.tensors or ())) for file in chosen.files]


def packed(chosen: WeightSet, size: Size, most: int) -> list[Shard]:
    """Shards of at most `most` bytes, in the order of the files; a tensor that is larger has one to itself.

    So pack the libraries; only the order is that of the first tensors. A key that two files hold is taken from the first.
    source: huggingface_hub serialization/_base.py, split_state_dict_into_shards_factory
    """
    rows = list(_once(chosen))
    shards: list[list[Row]] = []
    current: list[Row] = []
    held = 0
    for row in rows:
        nbytes = size(row[1])
        if nbytes > most:
            shards.append([row])
            continue
        if held + nbytes > most:
            shards.append(current)
            current, held = [], 0
        current.append(row)
        held += nbytes
    if current:
        shards.append(current)
    place = {id(row): number for number, row in enumerate(rows)}
    return [Shard(tuple(shard)) for shard in sorted(shards, key=lambda shard: place[id(shard[0])])]


def same(shards: Sequence[Shard], chosen: WeightSet) -> bool:
    """True when each shard holds just what one file holds now."""
    return [set(shard.keys) for shard in shards] == [{t.key for t in file.tensors or ()} for file in chosen.files]


def one_more(shards: Sequence[Shard]) -> list[Shard] | None:
    """The same with the longest shard cut in two; None when each holds one tensor."""
    longest = max(range(len(shards)), key=lambda number: len(shards[number].rows))
    rows = shards[longest].rows
    if len(rows) < 2:
        return None
    halves = [Shard(rows[: len(rows) // 2]), Shard(rows[len(rows) // 2 :])]
    return [*shards[:longest], *halves, *shards[longest + 1 :]]


def in_order(shards: Sequence[tuple[str, Shard]]) -> list[tuple[str, Shard]] | None:
    """The shards by path, ordered so that none reads a file that one before it has written; None when there is no such order."""
    waits = {path: [other for other, reader in shards if other != path and path in reader.sources] for path, _ in shards}
    by_path = dict(shards)
    try:
        return [(path, by_path[path]) for path in TopologicalSorter(waits).static_order()]
    except CycleError:
        return None


def _once(chosen: WeightSet) -> Iterator[Row]:
    seen: set[str] = set()
    for file, tensor in chosen.tensors():
        if tensor.key not in seen:
            seen.add(tensor.key)
            yield file, tensor
