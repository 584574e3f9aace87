"""An index made again from the headers of the shards: where it is missing, broken, or puts tensors where they are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...edits import Put
from ...files import Entry, Files
from ...fixplan import Refused, Step
from ...read.formats import READERS, read_header, suffix_of
from ...subjects import Tensors
from ..steps import step
from .indexes import held, metadata_of, renewed, text_of
from .names import Shard, bare, folder_of, index_name, inside_of, legacy_index_name, shard_of
from .words import amount


@dataclass(frozen=True, slots=True)
class _Group:
    """Shards whose names say that they belong together. path: of the index that names them, or should."""

    kind: Shard
    entries: Mapping[int, Entry]
    path: str

    @property
    def absent(self) -> list[int]:
        """Numbers of shards that are not there."""
        return [number for number in range(1, self.kind.of + 1) if number not in self.entries]


def index(folder: str, files: Files) -> tuple[tuple[Step, ...], tuple[Refused, ...]]:
    """The steps that mend the indexes of one folder ("" for the target itself), and those that cannot be mended.

    An index that names what is there, each tensor in the shard that holds it, gives neither.
    """
    done = tuple(_each(folder, files))
    steps = tuple(item for item in done if isinstance(item, Step))
    return steps, tuple(item for item in done if isinstance(item, Refused))


def _each(folder: str, files: Files) -> Iterator[Step | Refused]:
    there = {bare(entry.name): entry for entry in files.entries() if folder_of(entry.name) == folder and entry.size >= 0}
    families: dict[tuple[str, str | None, str], list[_Group]] = {}
    for group in _groups(folder, there):
        families.setdefault((group.kind.stem, group.kind.variant, group.kind.format), []).append(group)
    for groups in families.values():
        named = _named(files, groups[0].path, there)
        if named and all(name in there for name in named.values()):
            if done := _wrong(files, groups[0].path, named, there):
                yield done
            continue
        yield _rebuilt(files, groups, named)


def _groups(folder: str, there: Mapping[str, Entry]) -> Iterator[_Group]:
    found: dict[Shard, dict[int, Entry]] = {}
    for name, entry in there.items():
        if shard := shard_of(name):
            found.setdefault(shard._replace(number=0), {})[shard.number] = entry
    for kind, entries in found.items():
        names = [index_name(kind.stem, kind.variant, kind.format)]
        names += [legacy_index_name(kind.stem, kind.variant, kind.format)] if kind.variant else []
        path = next((name for name in names if name in there), names[0])
        yield _Group(kind, entries, inside_of(folder, path))


def _named(files: Files, path: str, there: Mapping[str, Entry]) -> dict[str, str]:
    """The weight_map of an index, empty where there is none."""
    listed = held(files, path if bare(path) in there else None).get("weight_map")
    return {key: name for key, name in listed.items() if isinstance(name, str)} if isinstance(listed, dict) else {}


def _wrong(files: Files, path: str, named: Mapping[str, str], there: Mapping[str, Entry]) -> Step | Refused | None:
    """What to do about an index whose shards are all there; None when it is right."""
    tensors = _read(files, [there[name] for name in sorted(set(named.values()))])
    if isinstance(tensors, Refused):
        return tensors
    right = {key: name for name, columns in tensors.items() for key in columns.keys}
    if lost := sorted(named.keys() - right.keys()):
        return Refused(path, f"{amount(len(lost), 'tensor')} that it names are in no shard, the first is {lost[0]}")
    moved = sum(named.get(key) != name for key, name in right.items())
    keys = {name: set(columns.keys) for name, columns in tensors.items()}
    if named.keys() == right.keys() and all(key in keys[name] for key, name in named.items()):
        return None
    return _put(files, path, right, tensors, f"{amount(moved, 'tensor')} found in another shard than it says")


def _rebuilt(files: Files, groups: list[_Group], named: Mapping[str, str]) -> Step | Refused:
    """A new index for shards that none names, or whose index names others that are not there."""
    complete = [group for group in groups if not group.absent]
    if len(complete) != 1:
        group = complete[0] if complete else max(groups, key=lambda group: len(group.entries))
        counts = " and ".join(str(group.kind.of) for group in complete)
        many = f"there are complete sets of {counts} shards, and nothing tells which is meant"
        return Refused(group.path, many if complete else _absent(group), (), () if complete else ("download them again",))
    group = complete[0]
    tensors = _read(files, [group.entries[number] for number in sorted(group.entries)])
    if isinstance(tensors, Refused):
        return tensors
    right = {key: name for name, columns in tensors.items() for key in columns.keys}
    if lost := sorted(named.keys() - right.keys()):
        why = f"{amount(len(lost), 'tensor')} that it names are in no shard that is there, the first is {lost[0]}"
        return Refused(group.path, why, (), ("download the missing shards again",))
    return _put(files, group.path, right, tensors, f"rebuilt from {amount(len(tensors), 'shard')}")


def _absent(group: _Group) -> str:
    numbers = ", ".join(map(str, group.absent[:5])) + (f" and {len(group.absent) - 5} more" if len(group.absent) > 5 else "")
    return f"of {group.kind.of} shards number {numbers} {'is' if len(group.absent) == 1 else 'are'} not there"


def _read(files: Files, entries: list[Entry]) -> dict[str, Tensors] | Refused:
    """The tensors of each shard by its bare name."""
    found: dict[str, Tensors] = {}
    for entry in entries:
        suffix = suffix_of(entry.name)
        if suffix not in READERS:
            return Refused(entry.name, "an index names it as a shard, which is no weight file by its name")
        header = read_header(READERS[suffix], files, entry)
        if header.problems or header.tensors is None:
            return Refused(entry.name, header.problems[0].detail if header.problems else "it cannot be read")
        found[bare(entry.name)] = header.tensors
    return found


def _put(files: Files, path: str, right: Mapping[str, str], tensors: Mapping[str, Tensors], change: str) -> Step | Refused:
    total = sum(amount.nbytes for columns in tensors.values() for amount in columns.stock().values())
    metadata = renewed(metadata_of(held(files, path)), total, None)
    costs = [f"it names {amount(len(right), 'tensor')}"]
    return step(files, path, change, [Put(path, text_of(metadata, right))], "index", True, costs)
