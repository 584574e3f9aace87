"""Which lines are the user's own, and the traceback as plain `python script.py` would print it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final

_OURS: Final = str(Path(__file__).resolve().parents[2]).replace("\\", "/") + "/"
_INNER: Final = (
    "/torch/utils/_python_dispatch.py",
    "/torch/overrides.py",
    "/torch/_ops.py",
    "/torch/_subclasses/",
    "/torch/_decomp/",
    "/torch/_refs/",
    "/torch/_prims",
    "/torch/_meta_registrations.py",
    "/torch/_library/",
    "/torch/_compile.py",
    "/torch/_dynamo/",
)
"""Where an operator passes only because it is rehearsed."""
_INSTALLED: Final = ("/site-packages/", "/dist-packages/", "/lib/python3")


@dataclass(frozen=True, slots=True)
class Script:
    """The user's script. path: absolute. given: the path as it was typed, with `/`."""

    path: Path
    given: str

    @property
    def folder(self) -> str:
        """Its folder, absolute, with a slash behind."""
        return self.path.parent.as_posix().rstrip("/") + "/"

    def owns(self, file: str) -> bool:
        """True for the script and for what lies beside and below it, installed libraries left out."""
        file = file.replace("\\", "/")
        if file == self.path.as_posix():
            return True
        inside = file.startswith(self.folder) and not file.startswith(_OURS)
        return inside and not any(part in file[len(self.folder) - 1 :] for part in _INSTALLED)

    def shown(self, text: str) -> str:
        """A text with the absolute paths in it as they were typed."""
        before, slash, _ = self.given.rpartition("/")
        return text.replace(self.folder, before + slash)

    def line(self, frame: FrameType | None = None) -> str:
        """The user's line that runs, `serve.py:31`; "" if none does."""
        frame = frame or sys._getframe(1)
        while frame is not None:
            if self.owns(frame.f_code.co_filename):
                return self.shown(f"{frame.f_code.co_filename}:{frame.f_lineno}")
            frame = frame.f_back
        return ""

    def of(self, fault: BaseException) -> str:
        """The innermost line of the user's that an exception came through."""
        own = [(file, line) for file, line in _places(fault.__traceback__) if self.owns(file)]
        if own:
            return self.shown(f"{own[-1][0]}:{own[-1][1]}")
        if isinstance(fault, SyntaxError) and fault.filename and self.owns(fault.filename):
            return self.shown(f"{fault.filename}:{fault.lineno}")
        return ""

    def swallowed(self, fault: BaseException) -> bool:
        """True when it was the user's own code that caught an exception: its traceback begins there."""
        first = next((file for file, _ in _places(fault.__traceback__) if not _hidden(file)), "")
        return self.owns(first)


def _places(trace: TracebackType | None) -> Iterator[tuple[str, int]]:
    while trace is not None:
        yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next


def _hidden(file: str) -> bool:
    file = file.replace("\\", "/")
    return file.startswith((_OURS, "<frozen importlib")) or any(part in file for part in _INNER)


def trimmed(fault: BaseException, seen: frozenset[int] = frozenset()) -> BaseException:
    """The exception, and all it came from, without the frames that are there only because this is a rehearsal."""
    if id(fault) in seen:
        return fault
    seen |= {id(fault)}
    for other in (fault.__cause__, fault.__context__):
        if other is not None:
            trimmed(other, seen)
    kept: list[TracebackType] = []
    trace = fault.__traceback__
    while trace is not None:
        if not _hidden(trace.tb_frame.f_code.co_filename):
            kept.append(trace)
        trace = trace.tb_next
    chain: TracebackType | None = None
    for entry in reversed(kept):
        if (
            chain is not None
            and chain.tb_frame.f_code is entry.tb_frame.f_code
            and "/torch/" in entry.tb_frame.f_code.co_filename
        ):
            continue  # torch's own functions come twice: first they hand the call to whoever listens
        chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return fault.with_traceback(chain)


def tell(fault: BaseException) -> None:
    """Print an exception to stderr as Python does at the end of a script, by the script's own hook where it has set one."""
    trimmed(fault)
    if sys.excepthook is not sys.__excepthook__:
        sys.excepthook(type(fault), fault, fault.__traceback__)
        return
    traceback.print_exception(fault)
