"""Runs a file as `python script.py args` would: as `__main__`, with its argv, its folder first on the path, its way to end."""

from __future__ import annotations

import builtins
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

from .trace import Script, tell


@dataclass(frozen=True, slots=True)
class End:
    """How a script ended. fault: the exception that ended it, SystemExit among them. code: as a shell sees it."""

    fault: BaseException | None = None
    code: int = 0


def play(
    script: Script, arguments: Sequence[str], heard: Callable[[Exception], None], thread: Callable[[], Exception | None]
) -> End:
    """Run it to its end; what it raises is `heard`, then printed to stderr as Python prints it.

    thread: the fault of a thread that interrupted it, if one did. errors: any other KeyboardInterrupt passes through.
    """
    with _as_main(script, arguments) as module:
        try:
            source = script.path.read_bytes()
            exec(compile(source, str(script.path), "exec", dont_inherit=True), vars(module))  # noqa: S102 - that is what is asked for
        except SystemExit as fault:
            if fault.code is None or fault.code == 0:
                return End()
            if not isinstance(fault.code, int):
                print(fault.code, file=sys.stderr)  # noqa: T201 - as Python does it
                return End(fault, 1)
            return End(fault, fault.code)
        except KeyboardInterrupt:
            stopped = thread()
            if stopped is None:
                raise
            return _told(stopped, heard)
        except Exception as fault:  # noqa: BLE001 - the script's own code raises anything
            return _told(fault, heard)
    return End()


def _told(fault: Exception, heard: Callable[[Exception], None]) -> End:
    heard(fault)
    tell(fault)
    return End(fault, 1)


@contextlib.contextmanager
def _as_main(script: Script, arguments: Sequence[str]) -> Iterator[ModuleType]:
    """The module `__main__`, argv and the path of a script; afterwards all is as before, modules that lie beside it forgotten."""
    module = ModuleType("__main__")
    vars(module).update(__file__=str(script.path), __builtins__=builtins, __cached__=None)
    before = dict(sys.modules)
    kept = sys.argv, list(sys.path), sys.dont_write_bytecode, sys.excepthook
    sys.modules["__main__"] = module
    sys.argv = [script.given, *arguments]
    sys.path.insert(0, str(script.path.parent))
    sys.dont_write_bytecode = True
    try:
        yield module
    finally:
        sys.argv, sys.path[:], sys.dont_write_bytecode, sys.excepthook = kept
        for name, found in list(sys.modules.items()):
            if name not in before and script.owns(getattr(found, "__file__", None) or ""):
                del sys.modules[name]
        sys.modules["__main__"] = before["__main__"]
        with contextlib.suppress(Exception):
            sys.stdout.flush()
