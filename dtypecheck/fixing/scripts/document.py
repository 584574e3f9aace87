"""A script as a file: its pages, and a change of a page as edits of the file's own characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from ...edits import Splice
from ...files import Entry, Memory
from ...read.scripts.source import read_source
from ..refusal import Refusal
from .notebook import Notebook
from .page import Change, Page
from .pieces import Unfit


class Places(Protocol):
    """Where the characters of a page stand in the characters of its file."""

    def splices(self, path: str, change: Change) -> list[Splice]:
        """The edits of the file that a change means, the last place first."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A file of Python. before: characters of the file that are none of the script's, the byte order mark."""

    text: str
    before: int

    def splices(self, path: str, change: Change) -> list[Splice]:
        """The edit that a change means."""
        start, end = change.start + self.before, change.end + self.before
        return [Splice(path, start, end, self.text[start:end], change.new)]


@dataclass(frozen=True, slots=True)
class Document:
    """path: of the file in its target. pages: by cell, 0 for a plain file."""

    path: str
    data: bytes
    pages: dict[int, Page]
    places: Places

    def edits(self, changes: Iterable[Change]) -> tuple[Splice, ...]:
        """The edits of the file, in the order in which they are done: from the back, so that none moves another.

        Of two at one place that only insert, the one that was named first comes to stand first. errors: Refusal where two
        change the same characters; Unfit where a comment would be lost.
        """
        found: list[Splice] = []
        ordered = sorted(enumerate(dict.fromkeys(changes)), key=lambda item: (item[1].cell, item[1].start, item[1].end, item[0]))
        for _, change in ordered:
            self._keeps_comments(change)
        for (_, one), (_, other) in pairwise(ordered):
            if one.cell == other.cell and other.start < one.end:
                raise Refusal(f"{self.path}: two changes of the same characters")
        for _, change in reversed(ordered):
            found += self.places.splices(self.path, change)
        return tuple(found)

    def _keeps_comments(self, change: Change) -> None:
        """errors: Unfit where a comment stands inside of what a change replaces."""
        page = self.pages[change.cell]
        if change.start == change.end or "#" not in page.text[change.start : change.end]:
            return
        lost = [page.text[a:b] for a, b in page.comments() if change.start <= a < change.end]
        if any(comment not in change.new for comment in lost):
            raise Unfit(f"a comment stands inside of what would go: {lost[0]}")


def opened(path: str, data: bytes) -> Document:
    """The pages of a script. errors: Refusal for one that does not parse, or whose characters are not those of its bytes."""
    source = read_source(Memory({path: data}), Entry(path, len(data), path))
    if source is None:
        raise Refusal(f"{path}: it says nothing about dtypes")
    if source.problems:
        raise Refusal(f"{path}: {source.problems[0].detail}")
    pages = {cell: Page(cell, source.texts[cell], tree) for cell, tree in source.trees}
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Refusal(f"{path}: it is no UTF-8 text, and only that is edited") from None
    if path.endswith(".ipynb"):
        return Document(path, data, pages, Notebook.read(text))
    before = 1 if text.startswith("\ufeff") else 0
    if 0 in pages and text[before:] != pages[0].text:
        raise Refusal(f"{path}: it names an encoding other than UTF-8, and only that is edited")
    return Document(path, data, pages, Plain(text, before))


def parses(path: str, data: bytes) -> bool:
    """Whether every page of a file can be read."""
    source = read_source(Memory({path: data}), Entry(path, len(data), path))
    return source is None or not source.problems


def after(data: bytes, edits: Sequence[Splice]) -> bytes:
    """The bytes of a file after edits of it. errors: Refusal where they do not fit."""
    from ..splice import splice

    for edit in edits:
        data = splice(edit, data)
    return data


__all__ = ["Document", "after", "opened", "parses"]
