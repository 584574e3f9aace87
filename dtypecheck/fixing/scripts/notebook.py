"""A notebook whose cells are edited inside their JSON texts, so that every other byte of it stays."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ...edits import Splice
from ..refusal import Refusal
from ..splice import texts_at
from .page import Change

_UNIT: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.DOTALL)
"""One character of a JSON text as it is written; two escapes of UTF-16 surrogates are one."""


class Piece(NamedTuple):
    """One JSON text of a cell: where it begins in the cell's characters, and where each of its characters stands in the file.

    spots has one place more than characters: that of the closing quote.
    """

    start: int
    spots: tuple[int, ...]

    @property
    def end(self) -> int:
        """The first character of the cell that is not in it any more."""
        return self.start + len(self.spots) - 1


@dataclass(frozen=True, slots=True)
class Notebook:
    """The text of the file, and where the source of each code cell stands in it."""

    text: str
    cells: dict[int, tuple[str, Any]]

    @classmethod
    def read(cls, text: str) -> Notebook:
        """The text is known to be a notebook."""
        data = json.loads(text)
        old = isinstance(data.get("worksheets"), list) and data["worksheets"]
        holder, pointer = (data["worksheets"][0], "/worksheets/0") if old else (data, "")
        cells = {}
        for number, cell in enumerate(holder.get("cells", ()), 1):
            if isinstance(cell, dict) and cell.get("cell_type") == "code":
                key = "source" if "source" in cell else "input"
                cells[number] = (f"{pointer}/cells/{number - 1}/{key}", cell.get(key, ""))
        return cls(text, cells)

    def splices(self, path: str, change: Change) -> list[Splice]:
        """The edits of the file that a change of a cell means, the last place first; what is new goes into the first text.

        errors: Refusal for a cell that is written in another way than as a text, or a list of them.
        """
        pieces = self._pieces(path, change.cell)
        touched = [piece for piece in pieces if piece.start < change.end and change.start < piece.end]
        if not touched:
            touched = [next((p for p in pieces if p.start <= change.start < p.end), pieces[-1])] if pieces else []
        if not touched:
            raise Refusal(f"{path}: cell {change.cell} is empty")
        made = []
        for number, piece in enumerate(touched):
            begin = piece.spots[max(change.start, piece.start) - piece.start]
            end = piece.spots[min(max(change.end, change.start), piece.end) - piece.start]
            new = json.dumps(change.new, ensure_ascii=self.text.isascii())[1:-1] if number == 0 else ""
            made.append(Splice(path, begin, end, self.text[begin:end], new))
        return made[::-1]

    def _pieces(self, path: str, cell: int) -> list[Piece]:
        """The texts of a cell, one after the other."""
        pointer, value = self.cells[cell]
        places = texts_at(path, self.text, pointer)
        parts = [value] if isinstance(value, str) else value
        found: list[Piece] = []
        for (begin, end), part in zip(places, parts, strict=True):
            spots = [match.start() for match in _UNIT.finditer(self.text, begin + 1, end - 1)] + [end - 1]
            if not isinstance(part, str) or len(spots) - 1 != len(part):
                raise Refusal(f"{path}: a line of cell {cell} is written in a way that is not edited")
            found.append(Piece(found[-1].end if found else 0, tuple(spots)))
        return found


__all__ = ["Notebook"]
