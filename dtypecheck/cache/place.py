"""Where results are kept."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

NAME: Final = "results.sqlite"
_OFF: Final = ("", "0", "off", "no", "false")


def usual() -> Path | None:
    """The file: in DTYPECHECK_CACHE, else in a folder among the user's caches; None where that says 0 or off."""
    named = os.environ.get("DTYPECHECK_CACHE")
    if named is not None:
        return None if named.lower() in _OFF else Path(named).expanduser() / NAME
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    with suppress(RuntimeError):  # nobody knows where home is
        return Path(base).expanduser() / "dtypecheck" / NAME
    return None
