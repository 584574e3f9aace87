"""A plan as a unified diff of the texts that it changes, as `patch -p0` takes it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import diff_bytes, unified_diff

from ...files import Files
from ...fixplan import FixPlan
from ..outcome import Text, outcome

_MISSING = b"\\ No newline at end of file\n"


def diff(files: Files, plan: FixPlan, folder: str = "") -> bytes:
    """The bytes of the diff, with the line ends that the files have. folder: what stands before every name.

    Weights and files that are taken away are not in it. errors: Refusal where the plan does not fit the files.
    """
    names = {entry.name for entry in files.entries()}
    made = outcome(files, plan.edits)
    texts = {name: content.data for name, content in made.contents.items() if isinstance(content, Text)}
    return b"".join(
        line for name in sorted(texts) for line in _lines(folder + name, files.read(name) if name in names else b"", texts[name])
    )


def _lines(name: str, old: bytes, new: bytes) -> Iterator[bytes]:
    """The diff of one file, byte for byte: nothing of it is decoded. Lines end at a line feed, as `patch` sees them."""
    path = name.encode("utf-8", "surrogateescape")
    for line in diff_bytes(unified_diff, _cut(old), _cut(new), path, path):
        yield line if line.endswith(b"\n") else line + b"\n" + _MISSING


def _cut(data: bytes) -> list[bytes]:
    """The lines with their ends; a carriage return alone ends none."""
    lines = data.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
