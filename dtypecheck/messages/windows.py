"""What of a huge text is worth reading: the places where a known message may be, with the traceback before them, and its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from .rows import Row

BIG: Final = 2_000_000
"""Characters from which a text is cut down."""
_BEFORE, _AFTER, _END = 20_000, 4_000, 200_000
_EACH: Final = 40
"""Places of one word that are looked at, half of them from the start and half from the end."""


def reduced(text: str, rows: Sequence[Row]) -> str:
    """The text, or of a big one the windows around words that a known message needs, in their order, with "..." between."""
    if len(text) <= BIG:
        return text
    lower = text.lower()
    there = lru_cache(maxsize=None)(lambda word: word in lower)
    often = lru_cache(maxsize=None)(lower.count)
    words = {min(one.words, key=often) for row in rows for one in row.patterns if one.words and all(map(there, one.words))}
    spots = sorted({spot for word in words for spot in _places(lower, word)})
    windows = [(max(spot - _BEFORE, 0), spot + _AFTER) for spot in spots] + [(len(text) - _END, len(text))]
    return "\n...\n".join(text[start:end] for start, end in _joined(windows))


def _places(lower: str, word: str) -> Iterator[int]:
    start, end = 0, len(lower)
    for _ in range(_EACH // 2):
        if (start := lower.find(word, start)) < 0:
            return
        yield start
        start += 1
    for _ in range(_EACH // 2):
        if (end := lower.rfind(word, 0, end)) < 0:
            return
        yield end


def _joined(windows: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Overlapping windows as one."""
    last: tuple[int, int] | None = None
    for start, end in windows:
        if last and start <= last[1]:
            last = last[0], max(last[1], end)
            continue
        if last:
            yield last
        last = start, end
    if last:
        yield last
