"""`%load_ext dtypecheck.notebook`: reports show themselves as HTML, and `%%watch` runs a cell under a watch.

IPython hands its shell to the extension; nothing of it is imported here.
"""

from __future__ import annotations

import argparse
import ast
import shlex
from io import StringIO
from typing import Any, Final, NoReturn

from .render import renderer
from .render.html import compact
from .render.options import Look
from .report import Report
from .request import WrongUse
from .verbs.watch import LEVELS, watch

WIDTH: Final = 100
"""Columns of a report where there is no HTML: a console."""


class Misused(WrongUse):
    """Words behind %%watch that mean nothing; a notebook shows them without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"%%watch: {self}"]


def load_ipython_extension(shell: Any) -> None:
    """What %load_ext calls. Frames of ours are kept out of the tracebacks that the shell draws (`__tracebackhide__`)."""
    show_reports(shell)

    def cell(line: str, body: str) -> None:
        __tracebackhide__ = True
        watch_cell(shell, line, body)

    cell.__doc__ = words().format_help()
    shell.register_magic_function(cell, "cell", "watch")


def unload_ipython_extension(shell: Any) -> None:
    """What %unload_ext calls: reports are shown as any other object again, and the magic is gone."""
    for kind in ("text/html", "text/plain"):
        shell.display_formatter.formatters[kind].pop(Report, None)
    shell.magics_manager.magics["cell"].pop("watch", None)


def show_reports(shell: Any) -> None:
    """Let a report that ends a cell be a page in a notebook, and what a terminal prints in a console."""
    formatters = shell.display_formatter.formatters
    formatters["text/html"].for_type(Report, compact)
    formatters["text/plain"].for_type(Report, _printed)


def words() -> argparse.ArgumentParser:
    """What may stand behind %%watch."""
    parser = _Words(prog="%%watch", add_help=False, description="Run the cell, listen to every torch module, and report.")
    parser.add_argument("target", nargs="?", help="a variable: the pipeline or module to begin with")
    parser.add_argument("--level", choices=LEVELS, default="module", help="how closely to look (default: module)")
    parser.add_argument("--eager", action="store_true", help="run compiled parts as they were written")
    parser.add_argument("--heal", action="store_true", help="cast or widen what would crash or overflow, and go on")
    parser.add_argument("--confirm", action="store_true", help="run the module that made NaN again: precision, or a kernel?")
    parser.add_argument("--into", metavar="NAME", help="a variable that the report is put into")
    return parser


class _Words(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Misused(message)


def watch_cell(shell: Any, line: str, body: str) -> None:
    """Run a cell under a watch and show the report, also where the cell raises.

    errors: Misused for words that mean nothing; else whatever the cell raises.
    """
    __tracebackhide__ = True
    try:
        given = words().parse_args(shlex.split(line))
    except ValueError as fault:
        raise Misused(str(fault)) from None
    if given.into and not given.into.isidentifier():
        raise Misused(f"{given.into!r} is no name of a variable")
    if given.target and given.target not in shell.user_ns:
        raise Misused(f"there is no variable {given.target}")
    target = shell.user_ns[given.target] if given.target else None
    watched = None
    try:
        with watch(target, level=given.level, eager=given.eager, heal=given.heal, confirm=given.confirm) as watched:
            _execute(shell, body)
    except WrongUse as fault:
        if watched is not None:
            raise
        raise Misused(str(fault)) from None
    finally:
        if watched is not None:
            report = watched.report
            if given.into:
                shell.user_ns[given.into] = report
            shell.display_pub.publish(*shell.display_formatter.format(report))


def _execute(shell: Any, body: str) -> None:
    """Run a cell as the shell would: with its magics, in its namespace, the value of a last expression shown."""
    __tracebackhide__ = True
    source = shell.transform_cell(body)
    name = shell.compile.cache(source, shell.execution_count, raw_code=body)
    tree = shell.transform_ast(shell.compile.ast_parse(source, filename=name))
    last = [tree.body.pop()] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
    exec(shell.compile(tree, name, "exec"), shell.user_ns)  # noqa: S102 (the user's own cell)
    for node in last:
        exec(shell.compile(ast.Interactive([node]), name, "single"), shell.user_ns)  # noqa: S102


def _printed(report: Report, printer: Any, cycle: bool) -> None:
    """A report where only text can be shown."""
    out = StringIO()
    renderer("terminal")(report, out, Look(width=WIDTH))
    printer.text(out.getvalue().rstrip("\n"))
