"""Threads that a script starts run in its world too; a fault in one ends the script, which might wait for it for ever."""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from ..device import Answers, stands_for
from .session import Session


def follow(session: Session) -> None:
    """From now on. Threads that a library starts for itself are left alone."""
    session.changes.wrap(threading.Thread, "start", lambda start: _starting(session, start))


def _starting(session: Session, start: Callable[..., None]) -> Callable[..., None]:
    def started(thread: threading.Thread) -> None:
        if session.script.owns(sys._getframe(1).f_code.co_filename):
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
                session.thread_fault = fault
                _thread.interrupt_main()

    return followed
