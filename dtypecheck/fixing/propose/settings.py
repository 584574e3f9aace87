"""Remedies that change a setting or a name: a declared dtype, force_upcast, a compute dtype, an index, left-over shards."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...dtypes import F32
from ...edits import Remove, Rename, SetKey
from ...fixplan import Refused, Step
from ...read.shards import shards_of
from ...subjects import Component, pointer
from .case import Case, refused

_LOADED_LIKE = "float32"
"""What diffusers loads its own classes in when no dtype is asked for. source: diffusers 0.42.1 models/modeling_utils.py"""


def as_the_rule_says(case: Case) -> Iterator[Step | Refused]:
    """The edits that the rule itself wrote into its finding."""
    fix = case.finding.fix
    if fix is None or not fix.edits:
        return
    first = fix.edits[0]
    match first:
        case SetKey(path=path, pointer=at, value=value):
            yield case.step(path, f"{_name(at)}: {_held(case, path, at)} -> {value}", fix.edits, _strategy(at), fix.lossless)
        case Rename(path=path, name=name):
            yield case.step(path, f"renamed to {name}", fix.edits, "rename", fix.lossless)


def declare_one_dtype(case: Case) -> Iterator[Step | Refused]:
    """Let every transformers part of a pipeline declare float32, which diffusers loads the others in by default."""
    if case.pipeline is None:
        return
    edits = []
    for component in case.pipeline.components:
        if component.family != "transformers" or component.config is None or component.quantised:
            continue
        if component.loads().dtype in (F32, None):
            continue
        key = "dtype" if component.config.data.get("dtype") is not None else "torch_dtype"
        key = key if component.config.data.get(key) is not None else "dtype"
        edits.append((component, SetKey(component.config.path, pointer(key), json.dumps(_LOADED_LIKE))))
    if edits:
        names = ", ".join(component.name for component, _ in edits)
        first = edits[0][1]
        was = next(component.loads().dtype for component, _ in edits)
        change = f"{_name(first.pointer)}: {_held(case, first.path, first.pointer)} -> {first.value}"
        place = first.path if len(edits) == 1 else names
        costs = ["without torch_dtype all of it then loads in fp32", f"{names} no longer in {was.short}"] if was else []
        yield case.step(place, change, [edit for _, edit in edits], "declare", costs=costs)


def compute_dtype(case: Case) -> Iterator[Step | Refused]:
    """Let a packed component compute in the dtype that the rest is loaded in."""
    component = case.component
    packed = component.quantised if component else None
    dtype = component.loads().dtype if component else None
    if component is None or packed is None or packed.compute is None or dtype is None:
        return
    where = packed.compute.where
    if not where.at or component.config is None or where.path != component.config.path:
        yield refused(
            case, "the compute dtype stands in no setting of this model", f"quantise with a compute dtype of {dtype.short}"
        )
        return
    edit = SetKey(where.path, where.at, json.dumps(dtype.torch))
    change = f"{_name(where.at)}: {_held(case, where.path, where.at)} -> {edit.value}"
    yield case.step(where.path, change, [edit], "compute", costs=[f"packed layers compute in {dtype.short}"])


def upcast(case: Case) -> Iterator[Step | Refused]:
    """force_upcast for a VAE whose weights are not known to be safe in fp16, where the pipeline reads it."""
    component, pipeline = case.component, case.pipeline
    if component is None or component.config is None or pipeline is None:
        return
    row = case.known.row("pipelines", pipeline.klass or "")
    if not row.get("reads_force_upcast") or "upcast" not in row.get("decode", "").split("+"):
        return
    path = component.config.path
    change = f"force_upcast: {_held(case, path, '/force_upcast')} -> true"
    costs = f"{pipeline.klass} then decodes in fp32: safe, slower, {_wider(component)} more while it decodes"
    yield case.step(path, change, [SetKey(path, "/force_upcast", "true")], "upcast", costs=[costs])


def remove_shards(case: Case) -> Iterator[Step | Refused]:
    """Take the shards away that no index names."""
    found = [entry for entry in shards_of(case.finding.where.path, case.files) if entry.name]
    index = case.finding.against
    if not found or index is None:
        return
    named = set(json.loads(case.files.read(index.path))["weight_map"].values())
    extra = [entry for entry in found if entry.name.rpartition("/")[2] not in named]
    freed = sum(entry.size for entry in extra)
    place = extra[0].name if len(extra) == 1 else f"{extra[0].name} and {len(extra) - 1} more"
    costs = (f"no loader reads {'it' if len(extra) == 1 else 'them'}", f"{freed:,} bytes")
    yield case.step(place, "removed", [Remove(entry.name) for entry in extra], "remove", lossless=False, costs=costs)


def _name(at: str) -> str:
    return at.rpartition("/")[2].replace("~1", "/").replace("~0", "~")


def _held(case: Case, path: str, at: str) -> str:
    """What a JSON file holds at a pointer, as JSON text."""
    value = json.loads(case.files.read(path).decode("utf-8-sig"))
    for key in at.split("/")[1:]:
        value = value.get(key.replace("~1", "/").replace("~0", "~")) if isinstance(value, dict) else None
    return "absent" if value is None else json.dumps(value)


def _strategy(at: str) -> str:
    return "upcast" if at == "/force_upcast" else "declare"


def _wider(component: Component) -> str:
    from ...checks.words import size

    return size(component.loads().nbytes)
