"""Report to text: one file a format, each `render(report, out)`. A format decides nothing and counts nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..report import Report
    from .options import Look, Out

FORMATS: Final = ("terminal", "concise", "json", "html", "markdown", "sarif", "junit", "github", "gitlab")
ENDINGS: Final = {
    ".sarif.json": "sarif",
    ".sarif": "sarif",
    ".json": "json",
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".xml": "junit",
}
"""The formats that a file's name alone tells, the longest endings first; .json is ours, what GitLab reads has to be asked for."""


def format_of(name: str) -> str | None:
    """The format that a file is written in by its name; None where that tells none."""
    return next((form for ending, form in ENDINGS.items() if name.lower().endswith(ending)), None)


def renderer(name: str) -> Callable[[Report, Out, Look], None]:
    """The `render` of a format, imported only now."""
    module = import_module(f".{name}", __name__)
    return module.render  # type: ignore[no-any-return]
