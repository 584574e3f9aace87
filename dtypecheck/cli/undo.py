"""`dtypecheck undo`: the newest fix of a target is taken back."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..render.words import clean
from ..request import NothingThere, WrongUse
from .progress import Bar


@click.command()
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path))
@click.option("--undo-dir", type=click.Path(path_type=Path), help="Where `fix --undo-dir` put what it replaced.")
@click.option("--force", is_flag=True, help="Also where a file was changed since the fix: that one is put aside.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing when it is done.")
@click.option("--debug", is_flag=True, help="A traceback when dtypecheck itself fails.")
def undo(target: Path, undo_dir: Path | None, force: bool, quiet: bool, debug: bool) -> None:
    """Take back the newest fix of TARGET, also one that was interrupted: every file is then what it was, byte for byte.

    Several fixes are taken back one after the other, the newest first. What was written into the files since is not taken
    away without --force.

    Exit codes: 0 taken back, 1 refused, 2 wrong use, 3 nothing to undo.
    """
    from ..fixing.apply import NothingToUndo
    from ..fixing.apply import undo as take_back
    from ..fixing.traces import undo_of

    if not target.name and not target.is_dir():
        raise WrongUse("an empty TARGET was given")
    try:
        known = os.path.lexists(target) or undo_of(target.absolute()).is_dir()
    except OSError as fault:
        raise WrongUse(f"{clean(target.as_posix())}: {fault.strerror}") from None
    if not known:
        raise WrongUse(f"{clean(target.as_posix())}: there is no such file or folder")
    try:
        with Bar("undo", quiet) as told:
            done = take_back(target, undo_dir=undo_dir, force=force, told=told)
    except NothingToUndo as fault:
        raise NothingThere(str(fault)) from None
    if quiet:
        return
    what = done.changes[0] if done.changes else "a fix"
    more = f" and {len(done.changes) - 1} more" if len(done.changes) > 1 else ""
    stopped = " (it was interrupted)" if done.interrupted else ""
    files = f"{len(done.files)} file{'s' if len(done.files) != 1 else ''} as before"
    left = f"; {done.left} earlier {'fixes' if done.left > 1 else 'fix'} can be taken back" if done.left else ""
    click.echo(f"{clean(target.as_posix())}: took back {what}{more}{stopped}; {files}{left}")
    for note in done.notes:
        click.echo(note)
