"""The reports that the tests of the page look at."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from dtypecheck.render.html import page
from dtypecheck.report import Report
from dtypecheck.subjects.shown import ModuleRow, Run

from . import made
from .reading import Element, read

REPORTS: dict[str, Callable[[], Report]] = {
    "black": made.black,
    "large": lambda: made.black(2000),
    "healthy": made.healthy,
    "crashed": made.crashed,
    "hostile": made.hostile,
    "mixed": made.mixed,
    "gated": made.gated,
    "several": lambda: made.black().below("a") + made.healthy() + made.crashed().below("b"),
    "empty": Report,
}

every_report = pytest.mark.parametrize("name", REPORTS)


def run_of(*rows: ModuleRow, **more: object) -> Report:
    return Report(runs=(Run("watched", "runs", "cpu", modules=rows, script="x.py", **more),))  # type: ignore[arg-type]


@cache
def seen(name: str) -> Element:
    return read(page(REPORTS[name]()))
