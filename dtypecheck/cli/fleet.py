"""`dtypecheck fleet` and `dtypecheck merge`: a table of many models, and the rows that it is the sum of."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from ..findings import SEVERITIES
from ..fleet.chosen import engine_of
from ..fleet.engines import NAMES
from ..fleet.rows import BadLine, Row, read_line
from ..fleet.sinks import PART, Sink, kind_of, named, sink_of
from ..fleet.tally import Tally
from ..policy import CLEAN, FOUND, NOTHING
from ..render.options import Look
from ..request import WrongUse
from ..settings import FAIL_ON
from .options import reach, remote, settings_of
from .output import coloured, columns, has_folder, read_or_not

FORMS: Final = ("terminal", "concise", "json")


def _outputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options on where it goes, of both verbs."""
    for option in reversed(
        (
            click.option(
                "-o",
                "--output",
                type=click.Path(dir_okay=False, path_type=Path),
                help="Rows, to a .jsonl or .parquet file.",
            ),
            click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="A page to sort and filter them."),
            click.option("--output-format", type=click.Choice(FORMS), help="Of the sum: terminal on a terminal, else concise."),
            click.option("--fail-on", type=click.Choice(FAIL_ON), help="The least severity that makes the exit code 1."),
            click.option("-q", "--quiet", is_flag=True, help="The first line alone, no progress."),
            click.option("-v", "--verbose", is_flag=True, help="All rules and classes, not the first ones."),
            click.option("--debug", is_flag=True, help="A traceback when dtypecheck itself fails."),
        )
    ):
        command = option(command)
    return command


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET...]")
@click.option("--from-file", type=click.Path(path_type=Path), metavar="FILE", help="Targets, one a line; # begins a comment.")
@click.option("--engine", type=click.Choice(NAMES), default="local", help="Who does the work (default: local).")
@click.option("--address", metavar="URL", help="Of a cluster: tcp://scheduler:8786 for dask, ray://head:10001 for ray.")
@click.option("-j", "--jobs", type=click.IntRange(1, 4096), metavar="N", help="Processes (default: one a core).")
@click.option(
    "--threads", type=click.IntRange(1, 1024), default=64, metavar="N", help="Targets elsewhere that a process waits for at once."
)
@click.option("--no-cache", is_flag=True, help="Look at every target anew, and keep nothing.")
@click.option("--dtype", metavar="DTYPES", help="What is asked for: float16, or float16,vae=float32. Any alias of a dtype.")
@click.option("--variant", metavar="NAME", help="As in from_pretrained(variant=...): fp16, bf16, ...")
@click.option("--device", metavar="NAME", help="Where they will run: t4, a100, sm75, cuda, mps, cpu, ... or here.")
@click.option("--adapter", multiple=True, metavar="TARGET", help="A LoRA, ControlNet or VAE used with each of them.")
@click.option("--lib", multiple=True, metavar="NAME==VERSION", help="Library versions to plan for: transformers==4.57.")
@click.option("--select", multiple=True, metavar="RULES", help="Only these rules: codes, prefixes or names.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Not these rules.")
@click.option("--extend-select", multiple=True, metavar="RULES", help="These rules besides the selected ones.")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A settings file.")
@click.option("--rules-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), multiple=True, help="More rows.")
@_outputs
@remote
def fleet(targets: Sequence[str], **options: Any) -> None:
    """Scan many models and say what they have in common: by rule, by class, by dtype, the worst first.

    TARGET is whatever scan takes. A folder stands for the models in it, so does a bucket's prefix that ends with a slash. Rows
    are written in the order of the targets; one that cannot be looked at has a row too, and stops nobody.

    What has not changed since the last time (time and size, ETag or commit) is not read again: a run that was stopped goes on
    where it was. Results are kept in DTYPECHECK_CACHE, by default with the user's caches.

    Exit codes: 0 clean, 1 findings at or above --fail-on, 2 wrong use, 3 a target could not be looked at.
    """
    from ..cache.place import usual
    from ..cache.store import Store
    from ..fleet.targets import expanded, listed_in
    from ..verbs.fleet import judge_of, rows

    check(options)
    given = [*targets, *(listed_in(options["from_file"]) if options["from_file"] else ())]
    if not given:
        raise WrongUse("a fleet needs targets: name folders, models of the Hub or buckets, or a list with --from-file")
    settings = settings_of(options["config"])
    judge = judge_of(
        settings,
        dtype=options["dtype"], variant=options["variant"], device=options["device"], libraries=tuple(options["lib"]),
        adapters=tuple(options["adapter"]), rules_dirs=tuple(options["rules_dir"]), select=tuple(options["select"]),
        ignore=tuple(options["ignore"]), extend_select=tuple(options["extend_select"]), threads=options["threads"],
        online=reach(options["online"], options["offline"]),
    )  # fmt: skip
    names = list(expanded(given))
    engine = engine_of(options["engine"], options["jobs"], options["address"], len(names))
    store = Store(None if options["no_cache"] else usual())
    with contextlib.closing(engine), contextlib.closing(store), _Progress(len(names), options["quiet"]) as told:
        found = rows(names, judge, engine, store, options["engine"] == "local")
        tally = _written(found, _Sinks(options), told, len(names))
    sys.exit(_told(tally, options["fail_on"] or settings.fail_on, options))


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="ROWS...", type=click.Path(path_type=Path))
@_outputs
def merge(files: Sequence[Path], **options: Any) -> None:
    """Put the rows of several fleets together: ROWS are .jsonl or .parquet files of `fleet -o`.

    Of a target that several hold the row that was judged counts, of several such the last. -o writes them to one file, which may
    have the other format.

    Exit codes: as fleet.
    """
    from ..fleet.merge import merged

    for path in files:
        if not path.is_file():
            raise WrongUse(f"{path}: there is no such file")
        if options["output"] is not None and options["output"].resolve() == path.resolve():
            raise WrongUse(f"-o {path}: that is read, and the rows would take its place")
    check(options)
    sinks = _Sinks(options)
    try:
        found = merged(files, lambda text: click.echo(f"dtypecheck: {text}", err=True))
        tally = _written((Row(row["target"], "", line) for line, row in found), sinks, lambda _: None)
    except BadLine as fault:
        raise WrongUse(str(fault)) from None
    sys.exit(_told(tally, options["fail_on"] or "error", options))


def check(options: Mapping[str, Any]) -> None:
    """What can be said of the files before anything is begun. errors: WrongUse."""
    for key in ("output", "html"):
        has_folder(options[key])
    if options["output"] is not None:
        kind_of(options["output"])


class _Sinks:
    """The files that were asked for: opened before the work, so that what cannot be written is said before it."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.open: list[Sink] = []
        if options["output"] is not None:
            self.open.append(sink_of(options["output"]))
        self.page = _Page(options["html"]) if options["html"] is not None else None

    def take(self, line: bytes, row: Mapping[str, Any]) -> None:
        """One more row to each. errors: OSError."""
        for sink in self.all():
            sink.take(line, row)

    def finish(self, tally: Tally) -> None:
        """All rows were taken. errors: OSError."""
        for sink in self.open:
            sink.finish()
        if self.page is not None:
            self.page.finish(tally)

    def abandon(self) -> None:
        """Somebody stopped it."""
        for sink in self.all():
            sink.abandon()

    def all(self) -> tuple[Sink | _Page, ...]:
        """Each of them."""
        return (*self.open, self.page) if self.page is not None else tuple(self.open)


class _Page:
    """The page as a sink that wants the sum at its end."""

    def __init__(self, path: Path) -> None:
        from ..render.html_fleet import Page

        self.path, self.part = path, path.with_name(path.name + PART)
        self.stream = self.part.open("w", encoding="utf-8", errors="backslashreplace")
        with named(self.part):
            self.page = Page(self.stream)

    def take(self, line: bytes, row: Mapping[str, Any]) -> None:
        """One more row."""
        with named(self.part):
            self.page.take(row)

    def finish(self, tally: Tally) -> None:
        """The sum, and the name."""
        with named(self.part):
            self.page.finish(tally)
            self.stream.close()
            self.part.replace(self.path)

    def abandon(self) -> None:
        """Half a page is of no use."""
        with contextlib.suppress(OSError):
            self.stream.close()
        self.part.unlink(missing_ok=True)


def _written(found: Iterable[Row], sinks: _Sinks, told: Callable[[Tally], None], total: int | None = None) -> Tally:
    """Write the rows as they come, and give their sum. told: called with the sum so far."""
    tally = Tally()
    try:
        for row in found:
            line = row.text or b""
            said = read_line(line)
            tally.take(said)
            sinks.take(line, said)
            told(tally)
        sinks.finish(tally)
    except BaseException as fault:
        sinks.abandon()
        if isinstance(fault, KeyboardInterrupt) and total is not None:
            fault.add_note(f"{tally.targets:,} of {total:,} targets are done: the same command goes on from there")
        raise
    return tally


def _told(tally: Tally, fail_on: str, options: Mapping[str, Any]) -> int:
    """Write the sum to stdout, and give the exit code."""
    form = options["output_format"] or ("terminal" if sys.stdout.isatty() else "concise")
    with read_or_not(sys.stdout):
        if form == "json":
            from ..render.json_fleet import document

            sys.stdout.write(json.dumps(document(tally), indent=2) + "\n")
        elif form == "concise":
            from ..render.words_fleet import concise

            concise(tally, sys.stdout)
        else:
            from ..render.terminal_fleet import render

            verbosity = 1 if options["verbose"] else -1 if options["quiet"] else 0
            render(tally, sys.stdout, Look(verbosity, coloured(sys.stdout), columns()))
        sys.stdout.flush()
    if fail_on != "never":
        worst = SEVERITIES[: [str(word) for word in SEVERITIES].index(fail_on) + 1]
        if any(tally.verdicts[severity] for severity in worst):
            return FOUND
    return CLEAN if tally.targets == tally.outcomes["judged"] else NOTHING


class _Progress:
    """A line on stderr, on a terminal only: how many targets are done, how many with errors, and the time left."""

    def __init__(self, total: int, quiet: bool) -> None:
        self.total = total
        self.on = sys.stderr.isatty() and not quiet and os.environ.get("TERM") != "dumb"
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Callable[[Tally], None]:
        return self.told

    def told(self, tally: Tally) -> None:
        """So far it is."""
        if not self.on:
            return
        if self.bar is None:
            self._begin()
        bad = tally.verdicts["error"]
        self.bar.update(self.task, completed=tally.targets, words=f"{bad:,} with errors" if bad else "")

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        parts = (
            BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.fields[words]}", markup=False),
            TimeRemainingColumn(compact=True), TextColumn("left"),
        )  # fmt: skip
        self.bar = Progress(*parts, console=Console(file=sys.stderr), transient=True)
        self.task = self.bar.add_task("", total=self.total, words="")
        self.bar.start()

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
