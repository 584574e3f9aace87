"""The user's own script under a watch: it runs as `python script.py` would run it, and its end is what it would be."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...knowledge import Knowledge
from ...subjects import Request
from ...subjects.shown import Run
from ..script.play import End, play
from ..script.trace import Script, tell
from .listen import Listening, Options, listen

INTERRUPTED = 130
"""What a shell sees of a script that was stopped by Ctrl-C."""
TERMINATED = 143
"""And of one that was told to end."""


def watch_script(
    path: Path,
    arguments: Sequence[str],
    options: Options,
    known: Knowledge,
    request: Request,
    called: Callable[[Listening], None] | None = None,
) -> Run:
    """Run a script to its end, however that comes, and say what it showed.

    path: as it was typed. arguments: its own. called: told after each outermost call of a pipeline. Its output goes where it
    sends it; a traceback of its own, with our explanation under it, to stderr. errors: OSError for an unreadable file.
    """
    script = Script(path.absolute(), path.as_posix())
    script.path.read_bytes()
    with _ended_by_signal(), listen(None, options, known, request, script, called) as listening:
        end = _played(script, arguments, listening)
        listening.code = end.code
        return listening.run


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """A script that is told to end (a launcher, a container, a service) ends as by sys.exit, so that there is a report."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def end(number: int, frame: object) -> None:
        raise SystemExit(TERMINATED)

    if ours:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _played(script: Script, arguments: Sequence[str], listening: Listening) -> End:
    try:
        end = play(script, arguments, listening.watcher.broke, lambda: None)
        for thread in threading.enumerate():
            if not thread.daemon and thread is not threading.current_thread():
                thread.join()  # as Python itself waits for them at its end
        return end
    except KeyboardInterrupt as fault:
        tell(fault)
        return End(fault, INTERRUPTED)
