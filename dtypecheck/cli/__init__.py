"""The command line: parse, call one function, render, exit."""

from __future__ import annotations

from . import early

# isort: split
import contextlib
import gc
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from .. import __version__
from ..fixing.refusal import Refusal
from ..knowledge import BadRow
from ..plugins import BadPlugin
from ..policy import FOUND, MISUSED, NOTHING, UnknownRule
from ..request import NothingThere, WrongUse
from ..settings import BadSettings
from . import dev, explain, fix, fleet, gate, reference, rehearse, scan, undo, watch
from .output import read_or_not
from .progress import Bar

early.over()

GUIDE = """\
black image or a crash?       dtypecheck watch script.py
have an error message?        dtypecheck explain "mat1 and mat2 must have the same dtype"
about to deploy?              dtypecheck gate MODEL script.py --device t4
curious about a model?        dtypecheck scan MODEL --dtype float16   (or your script.py)
want it mended?               dtypecheck fix MODEL --dtype float16
sorry that you did?           dtypecheck undo MODEL
will it crash on that GPU?    dtypecheck rehearse MODEL --dtype bfloat16 --device t4   (or your script.py)
thousands of models?          dtypecheck fleet MODELS/ -o fleet.jsonl --html fleet.html
"""

SIGNALLED = 128
"""Exit codes above it are those of a process that a signal ended."""


class Verbs(click.Group):
    """The verbs: all may print to a reader that goes away early, which click itself takes for a failure."""

    def invoke(self, context: click.Context) -> Any:
        """Run the verb that was asked for."""
        with read_or_not(sys.stdout):
            return super().invoke(context)


@click.group(cls=Verbs, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="dtypecheck")
@click.pass_context
def cli(context: click.Context) -> None:
    """Say which dtype every part of a pipeline will have, and where it will crash or turn black."""
    if context.invoked_subcommand is None:
        click.echo(GUIDE, nl=False)


for command in (
    scan.scan,
    rehearse.rehearse,
    gate.gate,
    watch.watch,
    fix.fix,
    undo.undo,
    fleet.fleet,
    fleet.merge,
    explain.explain,
    dev.dev,
):
    cli.add_command(command)
dev.dev.add_command(reference.options)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Exit codes: see `scan --help`; 2 for wrong use and for our own bugs."""
    try:
        _run(arguments)
    finally:
        _last_words()


def _run(arguments: Sequence[str] | None) -> None:
    gc.set_threshold(50_000, 20, 20)
    if sys.stdout is None or sys.stderr is None:
        if sys.stderr is not None:
            sys.stderr.write("dtypecheck: stdout is closed; -o FILE writes a report elsewhere\n")
        sys.exit(MISUSED)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "_DTYPECHECK_COMPLETE" in os.environ:  # a shell asks what may stand where the cursor is
        from .completion import wire

        wire(cli)
    if sys.flags.optimize > 1 and {"-h", "--help"} & {*words}:
        click.echo("dtypecheck: Python dropped the texts of --help: run it without -OO and PYTHONOPTIMIZE=2", err=True)
    Bar.wrote, writes = False, words[:1] in (["fix"], ["undo"])
    try:
        with _stoppable() if writes else contextlib.nullcontext():
            cli.main(args=words, prog_name="dtypecheck", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt) as fault:
        _stopped(fault.__cause__ or fault, writes)
        sys.exit(130)
    except SystemExit as fault:
        _stopped(fault, writes and isinstance(fault.code, int) and fault.code > SIGNALLED)
        raise
    except click.ClickException as fault:
        with contextlib.suppress(OSError), read_or_not(sys.stderr):
            fault.show()
        sys.exit(MISUSED)
    except (WrongUse, BadSettings, UnknownRule, BadRow, BadPlugin) as fault:
        _end(str(fault), MISUSED)
    except Refusal as fault:
        _end(str(fault), FOUND, *(f"  instead: {offer}" for offer in fault.offers))
    except NothingThere as fault:
        _end(str(fault), NOTHING)
    except OSError as fault:
        gone = isinstance(fault, FileNotFoundError) and not fault.filename  # what Path.cwd() raises
        _end("the working directory is gone" if gone else f"{fault.filename or 'output'}: {fault.strerror or fault}", MISUSED)
    except Exception as fault:
        if "--debug" in words:
            raise
        _end(f"{_owner(fault)}: {type(fault).__name__}: {fault} (--debug shows where; please report it)", MISUSED)


def _last_words() -> None:
    """Write what is still to be written. Where that fails, as on a full disk, it was told of: Python is not to tell it again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


def _stoppable() -> contextlib.AbstractContextManager[None]:
    """SIGTERM ends what is written as Ctrl-C does, from the first look on."""
    from ..fixing.apply.signals import stoppable

    return stoppable()


def _stopped(fault: BaseException, writes: bool) -> None:
    """Say what was done about a stop in the middle: a fix takes back what it did. writes: there is always something to say."""
    usual = ["it was done already" if Bar.wrote else "nothing was changed"] if writes else []
    for note in getattr(fault, "__notes__", usual):
        with read_or_not(sys.stderr):
            click.echo(f"dtypecheck: stopped; {note}", err=True)


def _owner(fault: Exception) -> str:
    """Whose bug it is: of a plugin where it was raised in one, else ours."""
    from ..plugins import whose

    plugin = whose(fault)
    return f"a bug of {plugin}" if plugin else "a bug of ours"


def _end(text: str, code: int, *more: str) -> NoReturn:
    """Say why there is no report, and exit. A name may hold anything: no line of it steers a terminal, or the runner of a CI."""
    from ..render.words import clean

    with contextlib.suppress(OSError), read_or_not(sys.stderr):
        click.echo("\n".join(map(clean, (f"dtypecheck: {text}", *more))), err=True)
    sys.exit(code)
