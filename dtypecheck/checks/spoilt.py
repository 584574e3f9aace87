"""Numbers that went wrong, in words: what a producer did, what became of it, and which pictures it spoilt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Final, Literal

from ..dtypes import BF16, DType
from ..subjects.numbers import Frame, Picture, Producer, Replay
from ..subjects.shown import Run
from .shown import component_name
from .words import amount, listed, of_limit

Fate = Literal["reaches", "killed", "lost"]
COLOURS: Final = {"nan": "black", "inf": "white"}
"""What a picture of such numbers looks like once they are bytes."""
NUMBERS: Final = {"nan": "NaN", "inf": "inf"}
WIDTH: Final = 128
"""Products that a dot product of a head or a small norm adds up: more than this is common, fewer is rare."""
SHARE: Final = 32
"""A magnitude above this part of a limit is worth telling."""
_VERBS: Final = {"inf": "overflowed", "nan": "gave NaN"}


def bad(picture: Picture) -> bool:
    """True for a picture of numbers that are not finite."""
    return picture.verdict in ("nan", "inf")


def producers(run: Run, *kinds: str) -> tuple[Producer, ...]:
    """The producers of some kinds, in the order they came.

    A line between components that hands on what came out of a component was given it by that: it is none.
    """
    found: list[Producer] = []
    spoilers: set[str] = set()
    for producer in run.producers:
        if producer.kind in kinds and (producer.module or not spoilers & set(re.findall(r"\w+", producer.glue))):
            found.append(producer)
            spoilers |= {producer.reaches} - {""}
    return tuple(found)


def spoilt(run: Run, group: Sequence[Producer]) -> tuple[Picture, ...]:
    """The pictures that producers spoilt; those that name nobody belong to the first producer that reached an output."""
    found = producers(run, "nan", "inf")
    modules = {producer.module or producer.glue for producer in group}
    reaching = next((producer for producer in found if producer.reaches), found[0] if len(found) == 1 else None)
    unnamed = reaching is not None and reaching in group
    return tuple(p for p in run.pictures if bad(p) and (p.producer in modules if p.producer else unnamed))


def fate(run: Run, producer: Producer) -> Fate:
    """What became of it: it reached an output or a picture, something made it finite again, or nobody saw it any more."""
    if producer.reaches or spoilt(run, (producer,)):
        return "reaches"
    return "killed" if producer.killed_by else "lost"


def place_of(producer: Producer) -> str:
    """Where it happened: a module, or a line between them."""
    return producer.module or producer.glue or "the code between components"


def did(producer: Producer) -> str:
    """What it did, with its dtype: `vae.conv (fp16) overflowed: inputs finite, largest 61,440`."""
    who = f"{place_of(producer)} ({producer.dtype.short})"
    if producer.weights:
        names = listed([*producer.weights[:3], *(["..."] if len(producer.weights) > 3 else [])])
        return f"{who} holds weights that are not finite ({names})"
    verb = _VERBS.get(producer.kind, "went wrong")
    how = f" in {producer.operator}" if producer.operator else ""
    return f"{who} {verb}{how}: {_inputs(producer.absmax_in)}"


def _inputs(largest: float | None) -> str:
    return "inputs finite" + (f", largest {amount(largest)}" if largest is not None and isfinite(largest) else "")


def history(run: Run, group: Sequence[Producer]) -> list[str]:
    """What came before the first of them, how far it was carried, and how often it happened."""
    first = group[0]
    said = []
    if nearest := _nearest(first.before):
        frame, largest, dtype = nearest
        said.append(f"{frame.module} reached {of_limit(largest, dtype)} before it")
    if first.before_module:
        said.append(f"it came about in its own code, before {first.before_module}")
    if first.carried:
        to = f" to {first.carried_to}" if first.carried_to else ""
        said.append(f"carried by {first.carried:,} module{'s' * (first.carried > 1)}{to}")
    calls = run.steps.get(component_name(run, first.module), 0)
    if calls > 1:
        said.append(f"first in call {first.step:,} of {calls:,}" + (f", in {first.times:,} of them" if first.times > 1 else ""))
    if len(group) > 1:
        said.append(
            f"so did {len(group) - 1:,} more: {listed([*map(place_of, group[1:3]), *(['...'] if len(group) > 3 else [])])}"
        )
    return said


def by_range(run: Run, producer: Producer) -> bool:
    """True where the range of its dtype can be behind it: inf, or NaN of numbers whose products leave it or vanish in it.

    NaN of numbers of ordinary size comes of a faulty kernel or of code that divides zero by zero as well. Where nothing
    inside of a component was watched, nobody knows its numbers, and the range is the usual cause.
    """
    if producer.kind == "inf" or (producer.replay is not None and producer.replay.verdict == "precision"):
        return True
    name = component_name(run, producer.module)
    if not producer.module or producer.absmax_in is None:
        return bool(producer.module)
    if sum(component_name(run, row.module) == name for row in run.modules) == 1:
        return True
    inside = [frame.absmax_out for frame in producer.before if frame.module.startswith(f"{producer.module}.")]
    largest = max(producer.absmax_in, *(value for value in inside if value is not None), 0.0)
    least = producer.absmax_in
    return largest * largest * WIDTH >= producer.dtype.largest or least * least <= producer.dtype.smallest


def _nearest(frames: Iterable[Frame]) -> tuple[Frame, float, DType] | None:
    """The call before it that came nearest to the limit of its dtype, if any came near."""
    reached = [
        (frame, frame.absmax_out, frame.dtype_out)
        for frame in frames
        if frame.finite_out and frame.absmax_out is not None and frame.dtype_out is not None and frame.dtype_out.largest
    ]
    near = [row for row in reached if row[1] * SHARE >= row[2].largest]
    return max(near, key=lambda row: row[1] / row[2].largest, default=None)


def replayed(replay: Replay, dtype: DType) -> str:
    """What `--confirm` found, in words."""
    largest = f", largest {amount(replay.absmax)}" if replay.absmax is not None and isfinite(replay.absmax) else ""
    range_of = f"the range of {dtype.short}" if dtype.largest < BF16.largest else "its range"
    needs = f": it needs {replay.times:.3g} times {range_of}" if replay.times is not None and isfinite(replay.times) else ""
    match replay.verdict:
        case "kernel":
            return (
                f"run again in {dtype.short} with reference kernels it is finite{largest}: the kernel is at fault, not the dtype"
            )
        case "precision":
            return f"run again in fp32 it is finite{largest}{needs}"
        case "not numeric":
            return "run again in fp32 it is not finite either: no matter of dtype"
        case _:
            rest = f" ({replay.switch})" if replay.switch else ""
            finite = "finite" if largest else "not finite either"
            return f"run again in fp32 it is {finite}{largest}{needs}; the kernel is not excluded{rest}"


def black(pictures: Sequence[Picture]) -> str:
    """Which pictures are black or white, and what they were before: `image 1 of 1 is black: all of it was NaN before ...`."""
    colours = listed(picture.colour or COLOURS.get(picture.verdict, "spoilt") for picture in pictures)
    numbers = listed(NUMBERS.get(picture.verdict, picture.verdict) for picture in pictures)
    if len(pictures) == 1:
        partly = pictures[0].colour.startswith("partly")
        share = "part of it" if partly else "all of it" if pictures[0].colour else "it"
        return f"{which(pictures)} is {colours}: {share} was {numbers} before it became a picture"
    return f"{which(pictures)} are {colours}: they were {numbers} before they became pictures"


def which(pictures: Sequence[Picture]) -> str:
    """Pictures by number: image 2 of 4, images 1 and 3 of 4, all 4 images, 7 images of 2 calls."""
    calls = {picture.call for picture in pictures}
    if len(calls) > 1:
        return f"{len(pictures):,} images of {len(calls):,} calls"
    of, numbers = pictures[0].of, sorted({picture.number for picture in pictures})
    if len(numbers) == 1:
        return f"image {numbers[0]} of {of}"
    if len(numbers) == of:
        return f"all {of} images"
    if len(numbers) > 5:
        return f"{len(numbers)} of {of} images"
    return f"images {listed(map(str, numbers))} of {of}"
