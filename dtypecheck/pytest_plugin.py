"""For pytest: `--dtypecheck` watches every test, and `dtype_watch` watches one whose report can be asserted on.

Nothing is watched, and neither torch nor the rules are imported, until one of the two is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from .report import Report
    from .settings import Settings
    from .subjects.shown import Run
    from .verbs.watch import Watched

LEVELS: Final = ("component", "module", "op")
FAIL_ON: Final = ("error", "warning", "note", "never")
CRASH: Final = "run-crashes"
"""The rule that explains an exception: where a test passes, it expected that exception."""
MARKER: Final = (
    'dtypecheck(ignore=(), watch=True): with --dtypecheck, the rules that do not count in this test (["DT307"] or their names), '
    "or that it is not watched at all"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--dtypecheck` and how closely."""
    group = parser.getgroup("dtypecheck", "dtypes of torch models")
    group.addoption(
        "--dtypecheck", action="store_true", help="Watch the torch modules of every test: NaN, inf and crashes are explained."
    )
    group.addoption("--dtypecheck-level", choices=LEVELS, default="module", help="How closely to look (default: module).")
    group.addoption(
        "--dtypecheck-fail-on",
        choices=FAIL_ON,
        help="The least severity that fails a test that passes otherwise (default: that of the settings file, else error).",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The marker is known; the watch is there only where it was asked for."""
    config.addinivalue_line("markers", MARKER)
    if config.getoption("--dtypecheck"):
        config.pluginmanager.register(EveryTest(config), "dtypecheck-every-test")


class DtypeWatch:
    """What `dtype_watch` is: a watch that begins before the test does.

    Called, with a pipeline or module or how closely to look, it is a narrower watch for a `with` block: `report` is on that then.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = ExitStack()
        self._watched: Watched = self._stack.enter_context(started())

    @property
    def run(self) -> Run:
        """The record of what was seen so far."""
        return self._watched.run

    @property
    def report(self) -> Report:
        """The findings on what was seen so far, as the settings file lets them count."""
        return counted(self._watched.report, self._settings)

    @contextmanager
    def __call__(self, target: Any = None, **options: Any) -> Iterator[DtypeWatch]:
        """Watch from here on only. target, options: those of dtypecheck.watch."""
        self._stack.close()
        with started(target, **options) as self._watched:
            yield self

    def assert_clean(self, fail_on: str = "warning") -> None:
        """errors: AssertionError, with the report in words, for a finding of this severity or a worse one."""
        __tracebackhide__ = True
        if fails(self.report, fail_on):
            raise AssertionError(told(self.report))

    def close(self) -> None:
        """Watch no longer; the report stays."""
        self._stack.close()


WATCH: Final = pytest.StashKey[DtypeWatch]()
REPORT: Final = pytest.StashKey["Report"]()


@pytest.fixture
def dtype_watch(request: pytest.FixtureRequest) -> Iterator[DtypeWatch]:
    """A watch over what the test does with torch: `dtype_watch.report` is on all of it so far, `assert_clean()` asserts on it."""
    watch = request.node.stash[WATCH] = DtypeWatch(settings_of(request.config))
    yield watch
    watch.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Under a test that failed stands what its watch has seen."""
    made = yield
    if call.when == "call":
        report = item.stash[WATCH].report if made.failed and WATCH in item.stash else item.stash.get(REPORT, None)
        if report is not None:
            made.dtypecheck = {"findings": [f"{f.severity} {f.code} {f.message}" for f in report.counted if f.severity != "note"]}
            text = told(report) if made.failed and report.worst in ("error", "warning") else ""
            if text and text.partition("\n")[0] not in made.longreprtext:
                made.sections.append(("dtypecheck", text))
    return made


class EveryTest:
    """The watch of `--dtypecheck`: one a test, while its own code runs. In each process of xdist there is one."""

    def __init__(self, config: pytest.Config) -> None:
        self.level = config.getoption("--dtypecheck-level")
        self.settings = settings_of(config)
        self.fail_on = config.getoption("--dtypecheck-fail-on") or self.settings.fail_on
        self.watched = 0
        self.found: dict[str, list[str]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Watch; a test that passes although something was found fails. One that asserts on `dtype_watch` judges by itself."""
        ignored = _ignored(item)
        if ignored is None or WATCH in item.stash:
            return (yield)
        with started(level=self.level) as watched:
            try:
                result = yield
            finally:
                item.stash[REPORT] = counted(watched.report, self.settings, ignored)
        report = item.stash[REPORT]
        if not getattr(item, "_excinfo", None):  # where unittest keeps what its tests raise
            report = replace(report, findings=tuple(it for it in report.findings if it.name != CRASH))
        item.stash[REPORT] = report
        if fails(report, self.fail_on):
            pytest.fail(told(report), pytrace=False)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count; with xdist the reports of all processes come by here."""
        of_test = getattr(report, "dtypecheck", None)
        if of_test is not None:
            self.watched += 1
            for line in of_test["findings"]:
                self.found.setdefault(line, []).append(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What was found in how many tests, each finding once; nothing is one line."""
        out = terminalreporter
        counts = Counter(line.partition(" ")[0] for line in self.found)
        out.section("dtypecheck")
        for line, tests in sorted(self.found.items()):
            more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
            out.line(f"{line} ({tests[0]}{more})")
        said = ", ".join(f"{counts[word]} {word}{'s' * (counts[word] != 1)}" for word in ("error", "warning") if counts[word])
        out.line(f"{said or 'no dtype fault'} in {self.watched} watched test{'s' * (self.watched != 1)}")


def _ignored(item: pytest.Item) -> tuple[str, ...] | None:
    """The rules that do not count in a test, None where it is not to be watched. The nearest marker wins."""
    marker = item.get_closest_marker("dtypecheck")
    if marker is None:
        return ()
    unknown = [*map(str, marker.args), *(set(marker.kwargs) - {"ignore", "watch"})]
    if unknown:
        pytest.fail(f"the marker dtypecheck takes ignore=[...] and watch=False, not {unknown[0]}", pytrace=False)
    from .policy import UnknownRule, codes

    ignore = marker.kwargs.get("ignore", ())
    ignored = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    try:
        codes(ignored)
    except UnknownRule as fault:
        pytest.fail(str(fault), pytrace=False)
    return ignored if marker.kwargs.get("watch", True) else None


@contextmanager
def started(target: Any = None, **options: Any) -> Iterator[Watched]:
    """A watch. A test fails with one line where torch is missing."""
    __tracebackhide__ = True
    from .request import WrongUse
    from .verbs.watch import watch

    with ExitStack() as stack:
        try:
            watched = stack.enter_context(watch(target, **options))
        except WrongUse as fault:
            pytest.fail(str(fault), pytrace=False)
        yield watched


def counted(report: Report, settings: Settings, ignored: tuple[str, ...] = ()) -> Report:
    """The report as the settings let it count."""
    from .policy import choose, suppress

    chosen = choose(report, settings.select, (*settings.ignore, *ignored), settings.extend_select)
    return suppress(chosen, settings.suppressions)


def fails(report: Report, fail_on: str) -> bool:
    """Whether there is a finding at or above a severity."""
    from .policy import FOUND, exit_code

    return exit_code(report, fail_on) == FOUND


def told(report: Report) -> str:
    """The report as a terminal shows it, without colours."""
    from io import StringIO

    from .render import renderer
    from .render.options import Look

    out = StringIO()
    renderer("terminal")(report, out, Look(width=120))
    return out.getvalue().rstrip("\n")


def settings_of(config: pytest.Config) -> Settings:
    """Those of the nearest settings file from pytest's root folder upward. errors: UsageError for one that is not understood."""
    from .policy import UnknownRule
    from .report import Report
    from .settings import BadSettings, Settings, read
    from .settings.file import find

    try:
        found = find(config.rootpath)
        settings = read(found) if found else Settings()
        counted(Report(), settings)
        return settings
    except (BadSettings, UnknownRule) as fault:
        raise pytest.UsageError(str(fault)) from None
