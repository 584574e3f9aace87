"""Work that child processes share: they wait for no interpreter lock of each other, and one that dies takes nothing with it.

A pass over a block takes microseconds, and threads that pass the interpreter to each other that often are no faster than one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

MOST: Final = 8192
"""Numbers that can be given out: two bytes each, in the 64 KB that a pipe holds."""
_OURS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBUS", "SIGSEGV", "SIGPIPE") if hasattr(signal, name)
)
"""Signals that end a child at once, whatever this process does about them."""


def can_fork() -> bool:
    """True where a copy of this process can work: on Linux, where no other thread of Python's may hold a lock."""
    alone = threading.active_count() == 1 and threading.current_thread() is threading.main_thread()
    return sys.platform == "linux" and alone


def by_children(work: Callable[[Iterator[int]], bytes], amount: int, children: int) -> tuple[bytes, ...] | None:
    """What copies of this process make of the numbers below `amount`, each given to one of them; None where any of them failed.

    amount: MOST at most. work: runs in the child, and ends it with any error: the caller finds out which by working itself.
    """
    given, giving = os.pipe()
    started: dict[int, int] = {}
    try:
        _give(giving, amount)
        for _ in range(children):
            child, answers = _start(work, given)
            started[child] = answers
        found = tuple(_all(answers) for answers in started.values())
        well = [_well(child, started) for child in tuple(started)]
    except OSError:  # no room for processes or pipes
        return None
    finally:
        os.close(given)
        for child in tuple(started):
            with suppress(ProcessLookupError):  # somebody else waited for it
                os.kill(child, signal.SIGKILL)
            _well(child, started)
    return found if all(well) else None


def _give(giving: int, amount: int) -> None:
    """Write what the children are to take. errors: OSError where the pipe does not hold it."""
    try:
        os.set_blocking(giving, False)
        numbers = b"".join(number.to_bytes(2, "little") for number in range(amount))
        if os.write(giving, numbers) < len(numbers):
            raise BlockingIOError
    finally:
        os.close(giving)


def _start(work: Callable[[Iterator[int]], bytes], given: int) -> tuple[int, int]:
    """A child, and where its answer can be read."""
    answers, answering = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other threads: there are numpy's and torch's, which are idle and not needed
            child = os.fork()
        if not child:
            _be_child(work, given, answering)
    except OSError:
        os.close(answers)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(answering)
    return child, answers


def _be_child(work: Callable[[Iterator[int]], bytes], given: int, answering: int) -> None:
    """Work, answer, and end, without anything that this process would do at its end. Does not come back."""
    import resource

    status = 1
    try:
        for each in _OURS:
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        answer = memoryview(work(iter(lambda: int.from_bytes(os.read(given, 2) or b"\xff\xff", "little"), 0xFFFF)))
        while answer:
            answer = answer[os.write(answering, answer) :]
        status = 0
    finally:
        os._exit(status)


def _all(answers: int) -> bytes:
    parts = []
    while part := os.read(answers, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _well(child: int, started: dict[int, int]) -> bool:
    """Wait for the end of a child. False where it failed, or somebody else has waited for it: then nothing is known."""
    os.close(started.pop(child))
    try:
        return os.waitpid(child, 0)[1] == 0
    except ChildProcessError:
        return False
