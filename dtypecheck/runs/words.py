"""Words for places and exceptions, as people read them."""

from __future__ import annotations


def first_line(fault: BaseException) -> str:
    """An exception in one line."""
    lines = [line for line in str(fault).splitlines() if line.strip()]
    return f"{type(fault).__name__}: {lines[0].strip() if lines else 'no message'}"


def place(path: str, number: int | None) -> str:
    """`diffusers/pipelines/x.py:12` for a file of an installed library, the path as it is for others."""
    path = path.replace("\\", "/")
    for folder in ("/site-packages/", "/dist-packages/"):
        if folder in path:
            path = path.rpartition(folder)[2]
    return f"{path}:{number}" if number else path
