"""The headroom chart: every module in order of execution, its largest output on a scale of doublings, its dtype's limit a line.

The points are strokes without length and with round ends: they stay round however the drawing is stretched to the screen.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from math import log2
from typing import Final

from ..checks.words import amount, listed
from ..dtypes import F16, DType
from ..subjects.shown import ModuleRow
from .html_colours import family
from .html_map import legend
from .html_places import Part
from .html_scale import Scale, powers, scale_of
from .html_tags import Html, prose, tag
from .html_words import described, tightness
from .words import plural

LANES: Final = 3
"""How many rows of marks stand above the chart, and how far apart, in percent, two marks in one row are."""
APART: Final = 8.0


def chart(part: Part, front: str) -> Html:
    """The chart of a run, nothing where no number was seen."""
    rows = part.modules
    measured = [log2(row.absmax) for row in rows if row.absmax]
    if not measured and not any(map(part.lost, rows)):
        return Html()
    limits = {row.dtype_out for row in rows if row.dtype_out and row.dtype_out.is_float and row.dtype_out.largest}
    scale = scale_of(measured, [log2(limit.largest) for limit in limits], len(rows))
    wanted = filter(scale.holds, limits if any(map(scale.holds, limits)) else {F16})
    drawn = sorted(wanted, key=lambda dtype: (dtype.largest, dtype.name))
    far = sorted((limit for limit in limits if limit not in drawn), key=lambda dtype: dtype.name)
    inside = [
        tag("figcaption", prose(_caption(part, far, drawn, limits))),
        _marks(part, scale, front),
        tag("div", *_ticks(scale), class_="ticks", aria_hidden="true"),
        tag("div", _drawing(part, scale, drawn), *_limits(scale, drawn), tag("div", class_="cursor", hidden=True), class_="area"),
        tag("div", *_bands(part, scale), class_="bands", aria_hidden="true"),
        _probe(part),
    ]
    return Html(
        tag("figure", *inside, class_="chart", data_chart=part.front, style=f"--dot: {_dot_size(len(rows))}px")
        + legend({_dot(row) for row in rows})
    )


def _caption(part: Part, far: list[DType], drawn: list[DType], limits: set[DType]) -> str:
    rows = part.modules
    nearest = min(rows, key=tightness)
    said = f"The largest output of each of {plural(len(rows), 'module')} in order of execution, on a scale of doublings."
    if nearest.headroom_bits is not None:
        said += f" Nearest to its limit: {described(nearest)}."
    if any(map(part.lost, rows)):
        said += " Red, on the limit: not finite; the ring is where that began."
    if far:
        said += f" {listed(f'{dtype.short} at {amount(dtype.largest)}' for dtype in far)} ends far above the chart."
    if drawn == [F16] and F16 not in limits:
        said += " No module computes in fp16; its limit is drawn to compare with."
    return said


def _dot(row: ModuleRow) -> str:
    return family(row.dtype_out)


def _dot_size(count: int) -> float:
    """Pixels: the more there are, the smaller."""
    return 6 if count <= 300 else 4.5 if count <= 1000 else 3.5


def _place(row: ModuleRow, order: int, scale: Scale, lost: bool) -> tuple[float, float] | None:
    """Where a module's point is: what is not finite lies at its limit; None where nothing was measured."""
    if row.absmax is not None:
        return scale.x(order), scale.y(log2(row.absmax) if row.absmax else scale.low)
    if lost and row.dtype_out:
        return scale.x(order), scale.y(log2(row.dtype_out.largest))
    return None


def _drawing(part: Part, scale: Scale, drawn: list[DType]) -> Html:
    """Bands, lines and points. A screen reader gets its summary; the table below says all."""
    shapes = [
        tag("rect", class_="band", x=f"{left:.1f}", y=0, width=f"{width:.1f}", height=1000)
        for n, (_, left, width) in enumerate(_segments(part, scale))
        if n % 2
    ]
    for dtype in drawn:
        top, foot = scale.y(log2(dtype.largest)), scale.y(log2(dtype.largest) - 1)
        shapes.append(tag("rect", class_="tight", x=0, y=f"{top:.1f}", width=1000, height=f"{foot - top:.1f}"))
        shapes.append(tag("path", class_=f"limit {family(dtype)}", d=f"M0 {top:.1f}H1000"))
    shapes += [tag("path", class_="grid", d=f"M0 {scale.y(power):.1f}H1000") for power in powers(scale)]
    shapes += _spoilt(part, scale)
    points: dict[str, list[Html]] = {}
    for order, row in enumerate(part.modules, 1):
        place = _place(row, order, scale, part.lost(row))
        if place:
            kind = f"{_dot(row)}{' broken' if row.absmax is None else ''}"
            dot = tag("path", tag("title", described(row, part.lost(row))), d=f"M{place[0]:.1f} {place[1]:.1f}h.01", data_i=order)
            points.setdefault(kind, []).append(dot)
    groups = [tag("g", *dots, class_=f"dots {kind}") for kind, dots in sorted(points.items(), key=lambda item: -len(item[1]))]
    return tag(
        "svg",
        *shapes,
        *groups,
        *_producers(part, scale),
        viewBox="0 0 1000 1000",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"Headroom of {plural(scale.count, 'module')}; the table of modules has every number",
    )


def _spoilt(part: Part, scale: Scale) -> Iterator[Html]:
    """From a module that broke the numbers to the last one that handed them on."""
    for producer in part.run.producers if part.run else ():
        start, end = part.order.get(producer.module), part.order.get(producer.carried_to)
        if start and end and end > start:
            left, right = scale.x(start), scale.x(end)
            yield tag("rect", class_="spoilt", x=f"{left:.1f}", y=0, width=f"{right - left:.1f}", height=1000)


def _producers(part: Part, scale: Scale) -> Iterator[Html]:
    """A ring around each module that broke the numbers first."""
    for producer in part.run.producers if part.run else ():
        order = part.order.get(producer.module)
        if order:
            row = part.modules[order - 1]
            x, y = _place(row, order, scale, part.lost(row)) or (scale.x(order), scale.y(log2(producer.dtype.largest)))
            for kind in ("ring", "hole"):
                yield tag("path", class_=kind, d=f"M{x:.1f} {y:.1f}h.01")


def _ticks(scale: Scale) -> Iterator[Html]:
    for power in powers(scale):
        yield tag("span", amount(2.0**power), style=f"top: {scale.y(power) / 10:.2f}%")


def _limits(scale: Scale, drawn: list[DType]) -> Iterator[Html]:
    for dtype in drawn:
        words = f"{dtype.short} ends at {amount(dtype.largest)}"
        yield tag("span", words, class_=f"ends {family(dtype)}", style=f"top: {scale.y(log2(dtype.largest)) / 10:.2f}%")


def _segments(part: Part, scale: Scale) -> list[tuple[str, float, float]]:
    """Component, left edge and width of each stretch of modules that belong together, in thousandths."""
    found, start = [], 0
    for name, rows in groupby(part.modules, lambda row: part.component(row.module)):
        count = sum(1 for _ in rows)
        found.append((name, 1000 * start / scale.count, 1000 * count / scale.count))
        start += count
    return found


def _bands(part: Part, scale: Scale) -> Iterator[Html]:
    """The components below the chart, with the numbers of their blocks."""
    for name, left, width in _segments(part, scale):
        block = part.names.index(name) + 1
        words = tag("b", str(block)), tag("span", f" {name}")
        own = part.blocks[block - 1].family
        style = f"left: {left / 10:.2f}%; width: {width / 10:.2f}%"
        yield tag("span", *words, class_=own, style=style, title=name)


def _marks(part: Part, scale: Scale, front: str) -> Html:
    """The findings above their modules, as links; where there is no room a block and the table still have them."""
    lanes: list[float] = []
    links = []
    rows = {f"{part.front}m{order}": order for order in part.order.values()}
    for anchor, items in sorted(part.of_rows.items(), key=lambda item: rows[item[0]]):
        at = scale.x(rows[anchor]) / 10
        lane = next((n for n, last in enumerate(lanes) if at - last >= APART), len(lanes))
        if lane == LANES:
            continue
        lanes[lane : lane + 1] = [at]
        first = items[0]
        more = f"+{len(items) - 1}" if len(items) > 1 else ""
        words = f"finding {first.number}: {first.finding.severity}, {first.finding.name}"
        style = f"left: {at:.2f}%; bottom: {lane * 1.75:.2f}rem"
        links.append(
            tag(
                "a",
                f"{first.number}{more}",
                href=f"#{first.anchor(front)}",
                class_=f"flag {first.finding.severity}",
                style=style,
                title=words,
                aria_label=words,
            )
        )
    return tag("div", *links, class_="flags", style=f"height: {len(lanes) * 1.75:.2f}rem") if links else Html()


def _probe(part: Part) -> Html:
    """What the script makes of the chart: a slider over the modules that begins at the worst, and words on the one it is at."""
    name = f"{part.front}at"
    broken = {producer.module for producer in part.run.producers} if part.run else set()
    rows = enumerate(part.modules, 1)
    first, _ = min(rows, key=lambda item: (item[1].module not in broken, tightness(item[1]), item[0]))
    slider = tag("input", type="range", id=name, min=1, max=len(part.modules), value=first, step=1)
    inside = tag("label", "Module", for_=name), slider, tag("output", for_=name)
    return tag("div", *inside, class_="probe", hidden=True)
