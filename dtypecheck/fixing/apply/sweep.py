"""Taking undo data away: first the name by which it counts, then the bytes, so that a half swept fix is none."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from .acts import Acts
from .journal import NAME, NEW, OLD, Generation
from .places import Target
from .recount import generations, read

SWEPT: Final = "swept-"


def sweep(generation: Generation, acts: Acts) -> None:
    """Take a fix out of the undo folder. What cannot be taken away now is, by the next fix or undo: no error."""
    swept = generation.folder.with_name(SWEPT + generation.folder.name)
    with contextlib.suppress(OSError):
        acts.replace(generation.folder, swept)
        acts.sync_folder(swept.parent)
        empty(swept, acts)


def empty(folder: Path, acts: Acts) -> None:
    """Remove a generation's folder with all that a fix puts there, and nothing else. errors: OSError."""
    for side in (NEW, OLD):
        clear(folder / side, acts)
    for name in (NAME,):
        if os.path.lexists(folder / name):
            acts.unlink(folder / name)
    acts.rmdir(folder)


def clear(side: Path, acts: Acts) -> None:
    """Remove one side of a generation. errors: OSError."""
    if not side.is_dir() or side.is_symlink():
        return
    for name in sorted(os.listdir(side)):
        acts.unlink(side / name)
    acts.rmdir(side)


def tidy(target: Target, acts: Acts) -> None:
    """Sweep what fixes and undos left that were stopped in the middle of it. errors: Refusal for a broken journal."""
    for name in os.listdir(target.undo):
        if name.startswith(SWEPT) and not (target.undo / name).is_symlink():
            with contextlib.suppress(OSError):
                empty(target.undo / name, acts)
    for generation in generations(target.undo):
        record = read(generation, target)
        if record is None or record.result == "undone":
            sweep(generation, acts)
        elif record.result == "done" and record.elsewhere and os.path.lexists(generation.side(OLD)):
            with contextlib.suppress(OSError):
                clear(generation.side(OLD), acts)
