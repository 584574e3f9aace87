"""The swap of an autoencoder as one step of a plan, or every reason against it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...dtypes import parse
from ...edits import Bring, Edit, Remove, SetKey
from ...files import Directory, Files, OneFile
from ...fixplan import Refused, Step
from ...knowledge import Knowledge
from ...loading import plan
from ...read.layout import Reader
from ...subjects import Component, Pipeline, WeightSet
from ..refusal import Refusal
from ..states import sha256_of
from ..steps import step
from .fits import differences
from .given import CONFIG, Given, given

STRATEGY = "swap-vae"
_STEM = "diffusion_pytorch_model"


def swap(pipeline: Pipeline, vae: Component, origin: str | Path, files: Files, known: Knowledge) -> Step | Refused:
    """Another autoencoder in the place of `vae`, a component of the planned pipeline, as edits; or why not.

    origin: a folder, the name of a row of rules/swaps.toml or its repository, "" for the known one that fits. One of preview
    quality, or of another class, comes only to who names it. Every set of old weights goes, those of variants too; a variant
    stays one where the new weights come in its dtype.
    """
    try:
        found = given(origin, vae, known)
        new = _component(found, known)
        chosen = new.loads().chosen
        if chosen is None or new.config is None:
            raise Refusal(f"{found.label}: {new.loads().failure or 'there is no config.json'}")
        if chosen.format != "safetensors" or chosen.index:
            raise Refusal(f"{found.label}: its weights are no single safetensors file; fix that folder first (--to fp32)")
    except Refusal as refusal:
        return Refused(_place(vae), str(refusal), (), refusal.offers)
    against = tuple(differences(pipeline, vae, new, found.row, chosen, known))
    if against:
        return Refused(_place(vae), f"{found.label} does not fit: {'; '.join(against)}")
    edits = tuple(_edits(pipeline, vae, new, found, chosen, files))
    if _is_it(vae, found, edits, files):
        return Refused(_place(vae), f"{found.label} is this VAE already", done=True)
    change = f"{vae.described} -> {found.label}" + (f" ({new.klass})" if new.klass != vae.klass else "")
    return step(files, _place(vae), change, edits, STRATEGY, False, _costs(vae, new, found, edits))


def no_vae(pipeline: Pipeline) -> Refused:
    """What is said where a swap was asked for and there is no autoencoder."""
    names = ", ".join(part.name or part.described for part in pipeline.components)
    holds = f"; it holds {names}" if pipeline.kind == "pipeline" and names else ""
    what = pipeline.klass or next((part.klass for part in pipeline.components if part.klass), None) or "this"
    return Refused(pipeline.path or ".", f"there is no VAE in {what} that another one could be put in place of{holds}")


def _place(vae: Component) -> str:
    return vae.path or "."


def _is_it(vae: Component, found: Given, edits: tuple[Edit, ...], files: Files) -> bool:
    """Whether it is the folder of the VAE itself, or every file that would be brought is there already and none would go."""
    if isinstance(files, Directory) and (files.root / _place(vae)).exists() and found.folder.samefile(files.root / _place(vae)):
        return True
    sizes = {entry.name: entry.size for entry in files.entries()}
    return all(isinstance(edit, Bring) and edit.path in sizes and _same(edit, sizes[edit.path], files) for edit in edits)


def _same(edit: Bring, size: int, files: Files) -> bool:
    """Whether a file holds what would be brought; a config, whether it means the same."""
    origin = Path(edit.origin)
    if edit.path.rpartition("/")[2] == CONFIG:
        with contextlib.suppress(ValueError):
            return _meant(json.loads(files.read(edit.path))) == _meant(json.loads(origin.read_bytes()))
        return False
    if size != origin.stat().st_size:
        return False
    return sha256_of(files, edit.path, size) == edit.sha256


def _meant(config: Any) -> dict[str, Any]:
    """A config without notes on where it came from and what wrote it."""
    return {
        key: value
        for key, value in (config.items() if isinstance(config, dict) else ())
        if key not in ("_name_or_path", "_diffusers_version")
    }


def _component(found: Given, known: Knowledge) -> Component:
    """The only component of the folder, with its load plan. errors: Refusal."""
    readings = [reading for reading in Reader(Directory(found.folder, found.label), known).readings() if reading.pipeline]
    lone = [reading.pipeline for reading in readings if reading.pipeline and reading.pipeline.path == "."]
    if len(lone) != 1 or lone[0].kind != "component":
        raise Refusal(f"{found.label}: no folder of one diffusers model, with its config.json and weights")
    return plan(lone[0], lone[0].request, known).components[0]


def _edits(pipeline: Pipeline, vae: Component, new: Component, found: Given, chosen: WeightSet, files: Files) -> Iterator[Edit]:
    here = vae.path + "/" if vae.path not in ("", ".") else ""
    weights = {f"{here}{_STEM}.safetensors": chosen}
    for old in vae.sets:
        if old.variant and (fitting := _variant(old.variant, new, chosen)):
            weights[f"{here}{_STEM}.{old.variant}.safetensors"] = fitting
    kept = {*weights, here + CONFIG}
    old_files = {file.path for old in vae.sets for file in old.files} | {old.index for old in vae.sets if old.index}
    present = {entry.name for entry in files.entries()}
    yield from (Remove(path) for path in sorted((old_files & present) - kept))
    for path, source in sorted(weights.items()):
        yield _bring(path, found.folder / source.files[0].path)
    yield _bring(here + CONFIG, found.folder / CONFIG)
    if new.klass != vae.klass and pipeline.config is not None and vae.name:
        yield SetKey(pipeline.config.path, f"/{vae.name}", json.dumps(["diffusers", new.klass]))


def _variant(name: str, new: Component, chosen: WeightSet) -> WeightSet | None:
    """The weights that can be called by a variant's name: those so called, else the chosen ones in its dtype."""
    named = (own for own in new.sets if own.variant == name and not own.index and own.format == "safetensors" and own.files)
    if own := next(named, None):
        return own
    dtype = parse(name)
    return chosen if dtype is not None and chosen.main is dtype else None


def _bring(path: str, origin: Path) -> Bring:
    origin = origin.resolve()
    return Bring(path, str(origin), sha256_of(OneFile(origin), origin.name, origin.stat().st_size))


def _costs(vae: Component, new: Component, found: Given, edits: tuple[Edit, ...]) -> Iterator[str]:
    yield str(found.row["why"]).rstrip(".") if "why" in found.row else "pictures will differ: these are other weights"
    if found.row.get("quality") == "preview" or new.klass != vae.klass:
        yield "preview quality"
    brought = {edit.path for edit in edits if isinstance(edit, Bring)}
    lost = [old.variant for old in vae.sets if old.variant and not any(f".{old.variant}." in path for path in brought)]
    yield from (f"without the variant {name}: these weights do not come in its dtype" for name in dict.fromkeys(lost))
