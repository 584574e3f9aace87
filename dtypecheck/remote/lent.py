"""Targets that lie elsewhere as folders of this disk, for as long as something needs a folder: their skeletons."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..files import Directory
from ..knowledge import Knowledge
from ..request import NothingThere, WrongUse
from .opening import opened
from .skeleton import save
from .targets import Remote


@dataclass(slots=True)
class Lent:
    """The folders. names: what people call each of them."""

    known: Knowledge
    online: bool
    room: Path
    names: dict[Path, str] = field(default_factory=dict)
    found: dict[Remote, Path] = field(default_factory=dict)

    def path(self, target: Path | Remote) -> Path:
        """A path as it is; else the snapshot in the Hub's cache, or a skeleton. errors: as `opened` and `save` tell."""
        if isinstance(target, Path):
            return target
        if target not in self.found:
            files = opened(target, self.known, self.online)
            if isinstance(files, Directory):
                path = files.root
            else:
                path = self.room / str(len(self.found)) / (target.label.rpartition("/")[2] or "model")
                path.parent.mkdir()
                save(files, self.known, path)
            self.found[target] = path
            self.names[path] = target.label
        return self.found[target]

    def models(self, models: Mapping[str, Path | Remote]) -> dict[str, Path]:
        """What names in scripts stand for: those given, and each model of the Hub that is a target for its own name."""
        own = {target.repo: path for target, path in self.found.items() if target.repo}
        return own | {name: self.path(target) for name, target in models.items()}

    def worded(self, text: str) -> str:
        """A text with what people call a folder in place of where it lies."""
        for path, name in self.names.items():
            text = text.replace(str(path), name)
        return text


@contextmanager
def lent(known: Knowledge, online: bool = True) -> Iterator[Lent]:
    """Folders that are gone afterwards; what is said about them names the targets."""
    with tempfile.TemporaryDirectory(prefix="dtypecheck-") as room:
        lending = Lent(known, online, Path(room))
        try:
            yield lending
        except (WrongUse, NothingThere) as fault:
            raise type(fault)(lending.worded(str(fault))) from None
