"""How much memory is free on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def free_memory() -> int | None:
    """Bytes that can be taken without swapping; None where the system does not tell."""
    try:
        text = Path("/proc/meminfo").read_text()
        return next(1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None
