"""What is done beside somebody's run: where it fails the run goes on, and a note stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

MOST: Final = 20
"""Notes that are kept."""


class Safely:
    """Does something for us, never to the script's harm. faults: what failed, in words."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def __call__(self, act: Callable[..., Any], *args: Any) -> Any:
        """What `act` gives for the arguments; None where it fails."""
        try:
            return act(*args)
        except Exception as fault:  # noqa: BLE001 - modules and pictures of all kinds; no fault of ours may end somebody's run
            if len(self.faults) < MOST:
                self.faults.append(f"{getattr(act, '__name__', act)}: {type(fault).__name__}: {fault}")
            return None
