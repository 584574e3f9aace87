"""A fleet as one HTML file, written as its rows come: of a row nothing is kept but a line in the page, and the worst of them.

The rows stand in the page as data and before all that is seen, so that the sums, which come last, still are what one sees first.
Its address says what is shown: page.html#verdict=error&rule=DT101&class=FluxPipeline&dtype=fp16&q=text&sort=-size&page=2
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from heapq import nsmallest
from typing import Any, Final, TextIO

from ..checks.words import size
from ..fleet.rows import classes_of, stored_in, unmuted
from ..fleet.tally import Tally, told
from .html_fleet_sums import sums, value
from .html_fleet_targets import Short, targets
from .html_frame import head, read
from .html_tags import Html, tag
from .marked import clip
from .words import clean, plural
from .words_fleet import looked, sentence, short, worst

WORST: Final = 200
"""Models that are shown where no script runs."""
NAME: Final = 1_000
SAID: Final = 400
"""Characters of a name and of a finding; a stranger's may be as long as they like."""


class Page:
    """A page in the making. stream: of text that takes UTF-8."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._written = 0
        self._rows = 0
        self._worst: list[Short] = []
        self._write('<!DOCTYPE html>\n<html lang="en">')
        self._write(head("dtypecheck fleet", read("html_fleet.js"), read("html_fleet.css")))
        self._write('<body class="dtypecheck fleet"><script type="application/json" id="rows">[')

    def take(self, row: Mapping[str, Any]) -> None:
        """One more row, as fleet.rows.read_line gives it."""
        short_row = short_of(row)
        self._write(f"{',' if self._rows else ''}\n{embedded(short_row)}")
        self._rows += 1
        self._worst.append(short_row)
        if len(self._worst) > 4 * WORST:
            self._worst = nsmallest(WORST, self._worst, key=Short.rank)

    def finish(self, tally: Tally) -> None:
        """The sums of the rows that were taken, the tables, and the end of the page."""
        result = sentence(tally)
        amount = looked(tally)
        top = tag(
            "header",
            tag("p", "dtypecheck fleet", class_="faint"),
            tag("h1", result),
            tag("p", f"in {amount}", class_="verdict") if amount else "",
            class_=f"top {worst(tally)}",
        )
        script = tag("script", Html(f"\n{read('html_fleet.js')}"))
        body = tag("main", *sums(tally), targets(nsmallest(WORST, self._worst, key=Short.rank), tally), id="report")
        self._write("\n]</script>")
        self._write(tag("a", "To the models", href="#targets", class_="skip") + top + body)
        foot = f"{plural(self._rows, 'model')} in this file of {size(self._written + len(script))}, which needs no network."
        self._write(tag("footer", tag("p", foot, class_="faint")) + script + "</body></html>\n")

    def _write(self, text: str) -> None:
        self._written += len(text.encode("utf-8", "backslashreplace"))
        self._stream.write(text)


def short_of(row: Mapping[str, Any]) -> Short:
    """What the page tells of a row."""
    counts, name = row["counts"], clip(clean(row["target"]), NAME)
    report = row["report"]
    if report is None:
        return Short(name, row["outcome"], 0, 0, 0, [], {}, [], 0, clip(clean(row["why"] or ""), SAID))
    found = unmuted(report)
    rules = dict.fromkeys(finding["severity"][0] + value(finding["code"]) for finding in found)
    return Short(
        name,
        row["verdict"],
        counts["error"],
        counts["warning"],
        counts["note"],
        [value(klass) for klass in classes_of(report)],
        {value(short(dtype)): count for dtype, count in stored_in(report).items()},
        list(rules),
        report["seen"].get("bytes", 0),
        clip(clean(told(found[0])), SAID) if found else "",
    )


def embedded(told: Short) -> str:
    """A row as the page holds it: JSON in which nothing ends the element that it stands in."""
    return json.dumps(told, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e")
