"""`dtypecheck watch`: the user's own script, run as it is, with everything listened to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..policy import MISUSED, watch_code
from ..report import Report
from ..request import WrongUse
from ..settings import Settings
from .options import ScriptCommand, common, settings_of
from .output import finish, has_folder, spares, write


@click.command(cls=ScriptCommand)
@click.argument("target", metavar="script.py [ARGS]...")
@click.option("--level", type=click.Choice(("component", "module", "op")), default="module", help="How closely to look.")
@click.option("--eager", is_flag=True, help="Run compiled parts as they were written, so that every module in them is seen.")
@click.option("--heal", is_flag=True, help="Cast or widen what would crash or overflow, go on, and list it. Slower.")
@click.option("--confirm", is_flag=True, help="Run what made NaN again: is it precision, a kernel, or neither? Slower.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the report as a page too.")
@common
@click.pass_context
def watch(
    context: click.Context, /, target: str, level: str, eager: bool, heal: bool, confirm: bool, html: Path | None, **options: Any
) -> None:
    """Run a script and explain its dtype crash, or find the layer that made the image black.

    The script runs as `python script.py ARGS` would run it; everything behind script.py is its own. It keeps stdout; the report
    goes to stderr, and to -o FILE (run.json can be judged again: dtypecheck scan run.json). Every torch module that runs is
    followed: dtypes, largest numbers, NaN and inf. Statistics are reduced on the device and fetched once a step.

    Exit codes: the script's own if it is not 0, else 0 clean, 1 findings at or above --fail-on, 2 wrong use, 3 nothing was seen.
    """
    from ..verbs.processes import here
    from ..verbs.watch import watch_script

    if not target.endswith(".py"):
        raise WrongUse(
            f"{target or 'an empty target'} is no script.py: watch runs scripts (for a model folder: dtypecheck scan or rehearse)"
        )
    if options["output_format"] == "json" and options["output"] is None:
        raise WrongUse("the script owns the output: write json with -o FILE")
    for path in (options["output"], html):
        has_folder(path)
        spares(path, [Path(target)])
    settings = settings_of(options["config"])
    if options["output"] is not None:
        options["output"] = options["output"].absolute()  # a script may change the working directory
    html = html and html.absolute()
    report = watch_script(
        Path(target),
        context.meta["script arguments"],
        level=level,
        eager=eager,
        heal=heal,
        confirm=confirm,
        rules_dirs=options["rules_dir"],
        called=_after_each(settings, options, html),
    )
    process = here()
    if process is not None and process.rank != process.first:
        sys.exit(max((run.code for run in report.runs), default=0))  # a launcher stops all where one ends otherwise
    lost = _pages(report, settings, options, html)
    shown = {**options, "output": None, "output_format": options["output_format"] if options["output"] is None else None}
    code = finish(report, settings, shown, watch_code, sys.stderr)
    sys.exit(code or (MISUSED if lost else 0))


def _after_each(settings: Settings, options: dict[str, Any], html: Path | None) -> Callable[[Report, Report], None]:
    """After each call of a pipeline: the files are written, and a server, which never ends, says how that call went."""

    def called(report: Report, of_call: Report) -> None:
        _pages(report, settings, options, html)
        if _is_served():
            finish(of_call, settings, {**options, "output": None, "output_format": "concise"}, stream=sys.stderr)

    return called


def _is_served() -> bool:
    """True inside a server: in a thread of its own, or in a running event loop."""
    import asyncio
    import threading

    if threading.current_thread() is not threading.main_thread():
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _pages(report: Report, settings: Settings, options: dict[str, Any], html: Path | None) -> bool:
    """The report into -o FILE and --html FILE. True where one could not be written, which is said and never stops the script."""
    lost = False
    for path, form in ((options["output"], options["output_format"]), (html, "html")):
        try:
            if path is not None:
                write(report, settings, {**options, "output": path, "output_format": form})
        except OSError as fault:
            lost = True
            click.echo(f"dtypecheck: {path} could not be written: {fault.strerror or fault}", err=True)
    return lost
