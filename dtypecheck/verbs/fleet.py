"""A fleet as the verb uses it: what a worker does with a batch of targets, and the rows and the sum of all of them."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ..cache.state import key_of, rows_of, state_of
from ..cache.store import Store
from ..fixing.traces import undo_of
from ..fleet.drive import Plan, drive
from ..fleet.engines import Engine
from ..fleet.rows import Batch, Job, Row, judged, unjudged
from ..knowledge import Knowledge, folders
from ..policy import by_path, choose, suppress
from ..remote.http import WINDOW
from ..remote.opening import pinned
from ..remote.targets import Remote, not_there, target_of
from ..render.json import document
from ..report import Report
from ..request import NothingThere, WrongUse
from ..settings import Demands, Settings
from ..settings.places import Ground
from .one import Scans, Target
from .scan import targets

SIZE: Final = 16
"""Targets of this disk in a batch: a fraction of a second, so that little is done again where a worker is killed."""
FAR: Final = 64
"""Targets elsewhere in a batch: most of their time is waiting, which many do at once. So many for a cluster, too."""


@dataclass(frozen=True, slots=True)
class Judge:
    """What a worker does with a batch: the same in every process and on every machine. The options are those of a scan.

    here: the directory that relative targets are seen from. threads: targets elsewhere that a process waits for at once.
    token: what its results depend on besides the files.
    """

    here: str
    dtype: str | None = None
    variant: str | None = None
    device: str | None = None
    libraries: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    rules_dirs: tuple[Path, ...] = ()
    online: bool | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    settings: Settings = field(default_factory=Settings)
    threads: int = FAR
    token: str = ""

    def __call__(self, batch: Batch) -> list[Row]:
        """The rows of a batch, in its order. What is wrong with a target is told in its row."""
        worker = _worker(self)
        jobs = [(job, target_of(job.target)) for job in batch]
        if len(batch) == 1 or not any(isinstance(target, Remote) for _, target in jobs):
            return [worker.row(*job) for job in jobs]
        with ThreadPoolExecutor(min(self.threads, len(batch)), "dtypecheck-fleet") as pool:
            return list(pool.map(worker.row, *zip(*jobs, strict=True)))

    def key(self, target: str) -> bytes:
        """What the result for a target is kept under."""
        return key_of("fleet", target, {"asked": self.token, "here": self.here, "hub": os.environ.get("HF_ENDPOINT")})


def judge_of(settings: Settings, **options: Any) -> Judge:
    """A judge with its token. errors: WrongUse and UnknownRule for what means nothing, before anything is looked at."""
    judge = Judge(str(Path.cwd()), settings=replace(settings, gate=Demands(), ground=Ground()), **options)
    scans = _scans(judge)
    request = scans.request(None)
    scans.prepare()
    by_path(judge.settings, judge.select, judge.ignore, judge.extend_select)
    parts = [state_of(scans.open(adapter)) for adapter in scans.adapters]
    token = repr([replace(judge, threads=0, here=""), judge.settings.file, request.libraries, rows_of(judge.rules_dirs), parts])
    return replace(judge, token=token)


def rows(given: Sequence[str], judge: Judge, engine: Engine, store: Store, here: bool = True) -> Iterator[Row]:
    """The rows of targets, in their order, each with its text. here: they are judged by processes of this machine."""
    far = sum(isinstance(target_of(target), Remote) for target in given)
    size = max(1, min(SIZE if here and far * 2 < len(given) else FAR, -(-len(given) // 4)))
    return drive(given, judge, engine, store, Plan(size, judge.key))


@dataclass(slots=True)
class _Worker:
    """What a process keeps between batches."""

    scans: Scans
    chosen: Callable[[Report], Report]

    def row(self, job: Job, target: Target) -> Row:
        try:
            return self._row(job, target)
        except NothingThere as fault:
            return unjudged(job.target, str(fault), "nothing")
        except (WrongUse, OSError, RecursionError, MemoryError) as fault:
            return unjudged(job.target, str(fault) or type(fault).__name__)

    def _row(self, job: Job, target: Target) -> Row:
        if isinstance(target, Path):
            if not target.exists():
                return unjudged(job.target, not_there(target), "nothing")
            if target.name in ("model_index.json", "config.json") and target.is_file():
                target = target.parent
            if target.suffix in (".py", ".ipynb") and target.is_file():
                return self._judged(job, self.scans.of(target)[0], "")
        elif job.known:
            target = pinned(target, self.scans.known, self.scans.online is not False, self.scans.patience)
            if target.revision == job.known:
                return Row(job.target, job.known, None)
        files = self.scans.open(target, ahead=False)
        state = "" if isinstance(target, Path) and os.path.lexists(undo_of(target)) else state_of(files)
        if state and state == job.known:
            return Row(job.target, state, None)
        if isinstance(target, Remote):
            from ..remote.ahead import fetch_ahead
            from ..remote.fetched import Fetched

            if isinstance(files, Fetched):
                fetch_ahead(files)
                report = self.scans.report(target, files)
                return self._judged(job, report, "" if files.faults else state)  # a network that failed may be well next time
        return self._judged(job, self.scans.report(target, files), state)

    def _judged(self, job: Job, report: Report, state: str) -> Row:
        self.scans.names.clear()
        found = self.chosen(report)
        if not (found.seen["pipelines"] or found.seen["scripts"] or found.findings):
            return unjudged(job.target, "no weights, no pipeline and no script in it", "nothing")
        return judged(job.target, document(found), state)


_WORKERS: Final[dict[str, _Worker]] = {}
"""Of this process, by what they were asked."""


def _worker(judge: Judge) -> _Worker:
    worker = _WORKERS.get(judge.token)
    if worker is None:
        gc.set_threshold(50_000, 20, 20)
        if Path.cwd() != Path(judge.here) and Path(judge.here).is_dir():
            os.chdir(judge.here)
        chosen = by_path(judge.settings, judge.select, judge.ignore, judge.extend_select)
        settings = judge.settings

        def counted(report: Report) -> Report:
            return suppress(choose(report, chosen=chosen), settings.suppressions, settings.called)

        worker = _Worker(_scans(judge), counted)
        _WORKERS.clear()  # another thread may have made one meanwhile: either will do
        _WORKERS[judge.token] = worker
    return worker


def _scans(judge: Judge) -> Scans:
    return Scans(
        Knowledge(folders(judge.rules_dirs)), judge.dtype, judge.variant, judge.device, judge.libraries,
        targets(list(judge.adapters)), online=judge.online, each=judge.settings.asks, elsewhere=False,
        patience=WINDOW,
    )  # fmt: skip
