"""Why something that lies elsewhere could not be read, in one sentence that names it and says what to do."""

from __future__ import annotations

import errno
from typing import Final, Literal

from ..request import NothingThere, WrongUse

Kind = Literal["denied", "missing", "busy", "cut", "no ranges", "offline", "too much", "refused"]
WHOLE: Final[frozenset[str]] = frozenset({"denied", "busy", "offline"})
"""Kinds that stand in the way of every other file of the same place too."""


class Unreachable(OSError):
    """One file or place that could not be read; `strerror` is the sentence."""

    def __init__(self, text: str, kind: Kind) -> None:
        super().__init__(errno.EIO, text)
        self.kind = kind


def of_place(fault: Unreachable) -> WrongUse | NothingThere:
    """The same about a whole target: a name that means nothing is wrong use, all else leaves nothing to look at."""
    text = fault.strerror or str(fault)
    return WrongUse(text) if fault.kind == "missing" else NothingThere(text)
