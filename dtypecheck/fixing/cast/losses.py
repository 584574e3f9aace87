"""What a cast would lose, without casting: every number is looked at, none is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...files import Files
from .engines import need_numpy
from .layout import Layout
from .reading import opened
from .stream import Stream
from .tally import Overflow, Pair, Tally, total


@dataclass(frozen=True, slots=True)
class Losses:
    """tallies: what becomes of the numbers, by the formats they have and get; overflows: the tensors that cannot be cast.

    As a text: what it costs, in words for people.
    """

    tallies: Mapping[Pair, Tally] = field(default_factory=dict)
    overflows: tuple[Overflow, ...] = ()

    @property
    def total(self) -> Tally:
        """All of it together."""
        return total(self.tallies)

    def __str__(self) -> str:
        return str(self.total)


def losses(files: Files, layout: Layout, told: Callable[[int], None] = lambda _: None) -> Losses:
    """What would be lost by writing the layout. told: hears of every so many bytes of the new file that need no more looking at.

    errors: Refusal for a source that cannot be read, and for a cast to whole numbers of one that is none.
    """
    told(len(layout.header) + sum(part.nbytes for part in layout.parts if not part.cast))
    parts = [part for part in layout.parts if part.cast]
    if not parts:
        return Losses()
    need_numpy()
    names = tuple(dict.fromkeys(part.source for part in parts))
    with opened(files, names) as sources:
        stream = Stream(parts, sources, "numpy", told=told)
        stream.look()
        return Losses(stream.tallies, tuple(stream.overflows))
