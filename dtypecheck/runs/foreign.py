"""Code of a library that is given settings or inputs it may not have been made for: whatever it raises becomes one error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .words import first_line


@contextlib.contextmanager
def foreign(error: type[Exception], about: str) -> Iterator[None]:
    """Inside, what a library raises comes out as `error`, its text behind `about`; an `error` comes out as it is."""
    try:
        yield
    except error:
        raise
    except Exception as fault:
        raise error(f"{about}: {first_line(fault)}" if about else first_line(fault)) from fault
