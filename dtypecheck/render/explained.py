"""An explanation of a message as people read it: the first line alone is enough to act on."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ..messages.explain import Explanation
from ..messages.fill import fill
from ..messages.find import Found, parse
from ..messages.patterns import one_line
from ..messages.rows import Row
from ..read.route import Route
from ..read.trace import Frame
from .options import Look, Out
from .words import clean

STYLES = {"crash": "1;31", "nan": "1;31", "warning": "33", "info": "36"}
"""ANSI colours by the kind of a message."""


def render(explanation: Explanation, out: Out, look: Look) -> None:
    """The first line, and under it what was read out of the text and what is known. -q: the first line alone."""
    kind, rest = first_line(explanation)
    colour = STYLES.get(kind, "1") if look.colour else ""
    lines = _wrapped(f"{kind} {rest}", "      ", look)
    if colour:
        lines = lines.replace(kind, f"\x1b[{colour}m{kind}\x1b[0m", 1)
    out.write(lines + "\n")
    if look.verbosity >= 0:
        for label, text in parts(explanation, look.verbosity > 0):
            out.write(_wrapped(f"      {label:<9}{text}", " " * 15, look) + "\n")


def text(explanation: Explanation) -> str:
    """All of it as text, without colours, for a log or a note."""
    kind, rest = first_line(explanation)
    return "\n".join([f"{kind} {rest}", *(f"      {label:<9}{told}" for label, told in parts(explanation))])


def first_line(explanation: Explanation) -> tuple[str, str]:
    """The kind of a message, and: its row, what is wrong, where, and what to do first."""
    row = explanation.row
    if row is None:
        if not explanation.asked:
            return "unknown", "there is no text to explain"
        near = next(iter(explanation.nearest), None)
        like = f"; the nearest is {near.name}: {one_line(near.says[0])}" if near else ""
        return "unknown", clean(f'no message of ours: "{explanation.asked}"{like}')
    return row.kind, clean(f"{row.name}  {explanation.means}{where(explanation)}: {explanation.do[0]}")


def where(explanation: Explanation) -> str:
    """The module and the user's line, as far as they are known."""
    named = explanation.module or explanation.klass
    script = explanation.route.script
    return (f", in {named}" if named else "") + (f" ({script.place})" if script else "")


def parts(explanation: Explanation, everything: bool = False) -> Iterator[tuple[str, str]]:
    """The lines under the first one, each with its label. everything: its sources too."""
    row = explanation.row
    for label, told in _read(explanation):
        yield label, clean(told)
    yield from known(explanation)
    for raised in explanation.chain:
        yield "with", clean(raised.says)
    for other in explanation.also:
        yield "also", clean(beside(other))
    for near in explanation.nearest if row is None else ():
        yield "like", clean(f"{near.name}: {one_line(near.says[0])}")
    if row and everything:
        yield from labelled("source", row.source, "")


def known(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """What is known of the message whatever text it stood in."""
    row = explanation.row
    if row:
        yield from labelled("because", explanation.because)
        yield from labelled("fix", explanation.do)
        yield "seen in", ", ".join(row.seen)
        yield "note", explanation.note


def _read(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """What the text itself tells: the message, the dtypes, the frames."""
    found, route = explanation.found, explanation.route
    if found:
        often = f" ({found.times:,} times)" if found.times > 1 else ""
        yield "says", explanation.asked + often
    if explanation.operands:
        named = (f"{o.role} {o.dtype.short}" + (f" ({o.made})" if o.made else "") for o in explanation.operands)
        two = found.devices if found and found.row.about != "device" else ()
        yield "dtypes", ", ".join(named) + (f"; and two devices: {' and '.join(two)}" if two else "")
    yield from frames(route)


def frames(route: Route) -> Iterator[tuple[str, str]]:
    """The frames that matter, each once: where it was raised, the innermost that is not torch's, the pipeline's, the user's."""
    library = route.inner if route.inner and route.inner.installed else None
    shown: list[Frame] = []
    for label, frame in (("raised", route.raised), ("library", library), ("pipeline", route.pipeline), ("script", route.script)):
        if frame and frame not in shown:
            shown.append(frame)
            yield label, told_frame(frame)


def told_frame(frame: Frame) -> str:
    """`serve.py:14 in main: image = pipe(prompt)`."""
    function = f" in {frame.function}" if frame.function and frame.function != "<module>" else ""
    return f"{frame.place}{function}" + (f": {frame.code}" if frame.code else "")


def beside(found: Found) -> str:
    """Another message of the same text, in one line."""
    often = f", {found.times:,} times" if found.times > 1 else ""
    return f"{found.row.kind} {found.row.name}{often}: {fill(found.row.means, found.operands, found.values)}"


def labelled(label: str, texts: tuple[str, ...], others: str = "or") -> Iterator[tuple[str, str]]:
    """The first text under a label, the others as alternatives to it."""
    for number, told in enumerate(texts):
        yield label if number == 0 else others, told


def _wrapped(line: str, indent: str, look: Look) -> str:
    """Broken at the width of a terminal; as it is where there is none."""
    if not look.colour or look.width < 40:
        return line
    return textwrap.fill(line, look.width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def show_row(row: Row, out: Out, look: Look) -> None:
    """The page of one row: what its messages look like, and what is known of them, for the first of these."""
    found = parse(row.says[0], (row,))
    shown = Explanation(row.says[0], found, found.operands if found else ())
    out.write(_wrapped(f"{row.kind} {row.name}  {shown.means}", "      ", look) + "\n")
    pairs = [*labelled("says", row.says), *known(shown), *labelled("source", row.source, "")]
    for label, told in pairs:
        out.write(_wrapped(f"      {label:<9}{one_line(told)}", " " * 15, look) + "\n")
