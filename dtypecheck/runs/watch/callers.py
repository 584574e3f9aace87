"""Which of the user's own lines is running, and which function of a library that line called."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from ..script.trace import Script

_OURS: Final = str(Path(__file__).resolve().parents[2]).replace("\\", "/") + "/"
_INSTALLED: Final = ("/site-packages/", "/dist-packages/", "/lib/python3")
_LIBRARY: Final = tuple(sysconfig.get_paths()[key].replace("\\", "/") + "/" for key in ("stdlib", "platstdlib"))


@dataclass(frozen=True, slots=True)
class Called:
    """A line of the user's and what it called. line: `serve.py:14`, "" if none runs.

    functions: of libraries, from the nearest outward: `ModelMixin.to`, `DiffusionPipeline.to`; none where the line called us.
    """

    line: str = ""
    functions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The function that the line itself called, without its class; "" where it called us."""
        return self.functions[-1].rpartition(".")[2] if self.functions else ""


class Callers:
    """Tells the user's own files from libraries: by the script, or without one by where a file lies."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script
        self._known: dict[str, bool] = {}

    def owns(self, file: str) -> bool:
        """True for a file of the user's. A cell of a notebook and what is typed at a prompt are files too."""
        known = self._known.get(file)
        if known is None:
            known = self._known[file] = self.script.owns(file) if self.script else _own(file)
        return known

    def called(self, frame: FrameType | None) -> Called:
        """From a frame outward to the innermost of the user's."""
        functions: list[str] = []
        while frame is not None:
            code = frame.f_code
            if self.owns(code.co_filename):
                return Called(self._shown(code.co_filename, frame.f_lineno), tuple(functions))
            if "<" not in code.co_qualname and not _is_ours(code.co_filename):
                functions.append(code.co_qualname)
            frame = frame.f_back
        return Called(functions=tuple(functions))

    def line(self, frame: FrameType | None) -> str:
        """The user's line that runs, "" if none does."""
        return self.called(frame).line

    def _shown(self, file: str, line: int) -> str:
        if self.script:
            return self.script.shown(f"{file}:{line}")
        path = Path(file)
        if not path.is_absolute():
            return f"{file}:{line}"
        here = Path.cwd()
        return f"{path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name}:{line}"


def _is_ours(file: str) -> bool:
    return file.replace("\\", "/").startswith(_OURS)


def _own(file: str) -> bool:
    file = file.replace("\\", "/")
    if file.startswith("<"):
        return file == "<stdin>" or file.startswith("<ipython-input")
    return not (_is_ours(file) or file.startswith(_LIBRARY) or any(part in file for part in _INSTALLED))
