"""A fix plan on the disk: applied whole or not at all, told of when it was interrupted, and taken back."""

from __future__ import annotations

from .acts import Acts
from .before import before_and_after, planned
from .interruption import interrupted, unended, unfinished
from .out import write_out
from .results import Applied, Interrupted, Locked, NothingToUndo, Progress, Pruned, Stale, Undone, Unended
from .transaction import apply, finish
from .undoing import undo

__all__ = [
    "Acts",
    "Applied",
    "Interrupted",
    "Locked",
    "NothingToUndo",
    "Progress",
    "Pruned",
    "Stale",
    "Undone",
    "Unended",
    "apply",
    "before_and_after",
    "finish",
    "interrupted",
    "planned",
    "undo",
    "unended",
    "unfinished",
    "write_out",
]
