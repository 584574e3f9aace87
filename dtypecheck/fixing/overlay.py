"""A target as it will be: the files after a plan, readable before anything is written, so that the same scan can judge them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..edits import Edit
from ..files import Entry, Files, OneFile
from .outcome import Content, Foreign, Same, Stored, Text, outcome


@dataclass(frozen=True, slots=True)
class Overlay:
    """Files with changes over them. The numbers of weights that would be written read as zeros; their headers are real."""

    below: Files
    contents: dict[str, Content] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """What people call the target."""
        return self.below.label

    def entries(self) -> Iterator[Entry]:
        """Every file as it would be, sorted by the parts of its name."""
        own = {entry.name: entry for entry in self.below.entries()}
        kept = [entry for name, entry in own.items() if name not in self.gone and name not in self.contents]
        new = [
            own[content.of]._replace(name=name) if isinstance(content, Same) else Entry(name, content.size, f"planned:{name}")
            for name, content in self.contents.items()
        ]
        yield from sorted((*kept, *new), key=lambda entry: entry.name.split("/"))

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file as it would be."""
        match self.contents.get(name):
            case None:
                return self.below.read(name, start, length)
            case Text(data=data):
                return data[start : None if length is None else start + length]
            case Same(of=of):
                return self.below.read(of, start, length)
            case Foreign(origin=origin):
                return OneFile(origin).read(origin.name, start, length)
            case Stored(layout=layout):
                stop = layout.nbytes if length is None else min(layout.nbytes, start + length)
                held = layout.header[start:stop]
                return held + b"\0" * (max(0, stop - start) - len(held))


def after(files: Files, edits: Iterable[Edit]) -> Overlay:
    """The target after the edits. errors: Refusal as for `outcome`."""
    made = outcome(files, edits)
    return Overlay(files, dict(made.contents), made.gone)
