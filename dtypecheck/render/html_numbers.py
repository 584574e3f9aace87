"""What became of the numbers of a watched run: where they broke, the pictures, what was healed, how far it is from float32."""

from __future__ import annotations

from ..checks.spoilt import place_of, replayed
from ..checks.words import amount
from ..subjects.numbers import Frame, Picture, Producer
from ..subjects.shown import Run
from .html_places import Part
from .html_tags import Html, path, table, tag, text
from .html_words import NOTHING
from .words import plural

KINDS = {"nan": "NaN", "inf": "inf", "saturated": "at the dtype's limit", "underflow": "all zero"}
LOOKS = {
    "ok": "as it should be",
    "nan": "NaN before it became a picture",
    "inf": "inf before it became a picture",
    "safety-checker": "blanked by the safety checker",
    "uniform": "of one colour",
}


def numbers(part: Part, level: int) -> Html:
    """All of it, each under its own heading, nothing where there is nothing."""
    run = part.run
    if run is None:
        return Html()
    sections = (
        ("Where the numbers broke", "".join(_producer(producer, part) for producer in run.producers)),
        ("Pictures", _pictures(run.pictures, part)),
        ("Healed, so that the run could go on", _healed(run)),
        ("How far from float32", _departures(run)),
    )
    return Html("".join(tag("section", tag(f"h{level}", title), Html(inside)) for title, inside in sections if inside))


def linked(module: str, part: Part) -> Html:
    """A module's path that leads to its row."""
    row = part.row(module)
    return tag("a", path(module), href=f"#{row}") if row else path(module)


def _producer(producer: Producer, part: Part) -> Html:
    place = linked(producer.module, part) if producer.module else text(place_of(producer))
    klass = f" ({producer.klass})" if producer.klass else ""
    times = f", in {plural(producer.times, 'step')}" if producer.times > 1 else ""
    rows = [
        ("what", f"{KINDS[producer.kind]} in {producer.dtype.short}, first in step {producer.step:,}{times}"),
        ("operator", producer.operator),
        ("before", linked(producer.before_module, part) if producer.before_module else ""),
        ("goes in", f"finite, largest {amount(producer.absmax_in)}" if producer.absmax_in is not None else ""),
        ("carried by", _carried(producer, part)),
        ("ends at", tag("span", linked(producer.killed_by, part), " made it finite again") if producer.killed_by else ""),
        ("spoils", f"the output of {producer.reaches}" if producer.reaches else ""),
        ("own weights", f"not finite: {', '.join(producer.weights)}" if producer.weights else ""),
        ("confirmed", replayed(producer.replay, producer.dtype) if producer.replay else ""),
        ("switch", producer.replay.switch if producer.replay else ""),
    ]
    told = tag("dl", *(tag("div", tag("dt", name), tag("dd", words)) for name, words in rows if words))
    return tag("div", tag("p", tag("b", place), klass), told, _frames(producer.before, part), class_="broke")


def _carried(producer: Producer, part: Part) -> Html:
    if not producer.carried:
        return Html()
    to = tag("span", " to ", linked(producer.carried_to, part)) if producer.carried_to else ""
    return tag("span", plural(producer.carried, "module"), to)


def _frames(frames: tuple[Frame, ...], part: Part) -> Html:
    """The calls before it, the last one last."""
    if not frames:
        return Html()
    rows = [(linked(frame.module, part), _end(frame, "in"), _end(frame, "out")) for frame in frames]
    return table(("module", "goes in", "comes out"), rows, "The calls before it", told=True)


def _end(frame: Frame, end: str) -> str:
    dtype, most, finite = (
        (frame.dtype_in, frame.absmax_in, frame.finite_in)
        if end == "in"
        else (frame.dtype_out, frame.absmax_out, frame.finite_out)
    )
    largest = "not finite" if not finite else amount(most) if most is not None else ""
    return f"{dtype.short if dtype else ''} {largest}".strip() or NOTHING


def _pictures(pictures: tuple[Picture, ...], part: Part) -> Html:
    if not pictures:
        return Html()
    calls = len({picture.call for picture in pictures}) > 1
    rows = [
        (
            (f"call {picture.call}, " if calls else "") + f"{picture.number} of {picture.of}",
            tag("span", _swatch(picture), _look(picture)),
            picture.seen,
            linked(picture.producer, part) if picture.producer else NOTHING,
            picture.path or NOTHING,
        )
        for picture in pictures
    ]
    return table(("picture", "what it is", "seen at", "spoilt by", "file"), rows, "Pictures")


def _look(picture: Picture) -> str:
    colour = f"{picture.colour}: " if picture.colour else ""
    return f"{colour}{LOOKS[picture.verdict]}"


def _swatch(picture: Picture) -> Html:
    """A square in the colour of a picture that has only one."""
    name, _, level = picture.colour.partition(" ")
    shade = {"black": 0, "white": 255}.get(name, int(level) if level.isdecimal() else None)
    if shade is None or shade > 255:
        return Html()
    return tag("span", class_="swatch framed", style=f"background: rgb({shade},{shade},{shade})")


def _healed(run: Run) -> Html:
    rows = [
        (
            path(item.module),
            f"{item.what}: {item.dtype.short} → {item.to.short}",
            f"{item.times:,}",
            item.cost or NOTHING,
            item.permanent,
        )
        for item in run.healed
    ]
    heads = ("module", "what was done", "times", "cost", "instead")
    return table(heads, rows, "Healed") if rows else Html()


def _departures(run: Run) -> Html:
    rows = [
        (
            item.component,
            item.dtype.short,
            f"{100 * item.error:.2g} %",
            tag("span", path(item.module), f" ({100 * item.module_error:.2g} %)") if item.module else NOTHING,
        )
        for item in run.departures
    ]
    heads = ("component", "dtype", "relative error", "first module to depart")
    return table(heads, rows, "Relative error of each component's first call", told=True) if rows else Html()
