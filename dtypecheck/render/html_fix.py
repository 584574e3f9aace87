"""A fix plan on the page: a row a step, what was left, and what became of it."""

from __future__ import annotations

from ..report import Report
from .html_tags import Html, prose, tag
from .words_fix import about, last, left, looked, rows


def fix(report: Report) -> Html:
    """The section on the fix plan; nothing without one."""
    mending = report.fix
    if mending is None:
        return Html("")
    steps = (*mending.plan.steps, *(step for step in mending.left_out if step not in mending.plan.steps))
    body = []
    for row, step in zip(rows(mending), steps, strict=True):
        notes = [tag("p", prose(text), class_="faint") for text in about(step, report)]
        body.append(tag("tr", tag("td", row.number), tag("td", row.place, *notes), *(tag("td", prose(cell)) for cell in row[2:])))
    names = ("", "file", "change", "numbers", "bytes")
    table = tag("table", tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names))), tag("tbody", *body))
    rest = [tag("li", prose("; instead: ".join((left(item), *item.offers)))) for item in mending.plan.refused]
    said, command = last(mending, report.label, looked(report))
    parts = [tag("h2", "Fix plan"), tag("p", prose(said)), *([tag("pre", command)] if command else [])]
    parts += [tag("div", table, class_="scrolls")] if body else []
    parts += [tag("ul", *rest)] if rest else []
    parts += [tag("p", prose(text)) for text in (*mending.measured, *mending.reasons)]
    return tag("section", *parts, id="fix")
