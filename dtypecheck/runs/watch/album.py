"""The pictures of a run, each once: batches that were decoded and converted, and the objects that hold them since."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import torch

from ...subjects.numbers import Look, Picture
from .beside import Beside
from .looks import Looks, Reduction

MOST: Final = 2_000
"""Batches that are kept; of a server the oldest go first, those that are well before the others."""
WAITING: Final = 256
"""Decoded batches of a thread that may still be converted; a long video is decoded in so many pieces at most."""
WELL: Final = Looks()


@dataclass(eq=False, slots=True)
class One:
    """One picture, or one video. flagged: a safety checker blanked it. told: somebody was called because of it."""

    number: int
    of: int
    seen: str
    call: int
    looks: Looks = WELL
    producer: str = ""
    path: str = ""
    flagged: bool = False
    told: bool = False

    @property
    def picture(self) -> Picture:
        """The record of it. Numbers that are not finite go before what a checker says."""
        blanked = self.flagged and not self.looks.bad
        verdict: Look = "safety-checker" if blanked else self.looks.verdict
        colour = "black" if blanked else self.looks.colour
        return Picture(verdict, self.number, self.of, self.seen, colour, self.producer, self.path, self.call)

    @property
    def well(self) -> bool:
        """True where there is nothing to say."""
        return self.looks.verdict == "ok" and not self.flagged

    def inherits(self, before: One) -> None:
        """Go on as what was decoded: where that was not finite, so is the picture, whatever became of the numbers."""
        self.producer = self.producer or before.producer
        if before.looks.bad:
            self.seen = before.seen
            self.looks = self.looks if self.looks.bad else before.looks
            self.told = self.told or before.told


@dataclass(eq=False, slots=True)
class Batch:
    """Pictures that went one way together. stage: "decode", "postprocess", "save". edges: None once they were read.

    version: of their tensor. channels, frames: of one of them. video: the one video that they are.
    """

    stage: str
    ones: list[One]
    edges: Reduction | None = None
    version: int = 0
    channels: int = 3
    frames: int = 1
    video: torch.Tensor | None = None

    def settle(self) -> None:
        """Read the edges. What was decoded may be uniform by them; of what was converted the result is looked at."""
        if self.edges is None:
            return
        plain = self.stage == "decode" and self.channels in (3, 4)
        for one, looks in zip(self.ones, self.edges.looks(), strict=True):
            if not one.looks.bad:
                one.looks = looks if looks.bad or plain else WELL
        self.edges = None


class _Waiting(threading.local):
    def __init__(self) -> None:
        self.batches: deque[Batch] = deque(maxlen=WAITING)


class Album:
    """call: the number of the pipeline's call that is running."""

    def __init__(self, call: Callable[[], int]) -> None:
        self.call = call
        self._lock = threading.RLock()
        self._batches: list[Batch] = []
        self._links: Beside[tuple[Batch, int | None]] = Beside()
        self._decoded = _Waiting()

    def pictures(self) -> tuple[Picture, ...]:
        """All so far, in the order they came."""
        with self._lock:
            batches = list(self._batches)
        for batch in batches:
            batch.settle()
        return tuple(one.picture for batch in batches for one in batch.ones)

    def add(self, stage: str, tensor: torch.Tensor, producer: str = "") -> Batch:
        """A batch of pictures, the first axis theirs. What is the same tensor as a decoder gave is not reduced again."""
        before = self._links.get(tensor)
        shared = before[0].edges if before is not None and before[0].version == version(tensor) else None
        edges = shared or Reduction(tensor)
        call = self.call()
        ones = [One(number, edges.count, stage, call, producer=producer) for number in range(1, edges.count + 1)]
        frames = int(tensor.shape[2]) if tensor.dim() == 5 else 1
        video = tensor if tensor.dim() == 5 and tensor.shape[0] == 1 and stage != "decode" else None
        batch = Batch(stage, ones, edges, version(tensor), int(tensor.shape[1]), frames, video)
        if stage == "decode":
            self._decoded.batches.append(batch)
        self._keep(batch)
        return batch

    def again(self, batch: Batch, tensor: torch.Tensor) -> Batch:
        """The same pictures go in once more, perhaps written into since: by a safety checker, a watermark."""
        if version(tensor) != batch.version and len(batch.ones) == tensor.shape[0]:
            batch.edges, batch.version = Reduction(tensor), version(tensor)
        return batch

    def one(self, looks: Looks, path: str) -> Batch:
        """A picture that was seen only when it was saved."""
        batch = Batch("save", [One(1, 1, "save", self.call(), looks, path=path)])
        self._keep(batch)
        return batch

    def _keep(self, batch: Batch) -> None:
        with self._lock:
            self._batches.append(batch)
            if len(self._batches) > MOST:
                gone = (it for it in self._batches if it.edges is None and all(one.well for one in it.ones))
                self._batches.remove(next(gone, self._batches[0]))

    def _forget(self, batch: Batch) -> None:
        with self._lock:
            self._batches = [it for it in self._batches if it is not batch]

    # Which objects hold which pictures

    def link(self, thing: Any, batch: Batch, number: int | None = None) -> None:
        """An object holds the pictures of a batch, or one of them."""
        with suppress(TypeError):  # lists and numbers cannot be held weakly
            self._links.put(thing, (batch, number))

    def held(self, thing: Any) -> Batch | None:
        """The batch that an object is, not a part of it."""
        link = self._links.get(thing)
        return link[0] if link is not None and link[1] is None else None

    def found(self, thing: Any) -> list[One]:
        """The pictures in an object; a view of an array or tensor has part in what it is a view of."""
        for known in (thing, getattr(thing, "base", None), getattr(thing, "_base", None)):
            link = self._links.get(known) if known is not None else None
            if link is None:
                continue
            batch, number = link
            number = _place(thing, known) if number is None and known is not thing else number
            return batch.ones if number is None else batch.ones[number : number + 1]
        return []

    # Decoded, then converted

    def converted(self, batch: Batch) -> None:
        """Read what went into a converter, with what was decoded for it; one that went in before is known already."""
        if batch.edges is None:
            return
        batch.settle()
        wanted = len(batch.ones) * batch.frames
        self._frames(batch)
        waiting = [it for it in self._decoded.batches if it.ones and it.ones[0].call == batch.ones[0].call]
        self._decoded.batches.clear()
        last: list[One] = []
        while waiting and wanted > 0:
            before = waiting.pop()
            before.settle()
            self._forget(before)
            last = [*before.ones, *last]
            wanted -= len(before.ones) * before.frames
        for earlier in waiting:
            earlier.settle()
            if any(one.looks.bad for one in earlier.ones):  # a try that failed, and was decoded again
                self._forget(earlier)
        if len(last) == len(batch.ones):
            for one, old in zip(batch.ones, last, strict=True):
                one.inherits(old)
        elif len(batch.ones) == 1:
            for old in last:
                batch.ones[0].inherits(old)

    def _frames(self, batch: Batch) -> None:
        """The frames of one video each by itself, where some are finite and some are not."""
        video, batch.video = batch.video, None
        if video is None or not batch.ones[0].looks.colour.startswith("partly"):
            return
        looks = Reduction(video[0].movedim(1, 0)).looks()
        if not all(it.bad for it in looks):
            first = batch.ones[0]
            batch.ones[:] = [
                One(number, len(looks), first.seen, first.call, it if it.bad else WELL) for number, it in enumerate(looks, 1)
            ]

    def source(self, colour: str) -> One | None:
        """What a picture was made of that nobody saw being made: the one decoded last, else the last of that colour."""
        call = self.call()
        decoded = [one for batch in self._decoded.batches for one in batch.ones if not one.path and one.call == call]
        if len(decoded) == 1:
            for batch in self._decoded.batches:
                batch.settle()
            return decoded[0]
        with self._lock:
            ones = [one for batch in reversed(self._batches) for one in batch.ones if not one.path and one.call == call]
        return next((one for one in ones if colour and not one.well and one.picture.colour == colour), None)

    def last_bad(self) -> One | None:
        """The picture that was last known not to be finite."""
        with self._lock:
            batches = self._batches[::-1]
        for batch in batches:
            batch.settle()
        return next((one for batch in batches for one in batch.ones if one.looks.bad), None)


def flag(ones: Iterable[One], flags: Iterable[object]) -> None:
    """A safety checker blanked some of these."""
    for one, flagged in zip(ones, flags, strict=False):
        one.flagged = one.flagged or bool(flagged)


def version(value: Any) -> int:
    """How often a tensor was written into; an array and an inference tensor do not know."""
    return int(value._version) if isinstance(value, torch.Tensor) and not value.is_inference() else 0


def _place(view: Any, whole: Any) -> int | None:
    """Which picture of a batch a view is, None where it is more than one."""
    if getattr(view, "ndim", 0) != getattr(whole, "ndim", 0) - 1:
        return None
    if isinstance(whole, torch.Tensor):
        return int((view.storage_offset() - whole.storage_offset()) // max(1, whole.stride(0)))
    start, first = (it.__array_interface__["data"][0] for it in (view, whole))
    return int((start - first) // whole.strides[0]) if whole.strides[0] > 0 else None
