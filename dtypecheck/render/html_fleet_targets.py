"""The models of a fleet on its page: a table that a script sorts, filters and turns over; without one, the worst of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ..checks.words import size
from ..fleet.tally import Tally
from .html_fleet_sums import MOST, value
from .html_tags import Html, tag
from .words_fleet import VERDICTS, outcome, parameters, short

SEVERITIES: Final = {"e": "error", "w": "warning", "n": "note"}
COLUMNS: Final = (
    ("model", "model"),
    ("verdict", "verdict"),
    ("errors", "errors"),
    ("warnings", "warnings"),
    ("notes", "notes"),
    ("class", "class"),
    ("dtype", "stored in"),
    ("rules", "rules"),
    ("size", "size"),
)
"""By what the script knows them, and their heads."""
RULES: Final = 4
"""Rules of a model that are named in its row."""


class Short(NamedTuple):
    """A row as the page's data has it. rules: the first letter of a severity and a code, the worst first.

    verdict: or why there is none. dtypes: parameters by dtype. nbytes: of its weight files. first: finding, or the reason.
    """

    target: str
    verdict: str
    errors: int
    warnings: int
    notes: int
    classes: list[str]
    dtypes: dict[str, int]
    rules: list[str]
    nbytes: int
    first: str

    def rank(self) -> tuple[int, int, bool, int, str]:
        """The worst first; those that could not be looked at stand before those that have notes."""
        return -self.errors, -self.warnings, self.verdict in ("error", "warning", "note", "ok"), -self.notes, self.target


def targets(worst: Sequence[Short], tally: Tally) -> Html:
    """The filters, which wait for a script, and the table with the worst."""
    cut = tally.targets - len(worst)
    caption = f"the worst {len(worst):,} of {tally.targets:,}, the worst first" if cut > 0 else "all of them, the worst first"
    heads = [tag("th", words, scope="col", role="columnheader", data_sort=key) for key, words in COLUMNS]
    table = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *heads, role="row"), role="rowgroup"),
        tag("tbody", *(row for told in worst for row in _rows(told)), role="rowgroup"),
        class_="plain targets",
        role="table",
    )
    title = tag("h2", "The models one by one", id="targets", tabindex="-1")
    return tag("section", title, _filters(tally), table, _pages(), aria_labelledby="targets", class_="one-by-one")


def _filters(tally: Tally) -> Html:
    verdicts = [(name, f"{words} ({outcome(tally, name):,})") for name, words in VERDICTS.items() if outcome(tally, name)]
    rules = [(value(code), f"{code} {tally.names.get(code, '')}") for code, _ in tally.by_rule()]
    classes = [(value(klass), value(klass)) for klass, _ in tally.by_class()]
    dtypes = [(value(short(name)), short(name)) for name, _ in tally.by_dtype()]
    sorts = [(f"-{key}" if key in ("errors", "warnings", "notes", "rules", "size") else key, words) for key, words in COLUMNS]
    fields = (
        tag("p", tag("label", "text", for_="q"), tag("input", type="search", id="q", autocomplete="off", spellcheck="false")),
        _select("verdict", "verdict", "all", verdicts),
        _select("rule", "rule", "all", rules),
        _select("class", "class", "all", classes),
        _select("dtype", "stored in", "all", dtypes),
        _select("sort", "sorted by", "worst first", sorts),
    )
    told = tag("p", tag("output", id="count", for_="q verdict rule class dtype"), class_="count-of")
    return tag("div", *fields, told, role="search", aria_label="Filter the models", class_="filters", hidden=True)


def _select(key: str, label: str, nothing: str, options: Iterable[tuple[str, str]]) -> Html:
    inside = [tag("option", nothing, value=""), *(tag("option", words, value=name) for name, words in list(options)[:MOST])]
    return tag("p", tag("label", label, for_=key), tag("select", *inside, id=key), class_=f"pick-{key}")


def _pages() -> Html:
    return tag("nav", id="pages", aria_label="Pages", hidden=True)


def _rows(told: Short) -> tuple[Html, Html]:
    """A model as the script would show it, with what its first finding says under it."""
    numbers = [f"{n:,}" if n else "" for n in (told.errors, told.warnings, told.notes)]
    rules = [tag("span", rule[1:], class_=f"rule {SEVERITIES.get(rule[:1], 'note')}") for rule in told.rules[:RULES]]
    more = [f" +{len(told.rules) - RULES}"] if len(told.rules) > RULES else []
    cells = (
        tag("span", told.verdict, class_=f"pill {told.verdict}"),
        *numbers,
        ", ".join(told.classes),
        ", ".join(told.dtypes),
        Html(" ".join([*rules, *more])),
        size(told.nbytes) if told.nbytes else "",
    )
    first = tag("th", tag("span", told.target), scope="row", role="rowheader")
    rest = [tag("td", tag("span", cell), role="cell", data_head=head) for cell, (_, head) in zip(cells, COLUMNS[1:], strict=True)]
    stored = ", ".join(f"{name} {parameters(count)}" for name, count in told.dtypes.items())
    lines = [tag("p", words) for words in (told.first, f"parameters: {stored}" if stored else "") if words]
    under = tag("tr", tag("td", *lines, role="cell", colspan=len(COLUMNS)), role="row", class_="under")
    return tag("tr", first, *rest, role="row", class_="one"), under
