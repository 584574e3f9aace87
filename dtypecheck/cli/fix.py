"""`dtypecheck fix`: the plan, and with --apply the deed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..fixplan import FixPlan, Mending
from ..policy import plan_code
from ..request import WrongUse
from .options import common, settings_of
from .output import finish, has_folder, replace_file
from .progress import Bar


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET|plan.json [TARGET]")
@click.option("--apply", is_flag=True, help="Do it. Without this nothing is written.")
@click.option("--dry-run", is_flag=True, help="Show the plan alone, which is the default.")
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
@click.option("--undo-dir", type=click.Path(path_type=Path), help="Where to keep what is replaced (default: beside TARGET).")
@click.option("--no-verify", is_flag=True, help="Do not scan, compare and rehearse what was written.")
@common
def fix(targets: Sequence[str], **options: Any) -> None:
    """Show what would be changed in the files of a model, and with --apply change it; `dtypecheck undo` takes it back.

    Every step is lossless or lossy, answers a finding of `scan` (or a wish: --to, --swap), and is offered only if a scan
    after it finds nothing new. -o plan.json writes the plan with the sha256 of every file; `fix --apply plan.json` applies it.

    Exit codes: without --apply as `scan`; with it 0 clean, 1 findings are left, or it was refused or rolled back.
    """
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
    has_folder(options["output"])
    if is_plan:
        _planned(first, Path(targets[1]) if len(targets) == 2 else None, settings, options)
    _fix(first, settings, options)


def _planned(path: Path, target: Path | None, settings: Any, options: dict[str, Any]) -> None:
    """Apply a plan from its file, or show it."""
    from ..mending import read_fix
    from ..report import Report

    place, plan = read_fix(path, target)
    if not options["apply"] and not options["out"]:
        command = shlex.join(["dtypecheck", "fix", path.as_posix(), *([target.as_posix()] if target else [])])
        sys.exit(finish(Report(fix=Mending(plan, command=command), label=place.as_posix()), settings, options, lambda *_: 0))
    _carry_out(place, plan, (), settings, options)


def _fix(target: Path, settings: Any, options: dict[str, Any]) -> None:
    from ..fixing.planfile import text_of
    from ..mending import Ask, plan_fix

    wanted = {key: options[key] or getattr(settings, key) for key in ("dtype", "variant", "device")}
    doing = options["apply"] or options["out"]
    to_file = options["output"] is not None and not doing and options["output_format"] is None
    ask = Ask(
        **wanted,
        libraries=options["lib"],
        select=options["select"] or settings.select,
        strategy=options["strategy"],
        to=options["to"],
        components=options["component"],
        as_variant=options["as_variant"],
        max_shard_size=options["max_shard_size"],
        swap=options["swap"],
        clamp=options["clamp"],
        lossy=options["lossy"],
        rules_dirs=options["rules_dir"],
    )
    if doing and not options["out"]:
        _end(target, settings, options)
    with Bar("looking", options["quiet"]) as told:
        report = plan_fix(target, ask, told, hashed=to_file)
    mending = report.fix or Mending(FixPlan(report.label))
    if to_file:
        replace_file(options["output"], text_of(mending.plan))
        report = replace(report, fix=replace(mending, command=shlex.join(["dtypecheck", "fix", options["output"].as_posix()])))
        options = {**options, "output": None}
    if not doing or not mending.plan.steps:
        sys.exit(finish(report, settings, options, plan_code))
    _carry_out(Path(report.label), mending.plan, mending.left_out, settings, options)


def _end(target: Path, settings: Any, options: dict[str, Any]) -> None:
    """End the fix of this target that was interrupted, if one was, and exit."""
    from ..mending import end_fix

    with Bar("ending an interrupted fix", options["quiet"]) as told:
        report = end_fix(
            target,
            undo_dir=options["undo_dir"],
            check=not options["no_verify"],
            rules_dirs=options["rules_dir"],
            told=told,
        )
    if report:
        sys.exit(finish(report, settings, options))


def _carry_out(target: Path, plan: Any, left_out: Sequence[Any], settings: Any, options: dict[str, Any]) -> None:
    from ..mending import carry_out

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
    sys.exit(finish(report, settings, options))
