"""The first thing that the command line imports: Ctrl-C while the rest is imported ends the process and nothing else."""

from __future__ import annotations

import signal
import threading

_ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _ours:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def over() -> None:
    """Everything is imported: Ctrl-C is a KeyboardInterrupt again, and is told of."""
    if _ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
