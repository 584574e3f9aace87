"""The watch as Python code uses it: a context manager, a guard for production, and the run of a script."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from ..engine import report_runs
from ..engine.scripts import commented
from ..knowledge import Knowledge, folders
from ..report import Report
from ..request import WrongUse, make
from ..subjects import Request
from ..subjects.shown import Run
from .processes import gather, hand_in, here

if TYPE_CHECKING:
    from ..runs.watch import Listening

LEVELS: Final = ("component", "module", "op")
"""How closely a watch looks: outermost calls, every module, every operator."""


class Watched:
    """A watch that is on, or was.

    run: the record so far. report: the findings on it.
    """

    def __init__(self, listening: Listening, known: Knowledge, request: Request) -> None:
        self._listening = listening
        self._known = known
        self._request = request

    @property
    def run(self) -> Run:
        """What was seen so far."""
        return self._listening.run

    @property
    def report(self) -> Report:
        """The findings on what was seen so far."""
        return reported(self.run, self._known, self._request)

    def _repr_html_(self) -> str:
        """The report, for a notebook."""
        from ..render.html import compact

        return compact(self.report)


def reported(run: Run, known: Knowledge, request: Request) -> Report:
    """The report on a watched run; comments of its script mute what points at their lines."""
    report = report_runs([run], known, request, run.script)
    return commented(report, Path(run.script)) if run.script else report


@contextlib.contextmanager
def watch(
    target: Any = None, *, level: str = "module", eager: bool = False, heal: bool = False, confirm: bool = False
) -> Iterator[Watched]:
    """Listen to every torch module of this process while the `with` block runs.

    target: a pipeline or a module to begin with; those made later are found by themselves. level: "component" (outermost calls
    only), "module", or "op". eager: compiled parts run as they were written. heal: cast or widen what would crash or overflow,
    and go on. confirm: run the module that made NaN again, to tell precision from a faulty kernel.

    errors: request.WrongUse for an unknown level and where torch is missing; TypeError for a target that cannot be watched.
    """
    parts = _parts()
    known = Knowledge(folders())
    request = make(None, None, None, (), known, Path.cwd())
    options = parts.Options(_level(level), eager, heal, confirm)
    with parts.listen(target, options, known, request) as listening:
        yield Watched(listening, known, request)


def watch_script(
    path: str | Path,
    arguments: Sequence[str] = (),
    *,
    level: str = "module",
    eager: bool = False,
    heal: bool = False,
    confirm: bool = False,
    rules_dirs: Sequence[Path] = (),
    called: Callable[[Report, Report], None] | None = None,
) -> Report:
    """Run a script as `python script.py` would, listen, and report. `report.runs[0].code` is the script's own exit code.

    arguments: its own. called: told after each outermost call of a pipeline: of the report so far, and of that on this call.

    errors: request.WrongUse for a file or level that does not exist, and where torch is missing. What the script raises is
    printed to stderr, not raised.
    """
    parts = _parts()
    if not Path(path).is_file():
        raise WrongUse(f"{path}: there is no such file")
    known = Knowledge(folders(rules_dirs))
    request = make(None, None, None, (), known, Path.cwd())
    options = parts.Options(_level(level), eager, heal, confirm)

    def told(listening: Listening) -> None:
        if called:
            called(reported(listening.run, known, request), reported(listening.of_call(), known, request))

    report = reported(parts.watch_script(Path(path), arguments, options, known, request, told), known, request)
    process = here()
    if process is None:
        return report
    if process.rank != process.first:
        hand_in(report, process)
        return report
    return gather(report, process, known, request)


class NotFinite(FloatingPointError):
    """A guarded call gave NaN or inf. report: the findings on it."""

    def __init__(self, report: Report) -> None:
        first = next(iter(report.counted), None)
        super().__init__(f"dtypecheck: {first.message}" if first else "dtypecheck: numbers that are not finite")
        self.report = report


class Guard:
    """Looks at the outermost calls of components and at pictures, until `stop`; report: on the last call that ended."""

    def __init__(self, target: Any, on_bad: Literal["raise"] | Callable[[Report], None]) -> None:
        parts = _parts()
        known = Knowledge(folders())
        request = make(None, None, None, (), known, Path.cwd())
        self.report = Report(request=request)

        def ended(listening: Listening) -> None:
            run = listening.of_call()
            self.report = reported(run, known, request)
            listening.forget()
            bad = any(it.kind in ("nan", "inf") and it.reaches for it in run.producers)
            if bad or any(picture.verdict in ("nan", "inf") for picture in run.pictures):
                if on_bad == "raise":
                    raise NotFinite(self.report)
                on_bad(self.report)

        self._stack = contextlib.ExitStack()
        self._stack.enter_context(parts.listen(target, parts.Options("component"), known, request, called=ended))

    def stop(self) -> None:
        """Look no longer."""
        self._stack.close()

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def guard(target: Any, on_bad: Literal["raise"] | Callable[[Report], None] = "raise") -> Guard:
    """For production: look at every call of a pipeline (or module) from now on, at what its components give and at the picture.

    One synchronisation a call. on_bad: "raise" raises NotFinite out of the call; a function is called with the report instead.

    errors: request.WrongUse where torch is missing; TypeError for a target that cannot be watched; ValueError for an `on_bad`
    that is neither.
    """
    if on_bad != "raise" and not callable(on_bad):
        raise ValueError(f'on_bad is "raise" or a function, not {on_bad!r}')
    return Guard(target, on_bad)


def _level(name: str) -> str:
    if name not in LEVELS:
        raise WrongUse(f"no level is called {name!r}: there are {', '.join(LEVELS)}")
    return name


def _parts() -> Any:
    try:
        from ..runs import watch as parts
    except ImportError as fault:
        raise WrongUse(f"a watch needs {fault.name}: pip install 'dtypecheck[torch]'") from None
    return parts
