"""Files of rows into one: of a target that several hold, the row that was judged, else the one that comes last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .rows import BadLine, CutOff, read_line
from .sinks import lines_in

Kept = dict[str, tuple[int, int, bool]]
"""By target: which file and row of it counts, and whether it was judged."""


def merged(paths: Sequence[Path], told: Callable[[str], None]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The rows that count, each with what it says, in the order of the files. told: called with what was left out, and why.

    The files are read twice and none is held in memory. errors: WrongUse for a file that cannot be read, BadLine for one that
    holds something else.
    """
    kept: Kept = {}
    for number, path in enumerate(paths):
        for row, told_row in _rows(path, told):
            target, judged = told_row["target"], told_row["outcome"] == "judged"
            if target not in kept or judged or not kept[target][2]:
                kept[target] = number, row, judged
    for number, path in enumerate(paths):
        for row, told_row, line in _whole(path):
            if kept[told_row["target"]][:2] == (number, row):
                yield line, told_row


def _rows(path: Path, told: Callable[[str], None]) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        for number, line in lines_in(path):
            yield number, _read(path, number, line)
    except CutOff as fault:
        told(str(fault))


def _whole(path: Path) -> Iterator[tuple[int, dict[str, Any], bytes]]:
    try:
        for number, line in lines_in(path):
            yield number, _read(path, number, line), line
    except CutOff:
        return


def _read(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        return read_line(line)
    except BadLine as fault:
        raise BadLine(f"{path}:{number}: {fault}") from None
