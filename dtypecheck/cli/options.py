"""What a verb is given: the options that all share, a script with its own words, and values as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from ..remote.targets import Remote, target_of
from ..render import FORMATS
from ..request import WrongUse
from ..settings import FAIL_ON, Settings, read
from ..settings.file import search
from ..settings.places import Ground, named

NAME: Final = "dtypecheck.baseline.json"
"""What a baseline is called where nobody says otherwise."""


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every verb with a report has."""
    options = (
        click.option("--output-format", type=click.Choice(FORMATS), help="terminal on a terminal, else concise."),
        click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to a file."),
        click.option(
            "--fail-on", type=click.Choice(FAIL_ON), help="The least severity that makes the exit code 1 (default: error)."
        ),
        click.option("--select", multiple=True, metavar="RULES", help="Only these rules: codes, prefixes or names."),
        click.option("--ignore", multiple=True, metavar="RULES", help="Not these rules."),
        click.option("--extend-select", multiple=True, metavar="RULES", help="These rules besides the selected ones."),
        click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A settings file."),
        click.option(
            "--rules-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), multiple=True, help="More rows."
        ),
        click.option(
            "--baseline",
            type=click.Path(dir_okay=False, path_type=Path),
            help="A file of findings that are known: they do not count.",
        ),
        click.option("--write-baseline", is_flag=True, help="Put every finding into the baseline (dtypecheck.baseline.json)."),
        click.option("-q", "--quiet", is_flag=True, help="One line a pipeline, and errors."),
        click.option("-v", "--verbose", is_flag=True, help="Notes too."),
        click.option("--debug", is_flag=True, help="A traceback when dtypecheck itself fails."),
    )
    for option in reversed(options):
        command = option(command)
    return command


class ScriptCommand(click.Command):
    """A command whose first target may be a script: everything behind a .py target is the script's own.

    several: where more scripts may stand right behind the first one.
    """

    several = False

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Cut the words at the script."""
        options = [option for option in self.params if isinstance(option, click.Option) and not option.is_flag]
        takes = {word for option in options for word in option.opts}
        for number, word in enumerate(args):
            if word.endswith(".py") and not word.startswith("-") and (number == 0 or args[number - 1] not in takes):
                end = number + 1
                while self.several and end < len(args) and args[end].endswith((".py", ".ipynb")) and Path(args[end]).is_file():
                    end += 1
                context.meta["script arguments"] = args[end + (args[end : end + 1] == ["--"]) :]
                return super().parse_args(context, args[:end])
        context.meta["script arguments"] = []
        return super().parse_args(context, args)


def settings_of(path: Path | None) -> Settings:
    """Those of --config, else of the working directory or the nearest folder above it that has some, and is no model.

    What the settings ask for the one target, or for all targets alike, stands for all. errors: BadSettings; WrongUse where a
    baseline is named that is not there: said before the work, not after it.
    """
    context = click.get_current_context(silent=True)
    options = context.params if context else {}
    targets = _targets(options)
    found, passed = (path, ()) if path else search(Path.cwd(), targets)
    for left in passed:
        name = named(left, Path.cwd())
        why = "who made a model does not decide how it is judged"
        click.echo(f"dtypecheck: {name} is part of a model and is not read: {why} (--config {name} reads it)", err=True)
    settings = replace(read(found) if found else Settings(), ground=Ground(targets, Path.cwd()))
    asked = [settings.asks(target) for target in targets]
    if asked and all(each == asked[0] for each in asked):
        settings = replace(settings, **asked[0])  # type: ignore[arg-type]
    file = baseline_file(settings, options)
    if file and not file.exists() and not options.get("write_baseline"):
        hint = "--write-baseline makes it" if not file.is_symlink() else "its link leads nowhere"
        raise WrongUse(f"{file}: there is no such baseline; {hint}")
    return settings


def baseline_file(settings: Settings, options: Mapping[str, Any]) -> Path | None:
    """The baseline that was named, by the flag or the settings, or its usual name where one is to be written."""
    if options.get("baseline"):
        return Path(options["baseline"])
    if settings.baseline:
        return settings.folder / settings.baseline
    return Path(NAME) if options.get("write_baseline") else None


def _targets(options: Mapping[str, Any]) -> tuple[Path, ...]:
    """What a verb is asked to look at."""
    given = options.get("targets", options.get("target", ()))
    return tuple(Path(target) for target in ([given] if isinstance(given, str) else given) if target)


def call_values(given: Sequence[str]) -> dict[str, object]:
    """`height=1024` as {"height": 1024}: a value is JSON (with Python's True, False and None) or else text."""
    found: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise WrongUse(f"--call {text!r} is not NAME=VALUE")
        try:
            found[name] = json.loads({"True": "true", "False": "false", "None": "null"}.get(value, value))
        except json.JSONDecodeError:
            found[name] = value
    return found


def model_folders(given: Sequence[str]) -> dict[str, Path]:
    """`name=folder` of --model, where only a folder will do."""
    found: dict[str, Path] = {}
    for name, place in models_of(given).items():
        if not isinstance(place, Path):
            raise WrongUse(f"--model '{name}={place}' is not NAME=DIR with a folder that exists")
        found[name] = place
    return found


def models_of(given: Sequence[str]) -> dict[str, Path | Remote]:
    """`name=folder` of --model, or `name=owner/name`, or an address: what a hub id in a script stands for."""
    found: dict[str, Path | Remote] = {}
    for text in given:
        name, equals, value = text.partition("=")
        place = target_of(value)
        if not equals or not name or (isinstance(place, Path) and not place.is_dir()):
            raise WrongUse(f"--model {text!r} is not NAME=DIR with a folder that exists")
        found[name] = place
    return found


def reach(online: bool, offline: bool) -> bool | None:
    """What --online and --offline say together. errors: WrongUse for both."""
    if online and offline:
        raise WrongUse("--online and --offline cannot both hold")
    return True if online else False if offline else None


def remote(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of verbs whose target may lie elsewhere."""
    online = click.option("--online", is_flag=True, help="Ask the Hub also for models that scripts name and the cache lacks.")
    offline = click.option("--offline", is_flag=True, help="No network: what is on this disk, the Hub's cache included.")
    return online(offline(command))
