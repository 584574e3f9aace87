"""Weight files whose numbers are not on the disk: laid out at their true size from a header, as the skeleton of a model is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ...files import Directory, Entry, Files, OneFile

_SMALL: Final = 1 << 20
"""Bytes below which a file is no skeleton: nothing is saved by leaving its numbers out."""
_BLOCK: Final = 512
"""The unit of st_blocks, in bytes."""
_SHARE: Final = 100
"""At most one part in so many of a skeleton is written: its header."""


def is_skeleton(files: Files, entry: Entry) -> bool:
    """True for a file of this disk of which hardly more than the header takes up room; False where that cannot be known."""
    match files:
        case Directory(root=root):
            path = Path(f"{root}/{entry.name}")
        case OneFile(path=path):
            pass
        case _:
            return False
    try:
        blocks = getattr(path.stat(), "st_blocks", None)
    except OSError:
        return False
    return entry.size > _SMALL and blocks is not None and blocks * _BLOCK * _SHARE < entry.size
