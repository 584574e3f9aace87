"""One fixer at a time: a lock file in the undo folder, which the system lets go of when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .acts import NO_FOLLOW, Acts
from .places import Target, is_real_folder
from .results import Locked

NAME: Final = "lock"
_TRIES: Final = 5
_PAUSE: Final = 0.05
"""Seconds between tries: whoever only looks whether it is locked holds it for a moment."""
_BUSY: Final = frozenset({errno.EACCES, errno.EAGAIN})


@contextlib.contextmanager
def locked(target: Target, acts: Acts) -> Iterator[None]:
    """Make the undo folder if need be and hold its lock; the folder goes with the lock when nothing else is left in it.

    errors: Locked with the number of the process that holds it; OSError where no folder can be made; Refusal for a link.
    """
    for _ in range(_TRIES):
        if not is_real_folder(target.undo):
            acts.mkdir(target.undo, 0o700)
        with _folder_gone(target.undo):
            handle = _taken(target, acts)
        if handle is not None:
            break
        time.sleep(_PAUSE)
    else:
        raise Locked(f"{target.label}: process {holder(target.undo) or 'another one'} is changing it right now")
    try:
        yield
    finally:
        _let_go(target.undo, handle, acts)


@contextlib.contextmanager
def _folder_gone(undo: Path) -> Iterator[None]:
    """When there can be no lock, an undo folder that was made for it goes again."""
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError):
            undo.rmdir()
        raise


def holder(undo: Path) -> int:
    """The process that holds the lock of an undo folder; 0 when none does."""
    try:
        handle = os.open(undo / NAME, os.O_RDWR | NO_FOLLOW)
    except OSError:
        return 0
    try:
        if _hold(handle):
            return 0
        text = os.pread(handle, 20, 0) if sys.platform != "win32" else b""
        return int(text) if text.isdigit() else -1
    finally:
        os.close(handle)


def _taken(target: Target, acts: Acts) -> int | None:
    """The descriptor of the lock, held; None when somebody else has it, or has just taken it away."""
    place = target.undo / NAME
    acts.before("lock", place)
    try:
        handle = os.open(place, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o600)
    except FileNotFoundError:
        return None
    kept = False
    try:
        if _hold(handle) and _is_still(handle, place):
            os.ftruncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
            kept = True
            return handle
    finally:
        if not kept:
            os.close(handle)
    return None


def _hold(handle: int) -> bool:
    """Take the lock of a file, if it is free."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        if fault.errno in _BUSY:
            return False
        return _dead(os.pread(handle, 20, 0))  # a file system without locks: the number of the process has to do
    return True


def _dead(text: bytes) -> bool:
    """True when no other process of this number is there."""
    if not text.isdigit() or int(text) == os.getpid():
        return True
    try:
        os.kill(int(text), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    return False


def _is_still(handle: int, place: Path) -> bool:
    """Whether the name still means the file that was opened: whoever held the lock before may have taken it away."""
    try:
        named = place.lstat()
    except FileNotFoundError:
        return False
    held = os.fstat(handle)
    return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)


def _let_go(undo: Path, handle: int, acts: Acts) -> None:
    """Give the lock back; an undo folder without a generation goes."""
    try:
        with contextlib.suppress(OSError):
            if os.listdir(undo) == [NAME]:
                acts.unlink(undo / NAME)
                acts.rmdir(undo)
    finally:
        os.close(handle)
