"""The numbers of a tensor that lies with gaps or in another order, put together in theirs, a slab at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from ...read.located import Place
from .bits import UNSIGNED
from .reading import Source
from .tally import Array

SLAB: Final = 1 << 25
"""Bytes that are put together at once."""
_SPAN: Final = 1 << 26
"""Bytes that are read at once for it."""


def slabs(source: Source, place: Place) -> Iterator[Array]:
    """The tensor's bytes in C order, in parts of at most SLAB bytes (one number at least)."""
    if place.nbytes <= SLAB or max(place.shape) == 1:
        made: Array = np.empty(place.shape, UNSIGNED[place.dtype.bits])
        _fill(source, place, made)
        yield made.reshape(-1).view(np.uint8)
        return
    axis = next(axis for axis, size in enumerate(place.shape) if size > 1)
    rows = max(1, place.shape[axis] * SLAB // place.nbytes)
    for begin in range(0, place.shape[axis], rows):
        yield from slabs(source, _part(place, axis, begin, min(begin + rows, place.shape[axis])))


def _part(place: Place, axis: int, begin: int, end: int) -> Place:
    size = place.dtype.bits // 8
    nbytes = place.nbytes // place.shape[axis] * (end - begin)
    shape = (*place.shape[:axis], end - begin, *place.shape[axis + 1 :])
    return replace(place, shape=shape, start=place.start + begin * place.stride[axis] * size, nbytes=nbytes, contiguous=False)


def _fill(source: Source, place: Place, made: Array) -> None:
    """Halves the tensor along the dimension that reaches farthest until a piece lies close enough to be read at once."""
    if not place.nbytes:
        return
    if place.reach > _SPAN:
        axis = max(range(len(place.shape)), key=lambda axis: (place.shape[axis] - 1) * place.stride[axis])
        middle = place.shape[axis] // 2
        before = (slice(None),) * axis
        _fill(source, _part(place, axis, 0, middle), made[(*before, slice(0, middle))])
        _fill(source, _part(place, axis, middle, place.shape[axis]), made[(*before, slice(middle, None))])
        return
    held: Array = np.empty(place.reach, np.uint8)
    source.into(place.start, held.data)
    size = made.itemsize
    strides = tuple(step * size for step in place.stride)
    made[...] = np.lib.stride_tricks.as_strided(held.view(made.dtype), place.shape, strides, writeable=False)
