"""The sums of a fleet on its page: a block for each verdict, and tables by rule, by class and by dtype, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ..dtypes import BY_NAME
from ..fleet.tally import Tally
from .html_colours import family
from .html_tags import Html, tag
from .marked import clip
from .words import clean
from .words_fleet import VERDICTS, outcome, parameters, short

SHOWN: Final = 12
"""Rows of a table that stand unfolded where a script runs."""
MOST: Final = 500
"""Rows of a table."""
_SEVERITIES: Final = ("error", "warning", "note")


class Line(NamedTuple):
    """A row of a table. value: what the models are filtered by. words: beside its name. shares: models by verdict, of total."""

    value: str
    words: Html
    cells: Sequence[str]
    shares: Mapping[str, int]
    total: int


def sums(tally: Tally) -> Iterator[Html]:
    """The blocks and the tables that have something to tell."""
    judged = tally.outcomes["judged"]
    yield _blocks(tally)
    rules = [
        Line(
            value(code),
            Html(tag("span", tally.names.get(code, ""), class_="faint")),
            _cells(by, _SEVERITIES, tally.findings[code]),
            by,
            judged,
        )
        for code, by in tally.by_rule()
    ]
    yield _section("rule", "By rule", ("rule", "error", "warning", "note", "findings", "share"), rules, "with a finding of it")
    classes = [
        Line(value(klass), Html(), _cells(by, ("error", "warning"), sum(by.values())), by, sum(by.values()))
        for klass, by in tally.by_class()
    ]
    dtypes = [
        Line(
            value(short(name)),
            Html(),
            (*_cells(by, ("error", "warning"), sum(by.values())), parameters(tally.parameters[name])),
            by,
            sum(by.values()),
        )
        for name, by in tally.by_dtype()
    ]
    beside = (
        _section("class", "By class", ("class", "error", "warning", "models", "share"), classes, "of the class"),
        _section("dtype", "By dtype", ("dtype", "error", "warning", "models", "parameters", "share"), dtypes, "that store it"),
    )
    yield tag("div", *beside, class_="beside")


def value(words: str) -> str:
    """What a class, a dtype or a rule is called in the page's data."""
    return clip(clean(words), 1_000)


def _blocks(tally: Tally) -> Html:
    blocks = []
    for name, words in VERDICTS.items():
        count = outcome(tally, name)
        if count or name in ("error", "ok"):
            inside = (tag("span", f"{count:,}", class_="count"), " ", tag("span", words, class_="words"))
            blocks.append(tag("li", *inside, class_=f"block {name}", data_pick="verdict", data_value=name))
    shares = {name: outcome(tally, name) for name in VERDICTS}
    bar = _bar(shares, tally.targets)
    return tag("section", tag("h2", "Models", id="sums"), tag("ul", *blocks, class_="map"), bar, aria_labelledby="sums")


def _section(key: str, title: str, heads: Sequence[str], lines: Sequence[Line], whose: str) -> Html:
    if not lines:
        return Html()
    caption = f"models {whose}, by their worst finding" if key != "rule" else f"models {whose}, and how many findings those are"
    row = tag("tr", *(tag("th", words, scope="col", role="columnheader") for words in heads), role="row")
    body = [_row(key, line, heads, number >= SHOWN) for number, line in enumerate(lines[:MOST])]
    inside = (
        tag("caption", caption),
        tag("thead", row, role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
    )
    left = len(lines) - MOST
    more = tag("p", f"and {left:,} more", class_="faint") if left > 0 else ""
    whole = tag("table", *inside, class_="plain sums", role="table")
    return tag("section", tag("h2", title, id=f"by-{key}"), whole, more, aria_labelledby=f"by-{key}", class_=f"by-{key}")


def _row(key: str, line: Line, heads: Sequence[str], rest: bool) -> Html:
    known = {dtype.short: dtype for dtype in BY_NAME.values()}.get(line.value) if key == "dtype" else None
    swatch = tag("span", class_=f"swatch {family(known)}", aria_hidden="true") if key == "dtype" else Html()
    name = tag("span", line.value, data_pick=key, data_value=line.value)
    first = tag("th", swatch, name, " " if line.words else "", line.words, scope="row", role="rowheader")
    cells = [
        tag("td", tag("span", words, class_=head if head in _SEVERITIES and words else None), role="cell", data_head=head)
        for head, words in zip(heads[1:-1], line.cells, strict=True)
    ]
    bar = tag("td", _bar(line.shares, line.total), role="cell", data_head="share", class_="share")
    return tag("tr", first, *cells, bar, role="row", class_="rest" if rest else None)


def _cells(by: Mapping[str, int], names: Iterable[str], last: int) -> tuple[str, ...]:
    return (*(f"{by.get(name, 0):,}" if by.get(name) else "" for name in names), f"{last:,}")


def _bar(shares: Mapping[str, int], total: int) -> Html:
    """How the models share out, in the colours of the verdicts; the numbers stand beside it in words."""
    left = total - sum(shares.values())
    parts = [(name, shares.get(name, 0)) for name in VERDICTS] + [("left", max(left, 0))]
    strips = [tag("span", class_=f"strip {name}", style=f"flex:{count} 0 0") for name, count in parts if count]
    return tag("span", *strips, class_="bar", aria_hidden="true")
