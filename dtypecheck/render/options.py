"""How much a renderer shows, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Out(Protocol):
    """Something that text can be written to."""

    def write(self, text: str, /) -> object:
        """Write a piece of text."""


@dataclass(frozen=True, slots=True)
class Look:
    """verbosity: -1 for -q, 0, 1 for -v. colour: ANSI colours are welcome. width: columns of the terminal."""

    verbosity: int = 0
    colour: bool = False
    width: int = 120
