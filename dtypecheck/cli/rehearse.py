"""`dtypecheck rehearse`: a folder's pipeline or a user's script, run without weights and without a GPU."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..policy import rehearsal_code
from ..request import WrongUse
from .options import ScriptCommand, call_values, common, models_of, settings_of
from .output import Progress, finish, has_folder, spares


@click.command(cls=ScriptCommand)
@click.argument("target", metavar="MODEL_DIR|script.py [ARGS]...")
@click.option("--dtype", metavar="DTYPES", help="What is asked for: float16, or float16,vae=float32. Any alias of a dtype.")
@click.option("--variant", metavar="NAME", help="As in from_pretrained(variant=...): fp16, bf16, ...")
@click.option("--device", metavar="NAME", default=None, help="Where it will run: cuda (assumed), cpu, mps, t4, ... or here.")
@click.option("--call", "given", multiple=True, metavar="NAME=VALUE", help="An argument of the call: height=1024, num_frames=9.")
@click.option("--matrix", is_flag=True, help="Every sensible dtype plan, and which of them run there.")
@click.option("--model", multiple=True, metavar="NAME=TARGET", help="The folder or model that a hub id in the script stands for.")
@click.option("--offline", is_flag=True, help="No network: what is on this disk, the Hub's cache included.")
@common
@click.pass_context
def rehearse(
    context: click.Context, /, target: str, given: Sequence[str], matrix: bool, model: Sequence[str], **options: Any
) -> None:
    """A dry run that finds dtype crashes without weights or GPU; it cannot see NaN or black images.

    The real code of the installed diffusers and transformers runs on tensors that have a shape and a dtype but no numbers,
    held to what the device's operators accept. MODEL_DIR needs its configs, no weights; it may be owner/name[@revision] or
    an address, of which settings and headers are fetched for the time being. A script.py is executed as it is, with models and
    devices stood in for and files that it writes caught: that is no sandbox, rehearse only scripts you would run.

    Exit codes: 0 it runs, 1 it crashes (with --matrix: no plan runs), 2 wrong use, 3 undecided.
    """
    from ..api import rehearse as rehearse_path
    from ..api import rehearse_script

    if not target:
        raise WrongUse("an empty TARGET was given")
    has_folder(options["output"])
    spares(options["output"], [Path(target)])
    settings = settings_of(options["config"])
    device = options["device"] or settings.device or "cuda"
    dirs, online = options["rules_dir"], not options["offline"]
    if matrix and options["dtype"]:
        raise WrongUse("--matrix tries every dtype plan; leave --dtype out")
    if target.endswith(".py"):
        _of_script(options, given, matrix)
        script_words = context.meta["script arguments"]
        report = rehearse_script(
            Path(target), script_words, device=device, models=models_of(model), rules_dirs=dirs, online=online
        )
        sys.exit(finish(report, settings, options, rehearsal_code, sys.stderr))
    call = call_values(given)
    dtype, variant = options["dtype"] or settings.dtype, options["variant"] or settings.variant
    with Progress(options["quiet"]) as told:
        report = rehearse_path(
            target,
            dtype=dtype,
            variant=variant,
            device=device,
            call=call,
            matrix=matrix,
            rules_dirs=dirs,
            told=told,
            online=online,
        )
    sys.exit(finish(report, settings, options, rehearsal_code))


def _of_script(options: Mapping[str, Any], given: Sequence[str], matrix: bool) -> None:
    """errors: WrongUse for options that mean nothing where a script decides, and for JSON among what a script prints."""
    said = {"--dtype": options["dtype"], "--variant": options["variant"], "--call": given, "--matrix": matrix}
    for name, value in said.items():
        if value:
            raise WrongUse(f"{name} is for a model folder: what a script asks for stands in the script")
    if options["output_format"] == "json" and options["output"] is None:
        raise WrongUse("the script owns the output: write json with -o FILE")
