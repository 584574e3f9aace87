"""`dtypecheck gate`: everything that is known of a model and its scripts, and one word about it, made for the log of a CI."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..gate.verdict import gate_code
from ..render.words import clean
from ..report import Report
from ..request import WrongUse
from ..settings import Settings, read_demands
from .options import common, models_of, reach, remote, settings_of
from .output import Progress, counted, has_folder, show, spares, write_file


class _Gate(click.Command):
    """Options stand anywhere, behind a script too: what the scripts are given stands behind `--`."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Cut the words at `--`."""
        end = args.index("--") if "--" in args else len(args)
        context.meta["script arguments"] = args[end + 1 :]
        return super().parse_args(context, args[:end])


@click.command(cls=_Gate)
@click.argument("targets", nargs=-1, required=True, metavar="MODEL_DIR [script.py...] [run.json] [-- WORDS]")
@click.option("--dtype", metavar="DTYPES", help="What it is loaded in: float16, or float16,vae=float32. Any alias of a dtype.")
@click.option("--variant", metavar="NAME", help="As in from_pretrained(variant=...): fp16, bf16, ...")
@click.option(
    "--device", metavar="NAME", help="Where it will run: t4, a100, sm75, cuda, mps, cpu, ... The rehearsal assumes cuda."
)
@click.option("--adapter", multiple=True, type=click.Path(), metavar="TARGET", help="A LoRA, ControlNet or VAE used with it.")
@click.option("--lib", multiple=True, metavar="NAME==VERSION", help="Library versions to plan for: transformers==4.57.")
@click.option("--model", multiple=True, metavar="NAME=TARGET", help="The folder or model that a hub id in a script stands for.")
@click.option(
    "--require", multiple=True, metavar="KINDS", help="Evidence that must be there: rehearsal, run, values, weights, scripts."
)
@click.option("--policy", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A TOML file of demands.")
@click.option(
    "--values-up-to", default="2GB", show_default=True, metavar="SIZE", help="The largest file whose numbers are read; 0: none."
)
@click.option("--rehearse/--no-rehearse", default=True, help="Rehearse the pipeline where torch is installed (default).")
@click.option("--run-scripts", is_flag=True, help="Execute the scripts in a rehearsal too. That is no sandbox.")
@click.option("--sarif", type=click.Path(dir_okay=False, path_type=Path), help="Write the findings as SARIF too.")
@remote
@common
@click.pass_context
def gate(context: click.Context, /, targets: Sequence[str], **options: Any) -> None:
    """Say whether this model and these scripts may be deployed: deploy, do not deploy, or not proven.

    Reads headers, configs and scripts as scan does, the numbers of the files that will be loaded (of those up to 2 GB; needs
    numpy), rehearses the pipeline where torch is installed, and takes the run.json of a watched run as evidence. No GPU is
    needed, and what was not looked at is said. WORDS are what the scripts are given. Under GitHub Actions it writes
    annotations and the step summary.

    Exit codes: 0 deploy, or not proven; 1 do not deploy, or not proven and --require names what is missing; 2 wrong use;
    3 nothing could be looked at.
    """
    from ..verbs.gate import Asking, gate

    if not all(targets):
        raise WrongUse("an empty TARGET was given")
    for path in (options["output"], options["sarif"]):
        has_folder(path)
        spares(path, [Path(target) for target in targets])
    if options["sarif"] and options["output"] and options["sarif"].absolute() == options["output"].absolute():
        raise WrongUse(f"-o and --sarif both name {options['sarif']}: the one would take the place of the other")
    for key in ("variant", "device"):
        if options[key] == "":
            raise WrongUse(f"--{key} is empty; leave it out instead")
    settings = settings_of(options["config"])
    given = {key: options[key] for key in ("dtype", "variant", "device") if options[key] is not None}
    asking = Asking(
        each=lambda path: settings.asks(path) | given,
        **{key: options[key] for key in ("dtype", "variant", "device")},
        libraries=options["lib"],
        adapters=options["adapter"],
        rules_dirs=options["rules_dir"],
        models=models_of(options["model"]),
        arguments=context.meta["script arguments"],
        demands=read_demands(options["policy"]) if options["policy"] else settings.gate,
        required=[word for text in options["require"] for word in re.split(r"[,\s]+", text) if word],
        up_to=_bytes(options["values_up_to"]),
        rehearse=options["rehearse"],
        run_scripts=options["run_scripts"],
        online=reach(options["online"], options["offline"]),
    )
    with Progress(options["quiet"]) as told:
        gated = gate(targets, asking, told)
    fail_on = options["fail_on"] or settings.fail_on
    report = gated.verdict(counted(gated.report, settings, options), fail_on)
    _tell(report, settings, options)
    sys.exit(gate_code(report, fail_on))


def _tell(report: Report, settings: Settings, options: dict[str, Any]) -> None:
    """The report into -o FILE, and in a CI's own form into the log and onto the page of the run."""
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    form = settings.output_format or ("github" if on_github else None)
    if options["output"] is not None:
        write_file(report, settings, options)
    else:
        form = options["output_format"] or form
    if options["sarif"] is not None:
        write_file(report, settings, {**options, "output": options["sarif"], "output_format": "sarif"})
    show(report, form, options, sys.stdout)
    if on_github and (page := os.environ.get("GITHUB_STEP_SUMMARY")):
        from ..render.github import summary

        try:
            with open(page, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(summary(report))
        except OSError as fault:  # the verdict is told and stands: a page that cannot be written does not stop a deployment
            why = fault.strerror or fault
            click.echo(clean(f"dtypecheck: the summary is not written, {page} ($GITHUB_STEP_SUMMARY): {why}"), err=True)


def _bytes(text: str) -> int:
    """`2GB` as bytes, in decimal units; 0 for none. errors: WrongUse."""
    from ..settings.keys import SIZE, Unfit

    try:
        return 0 if text.strip() == "0" else int(SIZE.read(text))
    except Unfit:
        raise WrongUse(f"--values-up-to {text!r} is no size; write 2GB, 500MB or 0") from None
