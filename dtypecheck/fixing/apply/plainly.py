"""What the system refuses, told as a person would: the file, the cause, and what can be done."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..refusal import Refusal
from .places import OUT
from .typed import near

_CAUSES: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of this user is used up",
    errno.EFBIG: "the disk, or a limit of this process, allows no file as large",
    errno.EROFS: "the disk is mounted read-only",
    errno.EACCES: "no permission",
    errno.EPERM: "not permitted: it may be locked (chattr +i) or belong to somebody else",
    errno.EIO: "the disk gives errors",
    errno.EMFILE: "too many files are open in this process",
    errno.ENFILE: "too many files are open on this machine",
    errno.EBUSY: "it is in use",
    errno.ENAMETOOLONG: "the name is too long for this disk",
}
_ELSEWHERE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG})


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """An OSError becomes a Refusal. What was begun was taken back before it comes here."""
    try:
        yield
    except OSError as fault:
        raise Refusal(f"{cause(fault)}; nothing was changed", *offers(fault)) from fault


def cause(fault: OSError) -> str:
    """The file and why."""
    why = _CAUSES.get(fault.errno or 0) or fault.strerror or str(fault)
    name = fault.filename
    return f"{near(Path(os.fsdecode(name)))}: {why}" if isinstance(name, (str, bytes, os.PathLike)) else why


def offers(fault: OSError) -> tuple[str, ...]:
    """What could be asked for instead."""
    return (OUT,) if fault.errno in _ELSEWHERE else ()
