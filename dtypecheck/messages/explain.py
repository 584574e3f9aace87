"""A text or an exception explained: the message that is known, the dtypes and their roles, and where it came up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..read.route import NOWHERE, Route, route
from ..read.trace import Raised, plain, read
from ..subjects.shown import Operand
from .fill import fill
from .find import Found, find, nearest, parse
from .patterns import one_line
from .rows import Row
from .windows import reduced

_SHOWN: Final = 300
"""Characters of a message that are shown."""
_MOST: Final = 200
"""Tracebacks, from the last one back, that are looked at."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known about a message. asked: the message, in one line. found: the row it is, None if none is known.

    operands: the dtypes by role, of the message and, of a live exception, of its frames. module: the path of the module that
    failed, as far as the text or the frames tell; klass: its class, where that is known. raised: the exception; chain: the
    others around it. also: further messages in the same text. nearest: the rows most like a text that is not known. text: all
    of it as a person reads it, filled in by whoever renders.
    """

    asked: str
    found: Found | None = None
    operands: tuple[Operand, ...] = ()
    module: str = ""
    klass: str = ""
    route: Route = NOWHERE
    raised: Raised | None = None
    chain: tuple[Raised, ...] = ()
    also: tuple[Found, ...] = ()
    nearest: tuple[Row, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        return self.text

    @property
    def row(self) -> Row | None:
        """What is known of the message."""
        return self.found.row if self.found else None

    @property
    def component(self) -> str:
        """The component it is in, as far as that is known."""
        return self.module.partition(".")[0].strip("<>")

    @property
    def means(self) -> str:
        """What is wrong, in one sentence without a full stop."""
        return self._filled(self.row.means) if self.row else ""

    @property
    def because(self) -> tuple[str, ...]:
        """The usual causes, the likeliest first."""
        return tuple(map(self._filled, self.row.because)) if self.row else ()

    @property
    def do(self) -> tuple[str, ...]:
        """What to do, in order."""
        return tuple(map(self._filled, self.row.do)) if self.row else ()

    @property
    def note(self) -> str:
        """What else to know of the message."""
        return self._filled(self.row.why) if self.row else ""

    def _filled(self, text: str) -> str:
        """With the dtypes that the message names, else those of the frames."""
        said = self.found.operands if self.found else ()
        return fill(text, (*said, *self.operands), self.found.values if self.found else None)


def explain(text: str, rows: Sequence[Row]) -> Explanation:
    """Explain a message, a traceback or a whole log. Of several tracebacks the last one with a known message counts."""
    text = plain(reduced(text, rows))
    return _of(text, read(text), rows)


def explain_raised(chain: Sequence[Raised], rows: Sequence[Row]) -> Explanation:
    """Explain exceptions that are at hand, the first cause first."""
    return _of("\n".join(f"{raised.kind}: {raised.message}" for raised in chain), tuple(chain), rows)


def _of(text: str, chain: tuple[Raised, ...], rows: Sequence[Row]) -> Explanation:
    everything = find(text, rows)
    raised, found = _chosen(chain, everything, rows)
    if found is None and everything:
        found = min(everything, key=lambda one: (one.row.gravity, -one.start))
        raised = next((one for one in reversed(chain) if not one.kind), None)
    if raised is None and found is None and chain:
        raised = chain[-1]
    way = route(raised.frames) if raised else NOWHERE
    return Explanation(
        asked=_asked(raised, found, text),
        found=found,
        operands=found.operands if found else (),
        module=way.module,
        route=way,
        raised=raised,
        chain=tuple(one for one in _linked(chain, raised) if one is not raised),
        also=tuple(one for one in everything if found is None or one.row.name != found.row.name),
        nearest=() if found else nearest(raised.message if raised else text, rows),
    )


def _chosen(chain: tuple[Raised, ...], everything: Sequence[Found], rows: Sequence[Row]) -> tuple[Raised | None, Found | None]:
    """The exception to explain: in the last group of linked ones with a known message, the first of them."""
    if not everything:
        return None, None
    for group in reversed(_groups(chain)[-_MOST:]):
        for raised in group:
            if found := parse(f"{raised.kind}: {raised.message}", rows):
                return raised, found
    return None, None


def _groups(chain: Sequence[Raised]) -> list[list[Raised]]:
    """Exceptions that came of each other together."""
    groups: list[list[Raised]] = []
    joined = False
    for raised in chain:
        if joined:
            groups[-1].append(raised)
        else:
            groups.append([raised])
        joined = bool(raised.link)
    return groups


def _linked(chain: Sequence[Raised], raised: Raised | None) -> list[Raised]:
    return next((group for group in _groups(chain) if any(one is raised for one in group)), [])


def _asked(raised: Raised | None, found: Found | None, text: str) -> str:
    if raised and raised.kind:
        return one_line(raised.says)[:_SHOWN]
    if found:
        return found.says[:_SHOWN]
    return one_line(next((line for line in text.splitlines() if line.strip()), ""))[:_SHOWN]
