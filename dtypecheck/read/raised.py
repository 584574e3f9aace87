"""A live exception, and all it came from, as the same records that the text of a traceback gives."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from traceback import TracebackException, extract_tb
from types import TracebackType
from typing import Final

from .trace import Frame, Link, Raised

_DEEPEST: Final = 100
"""Exceptions that came of each other which are followed."""


def chain(fault: BaseException) -> tuple[tuple[BaseException, Link], ...]:
    """A live exception and all it came from, the first cause first, each with how the one after it came of it."""
    found: list[tuple[BaseException, Link]] = []
    _follow(fault, "", found, set())
    return tuple(found)


def _follow(fault: BaseException, link: Link, found: list[tuple[BaseException, Link]], seen: set[int]) -> None:
    """First what it came from, the members of a group among it, then the exception itself."""
    if id(fault) in seen or len(seen) > _DEEPEST:
        return
    seen.add(id(fault))
    if fault.__cause__ is not None:
        _follow(fault.__cause__, "cause", found, seen)
    elif fault.__context__ is not None and not fault.__suppress_context__:
        _follow(fault.__context__, "context", found, seen)
    for member in fault.exceptions if isinstance(fault, BaseExceptionGroup) else ():
        _follow(member, "cause", found, seen)
    found.append((fault, link))


def of(fault: BaseException) -> Raised:
    """A live exception; like `read` of the text that Python would print."""
    return Raised(_named(type(fault)), str(TracebackException(type(fault), fault, None)), tuple(_walk(fault.__traceback__)))


def _named(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"


def _walk(trace: TracebackType | None) -> Iterator[Frame]:
    for entry in extract_tb(trace):
        code = linecache.getline(entry.filename, entry.lineno or 0).rstrip("\n")
        end = entry.end_colno if entry.end_lineno == entry.lineno else None
        part = code.encode()[entry.colno : end].decode(errors="replace") if entry.colno is not None else ""
        yield Frame(entry.filename.replace("\\", "/"), entry.lineno, entry.name, (entry.line or code).strip(), part.strip())
