"""What the files of a target will be after some edits, before anything is written: for each path its new content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..edits import Bring, Edit, Put, Remove, Rename, SetKey, Splice, Store, written
from ..files import Files
from .cast import Layout, laid_out
from .refusal import Refusal
from .splice import set_key, splice


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes that are known already."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Same:
    """The bytes of the target's own file `of`, under another name."""

    of: str
    size: int


@dataclass(frozen=True, slots=True)
class Foreign:
    """The bytes of a file outside of the target."""

    origin: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A safetensors file that is written out of others: its header is known, its numbers are not."""

    edit: Store
    layout: Layout

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.layout.nbytes


Content = Text | Same | Foreign | Stored


@dataclass(frozen=True, slots=True)
class Outcome:
    """contents: what stands at a path afterwards, for every path that changes; gone: paths that hold nothing any more."""

    contents: Mapping[str, Content] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()


def outcome(files: Files, edits: Iterable[Edit]) -> Outcome:
    """The files after the edits, done one after the other.

    errors: Refusal for an edit that does not fit what is there: a missing file, a text that is another one, two edits that
    write the same weights.
    """
    sizes = {entry.name: entry.size for entry in files.entries()}
    contents: dict[str, Content] = {}
    gone: set[str] = set()

    def current(path: str) -> Content:
        if path in contents:
            return contents[path]
        if path not in sizes or path in gone:
            raise Refusal(f"{path}: there is no such file")
        return Same(path, sizes[path])

    def text(path: str) -> bytes:
        match current(path):
            case Text(data=data):
                return data
            case Same(of=of):
                return files.read(of)
        raise Refusal(f"{path}: these are weights, not text")

    def put(path: str, content: Content) -> None:
        contents[path] = content
        gone.discard(path)

    for edit in edits:
        match edit:
            case SetKey(path=path, pointer=pointer, value=value):
                put(path, Text(set_key(path, text(path), pointer, value)))
            case Splice(path=path):
                put(path, Text(splice(edit, text(path))))
            case Put(path=path, text=new):
                put(path, Text(new.encode()))
            case Remove(path=path):
                current(path)
                contents.pop(path, None)
                gone.add(path)
            case Rename(path=path):
                held, name = current(path), written(edit)
                if name in contents or (name in sizes and name not in gone):
                    raise Refusal(f"{name}: there is a file of this name already")
                contents.pop(path, None)
                gone.add(path)
                put(name, held)
            case Bring(path=path, origin=origin, sha256=sha256):
                put(path, Foreign(Path(origin), _size(Path(origin)), sha256))
            case Store(path=path):
                if changed := [source for source in edit.sources if source in gone or source in contents]:
                    raise Refusal(f"{changed[0]}: another edit of the same plan changes it; apply that one first")
                if path in contents:
                    raise Refusal(f"{path}: another edit of the same plan writes it; apply that one first")
                put(path, Stored(edit, laid_out(files, edit)))
    unchanged = {path for path, content in contents.items() if content == Same(path, sizes.get(path, -1))}
    return Outcome({path: contents[path] for path in contents if path not in unchanged}, frozenset(gone & sizes.keys()))


def _size(origin: Path) -> int:
    try:
        return origin.stat().st_size
    except OSError as fault:
        raise Refusal(f"{origin}: {fault.strerror}") from None
