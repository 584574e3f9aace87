"""Threads that a script starts run in its world too; a fault in one ends the script, which might wait for it for ever."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable
from concurrent.futures import thread as pool
from contextlib import ExitStack
from typing import Any, Final

from ..device import Answers, stands_for
from ..doors import caller
from .session import Session

_POOL: Final = pool.__file__


def follow(session: Session) -> None:
    """From now on. Threads that a library starts for itself are left alone, but for those of a pool, asyncio's among them."""
    session.changes.wrap(threading.Thread, "start", lambda start: _starting(session, start))
    if threading.current_thread() is threading.main_thread() and not callable(before := signal.getsignal(signal.SIGINT)):
        # a shell ignores SIGINT for what it runs in the background; a main thread that waits could then not be woken
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if before is not None:
            session.changes.later(lambda: signal.signal(signal.SIGINT, before))


def _starting(session: Session, start: Callable[..., None]) -> Callable[..., None]:
    def started(thread: threading.Thread) -> None:
        frame = caller()
        file = frame.f_code.co_filename if frame else ""
        if session.script.owns(file) or file == _POOL:
            thread.run = _in_world(session, thread.run)  # type: ignore[method-assign]
        start(thread)

    return started


def _in_world(session: Session, run: Callable[[], None]) -> Callable[[], None]:
    device = stands_for(session.world.contracts.device)

    def followed() -> None:
        modes: tuple[Any, ...] = (Answers(device), session.world) if device.type != "cpu" else (session.world,)
        with ExitStack() as stack:
            for mode in modes:
                stack.enter_context(mode)
            try:
                run()
            except Exception as fault:  # noqa: BLE001 - the script's own code raises anything
                with session.waking:
                    if not session.over:
                        session.thread_fault = fault
                        _wake_main()

    return followed


def over(session: Session) -> None:
    """The script has ended: what a thread that it left behind raises from now on interrupts nobody."""
    try:
        with session.waking:
            session.over = True
    except KeyboardInterrupt:  # a thread's, that was on its way
        session.over = True
        if session.thread_fault is None:
            raise


def _wake_main() -> None:
    """Interrupt the main thread, also out of a lock or a queue: a signal that is only simulated does not end such waiting."""
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill") and callable(signal.getsignal(signal.SIGINT)):
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()
