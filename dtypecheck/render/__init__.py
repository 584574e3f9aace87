"""Report to text: one file a format, each `render(report, out)`. A format decides nothing and counts nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..report import Report
    from .options import Look, Out

FORMATS: Final = ("terminal", "concise", "json", "html")


def renderer(name: str) -> Callable[[Report, Out, Look], None]:
    """The `render` of a format, imported only now."""
    module = import_module(f".{name}", __name__)
    return module.render  # type: ignore[no-any-return]
