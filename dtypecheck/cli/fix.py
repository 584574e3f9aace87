"""`dtypecheck fix`: the plan, and with --apply the deed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..fixplan import FixPlan, Mending, Step
from ..policy import done_code, plan_code
from ..request import WrongUse
from .options import ScriptCommand, common, model_folders, settings_of
from .output import counted, finish, has_folder, replace_file
from .progress import Bar

_DECIDED = (
    *("to", "component", "as_variant", "max_shard_size", "swap", "clamp"),
    *("strategy", "select", "dtype", "variant", "device", "lib", "model"),
)
"""Options that mean nothing where a plan is given."""


class _Fix(ScriptCommand):
    """Behind a script the options of `fix` are still its own, until a word that is none, or `--`: nothing is executed here."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Put our options in front of the script, and leave the script its own."""
        known = {word: option for option in self.params if isinstance(option, click.Option) for word in option.opts}
        takes = {word for word, option in known.items() if not option.is_flag}
        scripts = [number for number, word in enumerate(args) if word.endswith((".py", ".ipynb")) and not word.startswith("-")]
        script = next((number for number in scripts if number == 0 or args[number - 1] not in takes), None)
        if script is None:
            return super().parse_args(context, args)
        end = script + 1
        while end < len(args) and args[end].partition("=")[0] in known:
            option = known[args[end].partition("=")[0]]
            end += 1 if option.is_flag or "=" in args[end] else 2
        first, ours, rest = args[: script + 1], args[script + 1 : end], args[end:]
        return super().parse_args(context, [*first[:-1], *ours, first[-1], *rest])


@click.command(cls=_Fix)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET|plan.json [TARGET]")
@click.option("--apply", is_flag=True, help="Do it. Without this nothing is written.")
@click.option("--dry-run", is_flag=True, help="Show the plan alone, which is the default.")
@click.option("--diff", "as_diff", is_flag=True, help="Show what changes in texts as a unified diff, in place of the plan.")
@click.option("--lossy", is_flag=True, help="Also the steps that lose numbers (--to says so by itself).")
@click.option("--out", type=click.Path(path_type=Path), help="Write the fixed model to this new folder, leave TARGET alone.")
@click.option(
    "--strategy", multiple=True, metavar="WORD", help="Only such steps: upcast, keep-fp32, declare, bf16, swap-vae, ..."
)
@click.option("--to", metavar="DTYPE", help="Convert the weights to fp16, bf16 or fp32.")
@click.option("--component", multiple=True, metavar="NAME", help="Only this part (with --to); may be repeated.")
@click.option("--as-variant", metavar="NAME", help="Write what --to makes beside the files that are there: fp16, bf16, ...")
@click.option("--max-shard-size", metavar="SIZE", help="Bytes of one file at most: 5GB.")
@click.option("--swap", metavar="FOLDER|NAME", help="The VAE to put in place of this one.")
@click.option("--clamp", is_flag=True, help="Cut weights that are too large for the dtype to its largest number.")
@click.option("--dtype", metavar="DTYPES", help="What will be asked for when it is loaded; findings are judged under it.")
@click.option("--variant", metavar="NAME", help="As in from_pretrained(variant=...).")
@click.option("--device", metavar="NAME", help="Where it will run.")
@click.option("--lib", multiple=True, metavar="NAME==VERSION", help="Library versions to plan for.")
@click.option("--model", multiple=True, metavar="NAME=DIR", help="The folder that a hub id in a script stands for.")
@click.option("--undo-dir", type=click.Path(path_type=Path), help="Where to keep what is replaced (default: beside TARGET).")
@click.option("--no-verify", is_flag=True, help="Do not scan, compare and rehearse what was written.")
@common
@click.pass_context
def fix(context: click.Context, /, targets: Sequence[str], **options: Any) -> None:
    """Show what would be changed in the files of a model, and with --apply change it; `dtypecheck undo` takes it back.

    TARGET may be a script.py or a notebook too: the edits of its text keep all else of it, --diff shows them. What stands behind
    it and is no option of ours, or behind `--`, are the script's own arguments. Nothing is executed.

    Every step is lossless or lossy, answers a finding of `scan` (or a wish: --to, --swap), and is offered only if a scan
    after it finds nothing new. -o plan.json writes the plan with the sha256 of every file; `fix --apply plan.json` applies it.

    Exit codes: without --apply as `scan`; with it 0 clean, 1 findings are left, or it was refused or rolled back.
    """
    options["arguments"] = tuple(context.meta["script arguments"])
    if not all(targets) or len(targets) > 2:
        raise WrongUse("one TARGET, or plan.json and a TARGET")
    settings = settings_of(options["config"])
    first = Path(targets[0])
    is_plan = first.suffix == ".json" and first.is_file() and first.name not in ("model_index.json", "config.json")
    if len(targets) == 2 and not is_plan:
        raise WrongUse("one TARGET; a second one is for a plan.json")
    for key in ("variant", "device", "as_variant", "to", "swap"):
        if options[key] == "":
            raise WrongUse(f"--{key.replace('_', '-')} is empty; leave it out instead")
    if options["dry_run"] and (options["apply"] or options["out"]):
        raise WrongUse("--dry-run writes nothing; leave it out to --apply")
    if options["out"] and options["undo_dir"]:
        raise WrongUse("--out leaves TARGET alone: there is nothing to undo, leave --undo-dir out")
    if options["as_diff"] and (options["output"] is not None or options["output_format"] is not None):
        raise WrongUse("--diff prints a diff and no report; leave -o and --output-format out")
    has_folder(options["output"])
    if is_plan:
        _planned(first, Path(targets[1]) if len(targets) == 2 else None, settings, options)
    _fix(first, settings, options)


def _planned(path: Path, target: Path | None, settings: Any, options: dict[str, Any]) -> None:
    """Apply a plan from its file, or show it."""
    from ..report import Report
    from ..verbs.apply import diff_of, read_fix

    for name in _DECIDED:
        if options[name]:
            raise WrongUse(f"--{name.replace('_', '-')} was decided when the plan was made; make a new plan with it")

    place, plan = read_fix(path, target)
    if not options["apply"] and not options["out"]:
        command = shlex.join(["dtypecheck", "fix", path.as_posix(), *([target.as_posix()] if target else [])])
        report = Report(fix=Mending(plan, command=command, read=True), label=place.as_posix())
        if options["as_diff"]:
            click.echo(diff_of(place, plan), nl=False)
        sys.exit(finish(report, settings, options, lambda *_: 0, sys.stderr if options["as_diff"] else None))
    _carry_out(place, plan, (), settings, options, read=True)


def _fix(target: Path, settings: Any, options: dict[str, Any]) -> None:
    from ..fixing.planfile import text_of
    from ..verbs.apply import diff_of
    from ..verbs.fix import Ask, plan_fix

    wanted = {key: options[key] or getattr(settings, key) for key in ("dtype", "variant", "device")}
    doing = options["apply"] or options["out"]
    to_file = options["output"] is not None and not doing and options["output_format"] is None
    ask = Ask(
        **wanted,
        libraries=options["lib"],
        select=options["select"] or (() if options["to"] or options["swap"] else settings.select),
        strategy=options["strategy"],
        to=options["to"],
        components=options["component"],
        as_variant=options["as_variant"],
        max_shard_size=options["max_shard_size"],
        swap=options["swap"],
        clamp=options["clamp"],
        lossy=options["lossy"],
        rules_dirs=options["rules_dir"],
        arguments=options["arguments"],
        models=model_folders(options["model"]),
    )
    if to_file and options["output"].suffix != ".json":
        raise WrongUse(f"-o {options['output']}: a plan is a .json file; with --output-format it is a report")
    if doing and not options["out"]:
        _end(target, settings, options)
    looking = {**options, "write_baseline": False}
    with Bar("looking", options["quiet"]) as told:
        report = plan_fix(target, ask, told, to_file, lambda found: counted(found, settings, looking))
    mending = report.fix or Mending(FixPlan(report.label))
    if to_file and not mending.plan.steps:
        click.echo(f"dtypecheck: {options['output']} is not written: the plan has no step", err=True)
        to_file, options = False, {**options, "output": None}
    if to_file:
        replace_file(options["output"], text_of(mending.plan))
        report = replace(report, fix=replace(mending, command=shlex.join(["dtypecheck", "fix", options["output"].as_posix()])))
        options = {**options, "output": None}
    if options["as_diff"]:
        click.echo(diff_of(Path(report.label), mending.plan), nl=False)
    if not doing or not mending.plan.steps:
        sys.exit(finish(report, settings, options, plan_code, sys.stderr if options["as_diff"] else None))
    _carry_out(Path(report.label), mending.plan, mending.left_out, settings, options)


def _end(target: Path, settings: Any, options: dict[str, Any]) -> None:
    """End the fix of this target that was interrupted, if one was, and exit."""
    from ..verbs.apply import end_fix

    with Bar("ending an interrupted fix", options["quiet"]) as told:
        report = end_fix(
            target,
            undo_dir=options["undo_dir"],
            check=not options["no_verify"],
            rules_dirs=options["rules_dir"],
            told=told,
        )
    if report:
        sys.exit(finish(report, settings, options, done_code))


def _carry_out(
    target: Path, plan: FixPlan, left_out: Sequence[Step], settings: Any, options: dict[str, Any], read: bool = False
) -> None:
    from ..verbs.apply import carry_out

    with Bar("writing", options["quiet"]) as told:
        report = carry_out(
            target,
            plan,
            out=options["out"],
            undo_dir=options["undo_dir"],
            check=not options["no_verify"],
            rules_dirs=options["rules_dir"],
            left_out=left_out,
            told=told,
        )
    if report.fix and read:
        report = replace(report, fix=replace(report.fix, read=True))
    sys.exit(finish(report, settings, options, done_code, sys.stderr if options["as_diff"] else None))
