"""Every module of a run in one table: those nearest to their limit first, the long rest folded under them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..subjects.shown import ModuleRow
from .html_colours import family
from .html_places import Part
from .html_tags import Html, path, tag
from .html_words import bits, dtypes, largest, shown_by, tightness
from .words import plural

SHOWN: Final = 200
"""Rows that stand there unfolded."""
COLUMNS: Final = (
    ("nr", "order of the first call"),
    ("module", ""),
    ("dtype", "what goes in and out"),
    ("largest", "largest magnitude of any output"),
    ("bits left", "how many times the largest output could double before it leaves its dtype"),
    ("calls", ""),
)


def modules(part: Part, front: str, level: int) -> Html:
    """The table of a run's modules, nothing for a run without."""
    if not part.modules:
        return Html()
    producers = {producer.module for producer in part.run.producers} if part.run else set()
    ranked = sorted(enumerate(part.modules, 1), key=lambda item: (item[1].module not in producers, tightness(item[1]), item[0]))
    rows = [_row(part, order, row, row.module in producers, front) for order, row in ranked]
    rest = rows[SHOWN:]
    inside = [
        tag(f"h{level}", f"{plural(len(rows), 'module')}, the nearest to its limit first", id=f"{part.front}modules"),
        _filter(part),
        _table(rows[:SHOWN], "Modules"),
        tag("details", tag("summary", f"{len(rest):,} more"), _table(rest, "More modules")) if rest else "",
    ]
    return tag("section", *inside, class_="modules", data_modules=SHOWN, aria_labelledby=f"{part.front}modules")


def _filter(part: Part) -> Html:
    name = f"{part.front}only"
    field = tag("input", type="search", id=name, autocomplete="off", spellcheck="false")
    return tag("p", tag("label", "Only modules with ", for_=name), field, tag("output", for_=name), class_="filter", hidden=True)


def _table(rows: Iterable[Html], caption: str) -> Html:
    heads = [tag("th", words, scope="col", title=more or None) for words, more in COLUMNS]
    return tag("table", tag("caption", caption, class_="unseen"), tag("thead", tag("tr", *heads)), tag("tbody", *rows))


def _row(part: Part, order: int, row: ModuleRow, broken: bool, front: str) -> Html:
    anchor = f"{part.front}m{order}"
    flags = [
        tag("a", str(item.number), href=f"#{item.anchor(front)}", class_=f"flag {item.finding.severity}", title=item.finding.name)
        for item in part.of_rows.get(anchor, ())
    ]
    klass = tag("span", row.klass, class_="faint klass") if row.klass else ""
    name = tag("th", path(row.module) if row.module else "the whole model", *flags, klass, scope="row")
    room = row.headroom_bits
    low = "spoilt" if broken else "tight" if room is not None and room < 1 else None
    return tag(
        "tr",
        tag("td", str(order)),
        name,
        tag("td", tag("span", class_=f"swatch {family(shown_by(row))}"), dtypes(row)),
        tag("td", "not finite" if part.lost(row) else largest(row), data_v=row.absmax),
        tag("td", bits(room), data_v=None if room is None else f"{room:.6g}"),
        tag("td", f"{row.calls:,}", data_v=row.calls),
        id=anchor,
        class_=low,
    )
