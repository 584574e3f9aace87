"""The command line: parse, call one function, render, exit."""

from __future__ import annotations

import gc
import io
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from . import __version__
from .config import FAIL_ON, BadSettings, Settings, find, read
from .knowledge import BadRow
from .policy import FOUND, MISUSED, NOTHING, UnknownRule, choose, exit_code, rehearsal_code, suppress
from .render import FORMATS, renderer
from .render.options import Look
from .report import Report
from .request import NothingThere, WrongUse

GUIDE = """\
black image or a crash?       dtypecheck explain "mat1 and mat2 must have the same dtype"   (rules: dtypecheck explain)
curious about a model?        dtypecheck scan MODEL
which dtype will it have?     dtypecheck scan MODEL --dtype float16 --variant fp16
will it crash on that GPU?    dtypecheck rehearse MODEL --dtype bfloat16 --device t4   (or your script.py)
"""


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="dtypecheck")
@click.pass_context
def cli(context: click.Context) -> None:
    """Say which dtype every part of a pipeline will have, and where it will crash or turn black."""
    if context.invoked_subcommand is None:
        click.echo(GUIDE, nl=False)


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
        click.option("-q", "--quiet", is_flag=True, help="One line a pipeline, and errors."),
        click.option("-v", "--verbose", is_flag=True, help="Notes too."),
        click.option("--debug", is_flag=True, help="A traceback when dtypecheck itself fails."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@cli.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--dtype", metavar="DTYPES", help="What is asked for: float16, or float16,vae=float32. Any alias of a dtype.")
@click.option("--variant", metavar="NAME", help="As in from_pretrained(variant=...): fp16, bf16, ...")
@click.option("--device", metavar="NAME", help="Where it will run: t4, a100, sm75, cuda, mps, cpu, ... or here. None is assumed.")
@click.option(
    "--adapter", multiple=True, type=click.Path(exists=True, path_type=Path), help="A LoRA, ControlNet or VAE used with it."
)
@click.option("--lib", multiple=True, metavar="NAME==VERSION", help="Library versions to plan for: transformers==4.57.")
@common
def scan(targets: Sequence[str], **options: Any) -> None:
    """Read headers and configs, and say which dtype every part will have after loading and where that breaks.

    TARGET is a model directory, a folder of several, a weight file, or a Hugging Face cache folder. Nothing is executed and
    no weight is read; torch and diffusers are not imported.

    Exit codes: 0 clean, 1 findings at or above --fail-on, 2 wrong use, 3 nothing could be looked at.
    """
    from .api import scan_paths

    if not all(targets):
        raise WrongUse("an empty TARGET was given")
    _has_folder(options["output"])
    for key in ("variant", "device"):
        if options[key] == "":
            raise WrongUse(f"--{key} is empty; leave it out instead")
    settings = _settings(options["config"])
    wanted = {key: getattr(settings, key) if options[key] is None else options[key] for key in ("dtype", "variant", "device")}
    with _progress(options["quiet"]) as told:
        more = {"adapters": options["adapter"], "libraries": options["lib"], "rules_dirs": options["rules_dir"]}
        report = scan_paths([Path(target) for target in targets], told=told, **more, **wanted)
    sys.exit(_finish(report, settings, options))


class ScriptCommand(click.Command):
    """A command whose first target may be a script: everything behind a .py target is the script's own."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Cut the words at the script."""
        options = [option for option in self.params if isinstance(option, click.Option) and not option.is_flag]
        takes = {word for option in options for word in option.opts}
        for number, word in enumerate(args):
            if word.endswith(".py") and not word.startswith("-") and (number == 0 or args[number - 1] not in takes):
                context.meta["script arguments"] = args[number + 1 :]
                return super().parse_args(context, args[: number + 1])
        context.meta["script arguments"] = []
        return super().parse_args(context, args)


@cli.command(cls=ScriptCommand)
@click.argument("target", metavar="MODEL_DIR|script.py [ARGS]...")
@click.option("--dtype", metavar="DTYPES", help="What is asked for: float16, or float16,vae=float32. Any alias of a dtype.")
@click.option("--variant", metavar="NAME", help="As in from_pretrained(variant=...): fp16, bf16, ...")
@click.option("--device", metavar="NAME", default=None, help="Where it will run: cuda (assumed), cpu, mps, t4, ... or here.")
@click.option("--call", "given", multiple=True, metavar="NAME=VALUE", help="An argument of the call: height=1024, num_frames=9.")
@click.option("--matrix", is_flag=True, help="Every sensible dtype plan, and which of them run there.")
@click.option("--model", multiple=True, metavar="NAME=DIR", help="The folder that a hub id in the script stands for.")
@common
@click.pass_context
def rehearse(
    context: click.Context, /, target: str, given: Sequence[str], matrix: bool, model: Sequence[str], **options: Any
) -> None:
    """A dry run that finds dtype crashes without weights or GPU; it cannot see NaN or black images.

    The real code of the installed diffusers and transformers runs on tensors that have a shape and a dtype but no numbers,
    held to what the device's operators accept. MODEL_DIR needs its configs, no weights. A script.py is executed as it is, with
    models and devices stood in for and files that it writes caught: that is no sandbox, rehearse only scripts you would run.

    Exit codes: 0 it runs, 1 it crashes (with --matrix: no plan runs), 2 wrong use, 3 undecided.
    """
    from .api import rehearse as rehearse_path
    from .api import rehearse_script

    if not target:
        raise WrongUse("an empty TARGET was given")
    _has_folder(options["output"])
    settings = _settings(options["config"])
    device = options["device"] or settings.device or "cuda"
    dirs = options["rules_dir"]
    if matrix and options["dtype"]:
        raise WrongUse("--matrix tries every dtype plan; leave --dtype out")
    if target.endswith(".py"):
        _of_script(options, given, matrix)
        script_words = context.meta["script arguments"]
        report = rehearse_script(Path(target), script_words, device=device, models=_models(model), rules_dirs=dirs)
        sys.exit(_finish(report, settings, options, rehearsal_code, sys.stderr))
    dtype, variant = options["dtype"] or settings.dtype, options["variant"] or settings.variant
    with _progress(options["quiet"]) as told:
        report = rehearse_path(
            target, dtype=dtype, variant=variant, device=device, call=_call(given), matrix=matrix, rules_dirs=dirs, told=told
        )
    sys.exit(_finish(report, settings, options, rehearsal_code))


def _of_script(options: Mapping[str, Any], given: Sequence[str], matrix: bool) -> None:
    """errors: WrongUse for options that mean nothing where a script decides, and for JSON among what a script prints."""
    said = {"--dtype": options["dtype"], "--variant": options["variant"], "--call": given, "--matrix": matrix}
    for name, value in said.items():
        if value:
            raise WrongUse(f"{name} is for a model folder: what a script asks for stands in the script")
    if options["output_format"] == "json" and options["output"] is None:
        raise WrongUse("the script owns the output: write json with -o FILE")


def _call(given: Sequence[str]) -> dict[str, object]:
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


def _models(given: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name or not Path(value).is_dir():
            raise WrongUse(f"--model {text!r} is not NAME=DIR with a folder that exists")
        found[name] = Path(value)
    return found


@cli.command()
@click.argument("words", nargs=-1, metavar="[CODE|NAME]")
@click.option("--output-format", type=click.Choice(("terminal", "json", "markdown")), default="terminal")
def explain(words: Sequence[str], output_format: str) -> None:
    """Explain a rule by its code or name; without one, list the rules."""
    from .render.pages import explain_rule, list_rules

    if not words:
        list_rules(sys.stdout, output_format)
        return
    for word in words:
        explain_rule(word, sys.stdout, output_format, Look(colour=sys.stdout.isatty(), width=_width()))


@cli.group()
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
    from .harvest import harvest as read_libraries
    from .harvest import installed
    from .request import LIBRARIES

    found = {name: place for name in LIBRARIES if (place := installed(name))}
    if not found:
        raise WrongUse("neither diffusers nor transformers is installed: there is nothing to read")
    target = rules_dir or Path("rules")
    if not target.is_dir():
        raise WrongUse(f"there is no folder {target}; pass --rules-dir")
    result = read_libraries(target, found)
    click.echo(result.diff or f"nothing changed for {' and '.join(sorted(found))}", nl=not result.diff)
    if write and result.diff:
        try:
            result.write(target)
        except ValueError as fault:
            raise WrongUse(str(fault)) from None
    sys.exit(FOUND if result.diff else 0)


def _harvest_runs(target: Path, write: bool, device: str, only: str) -> int:
    """Rehearse the classes; print what is new, how many there are, and why the rest is missing."""
    from .harvest.rehearsals import refresh

    try:
        fits = re.compile(only).fullmatch
    except re.error as fault:
        raise WrongUse(f"--only {only!r} is no regular expression: {fault}") from None
    if not (target / "pipelines.toml").is_file():
        raise WrongUse(f"there is no pipelines.toml in {target}; pass --rules-dir")
    with _progress(False) as told:
        result, missing = refresh(target, device, lambda name: fits(name) is not None, told)
    click.echo(result.diff or "nothing changed", nl=not result.diff)
    for name, why in missing.items():
        click.echo(f"missing {name}: {why}")
    if write and result.diff:
        result.write(target)
    return FOUND if result.diff else 0


def _settings(path: Path | None) -> Settings:
    found = path or find(Path.cwd())
    return read(found) if found else Settings()


def _finish(
    report: Report,
    settings: Settings,
    options: dict[str, Any],
    code: Callable[[Report, str], int] = exit_code,
    stream: TextIO | None = None,
) -> int:
    """Apply the policy, write the report, give the exit code. stream: where it goes without -o, stdout by default."""
    stream = stream or sys.stdout
    select = options["select"] or settings.select
    report = choose(report, select, (*settings.ignore, *options["ignore"]), (*settings.extend_select, *options["extend_select"]))
    report = suppress(report, settings.suppressions)
    path: Path | None = options["output"]
    on_terminal = path is None and stream.isatty()
    form = options["output_format"] or settings.output_format or ("terminal" if on_terminal else "concise")
    look = Look(options["verbose"] - options["quiet"], on_terminal, _width())
    if path is None:
        renderer(form)(report, stream, look)
        stream.flush()
    else:
        text = io.StringIO()
        renderer(form)(report, text, look)
        _replace(path, text.getvalue())
    return code(report, options["fail_on"] or settings.fail_on)


def _has_folder(path: Path | None) -> None:
    """errors: WrongUse when a report is to go where there is no folder; said before the work, not after it."""
    if path is not None and not path.parent.is_dir():
        raise WrongUse(f"-o {path}: there is no folder {path.parent}")


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all: beside it first, then renamed; what is no plain file is written to as it is."""
    if path.exists() and not path.is_file():
        path.write_text(text, "utf-8", errors="backslashreplace")
        return
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_text(text, "utf-8", errors="backslashreplace")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _width() -> int:
    """Columns of the terminal; 120 where the output is none, so that it is the same everywhere."""
    import shutil

    if not sys.stdout.isatty():
        return 120
    return shutil.get_terminal_size((120, 24)).columns


class _Progress:
    """A line on stderr, on a terminal only, that says how far a large tree is read; gone when it is done."""

    def __init__(self, stream: TextIO, quiet: bool) -> None:
        self.stream = stream
        self.on = stream.isatty() and not quiet
        self.start = self.last = time.monotonic()
        self.count = 0

    def __enter__(self) -> Callable[[str], None]:
        return self.told

    def told(self, path: str) -> None:
        """One more pipeline is being judged."""
        self.count += 1
        now = time.monotonic()
        if self.on and now - self.last > 0.2:
            self.last = now
            self.stream.write(f"\r\x1b[K{self.count:,} read, {now - self.start:.0f} s: {path[-60:]}")
            self.stream.flush()

    def __exit__(self, *_: object) -> None:
        if self.on and self.last != self.start:
            self.stream.write("\r\x1b[K")


def _progress(quiet: bool) -> _Progress:
    return _Progress(sys.stderr, quiet)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Exit codes: see `scan --help`; 2 for wrong use and for our own bugs."""
    gc.set_threshold(50_000, 20, 20)
    if sys.stdout is None or sys.stderr is None:
        if sys.stderr is not None:
            sys.stderr.write("dtypecheck: stdout is closed; -o FILE writes a report elsewhere\n")
        sys.exit(MISUSED)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        cli.main(args=words, prog_name="dtypecheck", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.ClickException as fault:
        fault.show()
        sys.exit(MISUSED)
    except (WrongUse, BadSettings, UnknownRule, BadRow) as fault:
        click.echo(f"dtypecheck: {fault}", err=True)
        sys.exit(MISUSED)
    except NothingThere as fault:
        click.echo(f"dtypecheck: {fault}", err=True)
        sys.exit(NOTHING)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(FOUND)
    except OSError as fault:
        click.echo(f"dtypecheck: {fault.filename or 'output'}: {fault.strerror or fault}", err=True)
        sys.exit(MISUSED)
    except Exception as fault:
        if "--debug" in words:
            raise
        click.echo(
            f"dtypecheck: a bug of ours: {type(fault).__name__}: {fault} (--debug shows where; please report it)", err=True
        )
        sys.exit(MISUSED)
