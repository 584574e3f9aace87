"""What a pickle's values are to us: descriptions that stand for objects and are never those objects."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..dtypes import DType


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """A name the stream asks for (`torch._utils._rebuild_tensor_v2`). It is never imported."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class StorageType:
    """A class of storages (torch.HalfStorage). dtype: None for the untyped ones, which count bytes."""

    dtype: DType | None
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """Where a tensor's numbers lie. key: the storage's name in the file; nbytes: as the stream claims.

    part: True for a piece of another storage, as torch wrote them before 0.4.
    """

    kind: StorageType
    key: str
    nbytes: int
    part: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A tensor. fault: what is wrong with it, "" for nothing; dtype and shape are None where they cannot be told.

    understood: False where the fault may be ours: a dtype or a way of building that is not known here.
    offset, stride: where its numbers lie in the storage, in elements; offset is None where they are not plainly there.
    """

    dtype: DType | None = None
    shape: tuple[int, ...] | None = None
    storage: Storage | None = None
    fault: str = ""
    understood: bool = True
    offset: int | None = None
    stride: tuple[int, ...] = ()


@dataclass(slots=True, eq=False)
class Table:
    """A dict of any kind as its pairs in the order they came: keys may be unhashable, or nested too deep to hash."""

    pairs: list[tuple[object, object]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Thing:
    """Any other object: what made it, from what, and what was put into it. "" for literals that are too long to keep."""

    name: str = ""
    parts: tuple[object, ...] = ()
    state: object = None
    items: list[object] | None = None
    table: Table | None = None
