"""Remedies that store weights otherwise: parts kept in fp32, the dtype asked for, position ids, a missing variant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...dtypes import F16, F32, DType, can_hold, parse
from ...edits import Edit, SetKey, Store, Take
from ...fixplan import Refused, Step
from ...subjects import Component, WeightSet
from ..cast import laid_out
from ..convert import Wish as Conversion
from ..convert import conversions, index, restore
from .case import Case, refused

_IDS = r"position_ids$"


def keep_in_fp32(case: Case) -> Iterator[Step | Refused]:
    """The parts that the class keeps in fp32, out of an fp32 file of the same component where there is one."""
    if case.pipeline is None or case.component is None:
        return
    yield restore(case.pipeline, case.component, case.files, case.known)


def rebuild_index(case: Case) -> Iterator[Step | Refused]:
    """The index of shards that are all there, from their headers."""
    steps, left = index(case.finding.where.path.rpartition("/")[0], case.files)
    yield from left
    yield from steps


def whole_ids(case: Case) -> Iterator[Step | Refused]:
    """Position ids as the whole numbers that they are."""
    path = case.finding.where.path
    if not path.endswith(".safetensors"):
        yield refused(case, "position ids of a pickle are mended by converting it", "--to fp16, or fp32")
        return
    edit = Store(path, (Take(path, _IDS, "I64", whole=True), Take(path)))
    yield case.step(path, f"{case.finding.where.at}: {case.finding.source.lower()} -> int64", [edit], "position-ids")


def as_asked(case: Case) -> Iterator[Step | Refused]:
    """The components that are stored wider than they are loaded, in the dtype that they are loaded in."""
    pipeline = case.pipeline
    if pipeline is None:
        return
    if (variant := _there(case)) and not pipeline.request.variant:
        yield refused(case, "the narrower files are there already", f'pass variant="{variant}"')
        return
    for dtype in dict.fromkeys(component.loads().dtype for component in pipeline.components):
        wide = tuple(c.name for c in pipeline.components if c.loads().dtype is dtype and _wider(c))
        if dtype is not None and wide:
            steps, left = conversions(pipeline, case.files, Conversion(dtype, wide, shard=case.wish.shard), case.known)
            yield from left
            yield from steps


def missing_variant(case: Case) -> Iterator[Step | Refused]:
    """The variant's files for the components that have only plain ones."""
    pipeline = case.pipeline
    variant = pipeline.request.variant if pipeline else None
    dtype = parse(variant or "")
    if pipeline is None or variant is None:
        return
    if dtype is None:
        there = [c.loads().dtype for c in pipeline.components if c.loads().variant]
        stored = [s.main for c in pipeline.components for s in c.sets if s.variant == variant and s.main]
        dtype = stored[0] if stored else next(iter(there), None)
    if dtype is None:
        return
    plain = tuple(c.name for c in pipeline.components if c.loads().chosen and c.loads().variant is None)
    steps, left = conversions(pipeline, case.files, Conversion(dtype, plain, variant, case.wish.shard), case.known)
    yield from left
    yield from steps


def as_named(case: Case) -> Iterator[Step | Refused]:
    """A variant's files in the dtype that the variant is named after."""
    component = case.component
    found = [s for s in component.sets if s.where.path == case.finding.where.path] if component else []
    dtype = parse(found[0].variant or "") if found else None
    if not found or dtype is None or component is None or case.pipeline is None:
        return
    weights = found[0]
    if weights.format != "safetensors":
        yield refused(case, "this variant is a pickle", "fix TARGET --to " + dtype.short)
        return
    yield from _recast(case, weights, dtype)


def one_dtype(case: Case) -> Iterator[Step | Refused]:
    """One component of a single file in one dtype: the wider one, which loses nothing."""
    component = case.component
    chosen = component.loads().chosen if component else None
    if component is None or chosen is None or chosen.main is None:
        return
    path = chosen.files[0].path
    floats = [dtype for dtype in chosen.stock if dtype.is_wide]
    widest = max(floats, key=lambda dtype: (dtype.bits, dtype.mantissa))
    if not all(can_hold(widest, dtype) for dtype in floats):
        widest = F32
    keys = [tensor.key for _, tensor in chosen.tensors()]
    pattern = "^(?:" + "|".join(map(re.escape, keys)) + ")$"
    edit = Store(path, (Take(path, pattern, widest.name), Take(path)))
    change = f"{component.name}: {' and '.join(dtype.short for dtype in floats)} -> {widest.short}"
    yield case.step(path, change, [edit], "upcast", costs=["what the narrower part has lost does not come back"])


def _there(case: Case) -> str:
    """The variant of the dtype asked for that every component stored too wide has, else nothing."""
    if case.pipeline is None:
        return ""
    wide = [c for c in case.pipeline.components if _wider(c)]
    names = [{s.variant for s in c.sets if s.variant and s.main is c.loads().dtype} for c in wide]
    shared = set.intersection(*map(set, names)) if names else set()
    return sorted(map(str, shared))[0] if shared else ""


def _wider(component: Component) -> bool:
    load = component.loads()
    return load.chosen is not None and not component.quantised and load.chosen.nbytes > load.nbytes


def _recast(case: Case, weights: WeightSet, dtype: DType) -> Iterator[Step | Refused]:
    edits: list[Edit] = []
    total = 0
    for file in weights.files:
        edit = Store(file.path, (Take(file.path, "", dtype.name),))
        layout = laid_out(case.files, edit)
        total += sum(part.nbytes for part in layout.parts)
        edits.append(edit)
    if weights.index:
        edits.append(SetKey(weights.index, "/metadata/total_size", str(total)))
    stored = weights.main or F16
    tensors = sum(amount.tensors for kind, amount in weights.stock.items() if kind.is_wide and kind is not dtype)
    change = f"{stored.short} -> {dtype.short}, {tensors:,} tensors"
    lossless = all(can_hold(dtype, kind) for kind in weights.stock if kind.is_wide)
    costs = ("the numbers stay", "what was lost before does not come back") if lossless else ()
    yield case.step(weights.where.path, change, edits, dtype.short, lossless, costs)
