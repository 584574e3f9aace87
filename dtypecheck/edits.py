"""What can be changed about the files of a target: edits are data, and every path in them is relative to the target."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetKey:
    """Edit: put `value` (JSON text) at `pointer` of a JSON file, every other byte stays; a key that is missing is added."""

    path: str
    pointer: str
    value: str


@dataclass(frozen=True, slots=True)
class Splice:
    """Edit: put `new` in place of the characters `start` to `end` of a UTF-8 text file, where `old` must stand."""

    path: str
    start: int
    end: int
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Put:
    """Edit: a text file with just this content, whether there was one of this name or not."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Rename:
    """Edit: give a file another name in the same folder."""

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Edit: take a file away. What it held stays in the undo folder."""

    path: str


@dataclass(frozen=True, slots=True)
class Bring:
    """Edit: put the file `origin` of this disk (an absolute path, outside of the target) at `path`.

    sha256: of its bytes when the plan was made; "" where it was not read then.
    """

    path: str
    origin: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Take:
    """A part of a Store: the tensors of the weight file `source` whose key contains a match of `pattern` ("" matches all).

    dtype: the safetensors name that floating tensors among them are stored as; "" leaves them as they are. Integers, bools,
    complex numbers and packed formats (narrower than 16 bits) are never cast, except that `whole` casts what is named.
    """

    source: str
    pattern: str = ""
    dtype: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Store:
    """Edit: write the safetensors file `path` out of tensors of other weight files, or of itself.

    takes: a tensor goes by the first of them that matches it; tensors that none matches are left out. keys: only these, in
    place of all. clamp: what is beyond the new dtype's range becomes its largest number, where it is refused otherwise.
    """

    path: str
    takes: tuple[Take, ...]
    keys: tuple[str, ...] = ()
    clamp: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The files it is made of, each once."""
        return tuple(dict.fromkeys(take.source for take in self.takes))


Edit = SetKey | Splice | Put | Rename | Remove | Bring | Store


def written(edit: Edit) -> str:
    """The path that holds something else after the edit."""
    if isinstance(edit, Rename):
        folder = edit.path.rpartition("/")[0]
        return f"{folder}/{edit.name}" if folder else edit.name
    return edit.path


def touched(edit: Edit) -> tuple[str, ...]:
    """Every file of the target that the edit reads, writes or takes away, each once."""
    read = edit.sources if isinstance(edit, Store) else ()
    return tuple(dict.fromkeys((*read, edit.path, written(edit))))
