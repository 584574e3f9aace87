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


@dev.command("config-schema")
def config_schema() -> None:
    """Print the JSON schema of [tool.dtypecheck] and dtypecheck.toml, for editors."""
    import json

    from ..settings import config_schema as schema

    click.echo(json.dumps(schema(), indent=2))


@dev.command("new-rule")
@click.argument("name")
@click.option("--about", type=click.Choice(("files", "scripts")), default="files", show_default=True, help="What it looks at.")
@click.option("--code", metavar="CODE", help="Its code (default: the next free one).")
def new_rule(name: str, about: str, code: str | None) -> None:
    """Write a rule called NAME, with its page and its test, into the project of the working directory.

    In dtypecheck's own checkout it goes beside the others; in any other project, or an empty folder, it is a plugin. The test
    holds at once: change the examples of the page to what the rule is to find, then the rule.
    """
    from ..testing.scaffold import new_rule as made_of

    root = Path.cwd()
    made = made_of(name, root, about, code)
    made.write(root)
    for path in made.files:
        click.echo(path)
    for text in made.advice:
        click.echo(text)
    rule = next(path for path in made.files if not path.endswith("__init__.py") and path.endswith(".py"))
    click.echo(f"dtypecheck dev test-rules {rule}   runs the examples of {made.code}")


@dev.command("test-rules")
@click.argument("path", type=click.Path(path_type=Path))
def test_rules(path: Path) -> None:
    """Run the examples on the pages of the rules in PATH, a module or a folder of some; their modules are imported.

    Exit codes: 0 all hold, 1 some do not, 2 there is no rule in PATH or it cannot be imported.
    """
    from ..rule import page
    from ..testing.found import rules_in, wrong_with

    failed = 0
    listed = rules_in(path)
    with read_or_not(sys.stdout):
        for rule in listed:
            wrong, read = wrong_with(rule), page(rule)
            failed += bool(wrong)
            click.echo(
                f"{rule.code} {rule.name}: "
                + (
                    "; ".join(text.removeprefix(f"{rule.name}: ") for text in wrong)
                    or f"{len(read.bad) + len(read.good)} examples hold"
                )
            )
        click.echo(f"{failed} of {len(listed)} rules failed" if failed else f"{len(listed)} rules hold")
    sys.exit(FOUND if failed else 0)
