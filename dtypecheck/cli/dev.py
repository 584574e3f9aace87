"""`dtypecheck dev`: commands for those who work on dtypecheck or write rules for it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from ..policy import FOUND
from ..request import WrongUse
from .output import Progress, read_or_not


@click.group()
def dev() -> None:
    """For those who work on dtypecheck or write rules for it."""


@dev.command()
@click.option(
    "--rules-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The rows to refresh (default: ./rules)."
)
@click.option("--write", is_flag=True, help="Write them; without it only the difference is shown.")
@click.option(
    "--rehearse", "rehearsing", is_flag=True, help="Rehearse every pipeline class instead, for what runs and what crashes."
)
@click.option("--device", metavar="NAME", default="cpu", show_default=True, help="With --rehearse: the device.")
@click.option("--only", metavar="REGEX", default=".*", help="With --rehearse: only classes whose whole name fits.")
def harvest(rules_dir: Path | None, write: bool, rehearsing: bool, device: str, only: str) -> None:
    """Read the source of the installed diffusers and transformers, and show what changed in the generated rows.

    Nothing of the libraries is imported, but with --rehearse: that runs small phantoms of every pipeline class in every
    sensible dtype plan, and shows what is new in `runs` and `crashes` of pipelines.toml. What was curated by hand stays.

    Exit codes: 0 nothing changed, 1 something did.
    """
    if rehearsing:
        sys.exit(_harvest_runs(rules_dir or Path("rules"), write, device, only))
    from ..harvest import harvest as read_libraries
    from ..harvest import installed
    from ..request import LIBRARIES

    found = {name: place for name in LIBRARIES if (place := installed(name))}
    if not found:
        raise WrongUse("neither diffusers nor transformers is installed: there is nothing to read")
    target = rules_dir or Path("rules")
    if not target.is_dir():
        raise WrongUse(f"there is no folder {target}; pass --rules-dir")
    result = read_libraries(target, found)
    with read_or_not(sys.stdout):
        click.echo(result.diff or f"nothing changed for {' and '.join(sorted(found))}", nl=not result.diff)
    if write and result.diff:
        try:
            result.write(target)
        except ValueError as fault:
            raise WrongUse(str(fault)) from None
    sys.exit(FOUND if result.diff else 0)


def _harvest_runs(target: Path, write: bool, device: str, only: str) -> int:
    """Rehearse the classes; print what is new, how many there are, and why the rest is missing."""
    from ..harvest.rehearsals import refresh

    try:
        fits = re.compile(only).fullmatch
    except re.error as fault:
        raise WrongUse(f"--only {only!r} is no regular expression: {fault}") from None
    if not (target / "pipelines.toml").is_file():
        raise WrongUse(f"there is no pipelines.toml in {target}; pass --rules-dir")
    with Progress(False) as told:
        result, missing = refresh(target, device, lambda name: fits(name) is not None, told)
    with read_or_not(sys.stdout):
        click.echo(result.diff or "nothing changed", nl=not result.diff)
        for name, why in missing.items():
            click.echo(f"missing {name}: {why}")
    if write and result.diff:
        result.write(target)
    return FOUND if result.diff else 0
