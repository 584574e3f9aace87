"""`dtypecheck scan`: folders and files are read, nothing is executed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from ..request import WrongUse
from .options import ScriptCommand, common, models_of, reach, remote, settings_of
from .output import Progress, finish, has_folder, spares

_DEPTHS = ("quick", "full")


class _Scan(ScriptCommand):
    """`--values` alone means quick: the word behind it is a target, unless it is quick or full."""

    several = True

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Spell a bare `--values` out."""
        following = [*args[1:], ""][: len(args)]
        bare = [arg == "--values" and after not in _DEPTHS for arg, after in zip(args, following, strict=True)]
        return super().parse_args(context, ["--values=quick" if alone else arg for arg, alone in zip(args, bare, strict=True)])


@click.command(cls=_Scan)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--dtype", metavar="DTYPES", help="What is asked for: float16, or float16,vae=float32. Any alias of a dtype.")
@click.option("--variant", metavar="NAME", help="As in from_pretrained(variant=...): fp16, bf16, ...")
@click.option("--device", metavar="NAME", help="Where it will run: t4, a100, sm75, cuda, mps, cpu, ... or here. None is assumed.")
@click.option("--adapter", multiple=True, type=click.Path(), metavar="TARGET", help="A LoRA, ControlNet or VAE used with it.")
@click.option(
    "--values",
    type=click.Choice(_DEPTHS),
    metavar="[=full]",
    help="Read the numbers too: NaN, inf, what overflows; --values=full also what vanishes or loses digits. Needs numpy.",
)
@click.option("--lib", multiple=True, metavar="NAME==VERSION", help="Library versions to plan for: transformers==4.57.")
@click.option("--model", multiple=True, metavar="NAME=TARGET", help="The folder or model that a hub id in a script stands for.")
@click.option(
    "--save-skeleton",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep settings and headers in a new folder: it scans, rehearses and gates like the model, without a network.",
)
@remote
@common
@click.pass_context
def scan(context: click.Context, /, targets: Sequence[str], model: Sequence[str], **options: Any) -> None:
    """Read headers and configs, and say which dtype every part will have after loading and where that breaks.

    TARGET is a model directory, a folder of several, a weight file, a Hugging Face cache folder, the run.json of a watch,
    which is judged again, or a script.py or notebook: what stands behind a .py is the script's own. Nothing is executed, and no
    weight is read but with --values; torch and diffusers are not imported.

    TARGET may also lie elsewhere: owner/name[@revision] (a local path first, then the Hub's cache, then the Hub), s3://, gs://,
    az:// or https:// addresses, and .zip or .tar files. Settings and headers are fetched, never weights.

    Exit codes: 0 clean, 1 findings at or above --fail-on, 2 wrong use, 3 nothing could be looked at.
    """
    from ..api import scan_paths
    from ..cache.kept import Kept
    from ..cache.place import usual

    if not all(targets):
        raise WrongUse("an empty TARGET was given")
    has_folder(options["output"])
    spares(options["output"], map(Path, targets))
    for key in ("variant", "device"):
        if options[key] == "":
            raise WrongUse(f"--{key} is empty; leave it out instead")
    settings = settings_of(options["config"])
    wanted = {key: options[key] for key in ("dtype", "variant", "device")}
    with Progress(options["quiet"]) as told:
        more = {"adapters": options["adapter"], "libraries": options["lib"], "rules_dirs": options["rules_dir"]}
        more["values"] = options["values"] or ""
        more |= {"models": models_of(model), "arguments": context.meta["script arguments"]}
        more |= {"online": reach(options["online"], options["offline"]), "skeleton": options["save_skeleton"]}
        with closing(Kept(usual(), options["rules_dir"])) as kept:
            report = scan_paths(targets, told=told, each=settings.asks, kept=kept, **more, **wanted)
    sys.exit(finish(report, settings, options))
