"""Names and commands as they can be read in one line, and typed into a shell again."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


def typed(name: str) -> str:
    """A name as a shell takes it: in quotes where need be, and with its control characters spelled out."""
    if name.isprintable():
        return shlex.quote(name)
    letters = ("\\" + letter if letter in "\\'" else letter if letter.isprintable() else _spelled(letter) for letter in name)
    return f"$'{''.join(letters)}'"


def _spelled(letter: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(letter))


def line(text: str) -> str:
    """A text as one printable line, whatever names are in it."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def near(path: Path) -> str:
    """A path as people would type it: from the folder they are in where it lies in that, else as a whole."""
    try:
        here = path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return path.as_posix()
    return here.as_posix()


def undoing(label: str) -> str:
    """The command that takes the newest fix of a target back."""
    return f"dtypecheck undo {typed(label)}"


def ways(label: str) -> tuple[str, str]:
    """Both ways out of a fix that was interrupted."""
    return f"{undoing(label)}  takes it back", f"dtypecheck fix {typed(label)} --apply  ends it"
