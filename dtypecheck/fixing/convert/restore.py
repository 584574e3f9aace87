"""What a library keeps in fp32 and a file stores narrower: taken again from the fp32 file, or only widened without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...dtypes import F16, F32
from ...edits import Edit, Store, Take
from ...files import Files
from ...fixplan import Refused, Step
from ...knowledge import Knowledge
from ...loading.keep import keep_list, matcher
from ...subjects import Component, Pipeline, Tensor, WeightFile, WeightSet
from ..steps import step
from .indexes import index_edits
from .names import bare
from .recipe import exactly
from .shards import Row
from .words import amount


def restore(pipeline: Pipeline, component: Component, files: Files, known: Knowledge) -> Step | Refused:
    """The step that puts kept parts of a planned component back into fp32, or why there is none.

    The fp32 numbers are believed by name and shape: that they are those of the same weights, only reading them could tell.
    """
    place = component.path or "."
    chosen = component.loads().chosen
    names = keep_list(component, F16, pipeline.request, known)
    if component.quantised or chosen is None or not names:
        return Refused(place, f"nothing that a library keeps in fp32 is known of {component.described}")
    keeps = matcher(component, names, pipeline.request)
    kept = [row for row in chosen.tensors() if row[1].dtype.is_wide and keeps.search(row[1].key)]
    narrow = [row for row in kept if row[1].dtype.bits < F32.bits]
    if not narrow:
        return Refused(place, f"{component.label} stores in fp32 what {component.family} keeps in fp32")
    if chosen.format != "safetensors":
        return Refused(place, f"{bare(chosen.where.path)} is a pickle, of which no part is changed", (), ("--to fp32",))
    wide = _wide(component, chosen, narrow)
    pattern = keeps.pattern if len(narrow) == len(kept) else exactly(tensor.key for _, tensor in narrow)
    edits: list[Edit] = [_store(file, narrow, wide, pattern) for file in chosen.files if any(row[0] is file for row in narrow)]
    if chosen.index:
        grown = sum(F32.nbytes(tensor.elements) - tensor.dtype.nbytes(tensor.elements) for _, tensor in narrow)
        weight_map = {tensor.key: bare(file.path) for file, tensor in chosen.tensors()}
        edits += index_edits(files, chosen.index, chosen.index, weight_map, chosen.nbytes + grown, None)
    was = " and ".join(sorted({tensor.dtype.short for _, tensor in narrow}))
    change = f"{was} -> fp32, {amount(len(narrow), 'tensor')} that {component.family} keeps in fp32"
    origins = sorted({file.path for file in wide.values()})
    costs = f"taken from {', '.join(origins)}" if origins else _GONE
    return step(files, place, change, edits, "keep-fp32", True, [costs])


_GONE = "there are no fp32 weights of it here: what was rounded when these were saved does not come back"


def _wide(component: Component, chosen: WeightSet, narrow: Sequence[Row]) -> Mapping[str, WeightFile]:
    """For each key the file of another set that holds it in fp32 and in the same shape; empty unless one set has them all."""
    for other in component.sets:
        if other.where == chosen.where or any(file.trouble for file in other.files):
            continue
        held = {tensor.key: (file, tensor) for file, tensor in other.tensors()}
        if all(_same(held.get(tensor.key), tensor) for _, tensor in narrow):
            return {tensor.key: held[tensor.key][0] for _, tensor in narrow}
    return {}


def _same(row: Row | None, wanted: Tensor) -> bool:
    return row is not None and row[1].shape == wanted.shape and row[1].dtype.is_wide and row[1].dtype.bits >= F32.bits


def _store(file: WeightFile, narrow: Sequence[Row], wide: Mapping[str, WeightFile], pattern: str) -> Store:
    """One file with its kept parts in fp32; other files give it only what it holds itself."""
    origins = dict.fromkeys(wide[tensor.key].path for own, tensor in narrow if own is file and wide)
    takes = [Take(origin, pattern, "F32") for origin in origins] or [Take(file.path, pattern, "F32")]
    keys = tuple(file.tensors.keys) if origins and file.tensors else ()
    return Store(file.path, (*takes, Take(file.path)), keys)
