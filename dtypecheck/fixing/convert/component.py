"""One component that has a folder, or a whole model: its files in another dtype, in place or as a variant beside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...dtypes import DType
from ...edits import Edit, Remove, SetKey, Store
from ...files import Files
from ...fixplan import Refused, Step
from ...knowledge import Knowledge
from ...subjects import Component, Request, WeightSet
from ..steps import step
from .indexes import index_edits
from .names import bare, folder_of, index_name, inside_of, shard_name, weights_name
from .recipe import Recipe, recipe_of
from .shards import Shard, as_they_are, in_order, one_more, packed, same
from .source import Source, source_of
from .wish import Wish
from .words import Tally, amount


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that the edits of one component are made of. shards: by the path that they are written to."""

    component: Component
    source: Source
    recipe: Recipe
    wish: Wish
    files: Files
    shards: tuple[tuple[str, Shard], ...]
    index: str | None
    there: frozenset[str]

    @property
    def dtype(self) -> DType:
        """The wished one."""
        return self.wish.dtype


def convert(component: Component, files: Files, wish: Wish, request: Request, known: Knowledge) -> Step | Refused:
    """The step that converts one component, or why there is none."""
    place = component.path or "."
    if wish.variant and component.family == "adapter":
        return Refused(place, "an adapter has no variants: no loader asks for one")
    source = source_of(component, wish, place)
    if isinstance(source, Refused):
        return source
    tensors = [tensor for _, tensor in source.chosen.tensors()]
    recipe = recipe_of(component, tensors, wish, request, known)
    tally = Tally.of(tensors, recipe)
    if not any(dtype.is_wide for dtype in source.chosen.stock):
        stored = ", ".join(dtype.short for dtype in source.chosen.stock)
        return Refused(place, f"{component.label} is stored in {stored}: there is no tensor that would be cast")
    found = _job(component, source, recipe, wish, files, place)
    return found if isinstance(found, Refused) else _step(found, tally, place)


def _step(job: Job, tally: Tally, place: str) -> Step | Refused:
    source, wish = job.source, job.wish
    declared = () if source.variant else tuple(_declares(job))
    again = source.pickled and wish.whole_safetensors
    shape = [] if same([shard for _, shard in job.shards], source.chosen) else [_reshaped(job)]
    cast = tally.wished(wish.dtype)
    if not cast and (source.beside or not (again or shape)):
        if declared:
            change = f"declares {_said(job.component)} -> {wish.dtype.torch}"
            return step(job.files, place, change, declared, wish.dtype.short, True, ["the weights are it already"])
        copy = f", the variant {wish.variant} would be a copy" if source.beside else ""
        return Refused(place, f"{job.component.label} is already {wish.dtype.short}{copy}", done=True)
    if taken := _taken(job):
        return Refused(place, f"{taken} belongs to another set of weights, which its index names")
    old = sorted(_superseded(job))
    lost = sorted(_overwritten(job).union(old) - _own(source.chosen)) if source.beside else sorted(_overwritten(job))
    edits = [*_stores(job), *_index(job), *declared, *map(Remove, old)]
    pieces = [tally.change(wish.dtype), *shape]
    pieces += [f"as the variant {wish.variant}"] if source.beside else []
    pieces += ["pickle -> safetensors"] if source.pickled else []
    costs = [*tally.costs(job.recipe), *_costs(job, lost)]
    costs += [f"{declared[0].path} then declares {wish.dtype.torch}"] if declared else []
    left = source.pickled and any(file.metadata.get("elsewhere") for file in source.chosen.files)
    lossless = not lost and (source.beside or not (tally.narrows or left))
    return step(job.files, place, ", ".join(filter(None, pieces)), edits, wish.dtype.short, lossless, costs)


def _job(component: Component, source: Source, recipe: Recipe, wish: Wish, files: Files, place: str) -> Job | Refused:
    folder = folder_of(source.chosen.where.path)
    there = frozenset(entry.name for entry in files.entries())
    shards = packed(source.chosen, recipe.nbytes, wish.shard) if wish.shard else as_they_are(source.chosen)
    if same(shards, source.chosen):
        shards = as_they_are(source.chosen)
    while True:
        named = _named(source, folder, shards)
        ordered = in_order(named)
        if ordered is not None:
            break
        more = one_more(shards)
        if more is None:
            return Refused(place, "the shards cannot be packed anew under the names that they have now")
        shards = more
    index = _index_path(source, folder, len(shards))
    return Job(component, source, recipe, wish, files, tuple(ordered), index, there)


def _named(source: Source, folder: str, shards: Sequence[Shard]) -> list[tuple[str, Shard]]:
    """Where each shard goes: in place to the file that it comes from, else under the names that save_pretrained gives."""
    if not source.beside and not source.pickled and same(shards, source.chosen):
        return [(file.path, shard) for file, shard in zip(source.chosen.files, shards, strict=True)]
    count = len(shards)
    if count == 1 and (source.chosen.index is None or not same(shards, source.chosen)):
        return [(inside_of(folder, weights_name(source.stem, source.variant)), shards[0])]
    names = (shard_name(source.stem, source.variant, number, count) for number in range(1, count + 1))
    return [(inside_of(folder, name), shard) for name, shard in zip(names, shards, strict=True)]


def _index_path(source: Source, folder: str, count: int) -> str | None:
    chosen = source.chosen
    if count == 1 and chosen.index is None:
        return None
    if not source.beside and not source.pickled and chosen.index and chosen.spelling in ("usual", "legacy"):
        return chosen.index
    return inside_of(folder, index_name(source.stem, source.variant))


def _single(job: Job) -> bool:
    """True when one file is written that no index names."""
    return len(job.shards) == 1 and bare(job.shards[0][0]) == weights_name(job.source.stem, job.source.variant)


def _stores(job: Job) -> Iterator[Store]:
    for path, shard in job.shards:
        takes = tuple(take for source in shard.sources for take in job.recipe.takes(source))
        yield Store(path, takes, () if shard.whole(job.source.chosen) else shard.keys, job.wish.clamp)


def _index(job: Job) -> Iterator[Edit]:
    if job.index is None or _single(job):
        return
    weight_map = {key: bare(path) for path, shard in sorted(job.shards) for key in shard.keys}
    total = sum(job.recipe.nbytes(tensor) for _, shard in job.shards for _, tensor in shard.rows)
    yield from index_edits(job.files, job.index, job.source.chosen.index, weight_map, total, job.dtype)


def _declares(job: Job) -> Iterator[SetKey]:
    """The config follows: transformers 5 casts to what it declares, or to the first tensor's dtype where it declares nothing."""
    config, dtype = job.component.config, job.dtype
    if config is None or job.component.family != "transformers":
        return
    said = {key: config.data[key] for key in ("dtype", "torch_dtype") if isinstance(config.data.get(key), str)}
    for key, value in said.items():
        if value != dtype.torch:
            yield SetKey(config.path, f"/{key}", json.dumps(dtype.torch))
    if not said and job.shards:
        floats = sorted((t.key, t) for _, t in min(job.shards)[1].rows if t.dtype.is_wide)
        if floats and job.recipe.dtype_of(floats[0][1]) is not dtype:
            yield SetKey(config.path, "/dtype", json.dumps(dtype.torch))


def _said(component: Component) -> str:
    return str((component.config and component.config.get("dtype", "torch_dtype")) or "nothing")


def _own(chosen: WeightSet) -> set[str]:
    return {file.path for file in chosen.files} | ({chosen.index} if chosen.index else set())


def _written(job: Job) -> set[str]:
    return {path for path, _ in job.shards} | ({job.index} if job.index and not _single(job) else set())


def _superseded(job: Job) -> set[str]:
    """Files that a loader would read instead of the new ones, or that nothing names any more."""
    source = job.source
    rivals = [s for s in job.component.sets if (s.variant, s.stem, s.format) == (source.variant, source.stem, "safetensors")]
    stale = set().union(*map(_own, rivals)) if source.beside else _own(source.chosen)
    return (stale & job.there) - _of_others(job) - _written(job)


def _of_others(job: Job) -> set[str]:
    """The files of other variants, which are never touched."""
    return set().union(*(_own(s) for s in job.component.sets if s.variant != job.source.variant))


def _overwritten(job: Job) -> set[str]:
    """Files of other sets, or of none, that a new one takes the place of."""
    return (_written(job) & job.there) - _own(job.source.chosen)


def _taken(job: Job) -> str:
    """A path to be written that another variant's index names, "" when there is none."""
    return min(_of_others(job) & _written(job), default="")


def _reshaped(job: Job) -> str:
    return f"{amount(len(job.source.chosen.files), 'file')} -> {amount(len(job.shards), 'file')}"


def _costs(job: Job, lost: Sequence[str]) -> Iterator[str]:
    if lost:
        what = f"{amount(len(lost), 'file')} that {'is' if len(lost) == 1 else 'are'} there"
        yield f"replaces {what}: {', '.join(map(bare, lost[:3]))}{' ...' if len(lost) > 3 else ''}"
    left = next((text for file in job.source.chosen.files if (text := file.metadata.get("elsewhere"))), "")
    if left and job.source.pickled:
        yield f"what is no weight is left out: {left}"
    said = job.component.declared
    if job.source.variant and said and said.dtype is not job.dtype:
        loads = f"without torch_dtype transformers 5 loads the variant in {said.dtype.short}"
        yield f"config.json is shared and declares {said.dtype.torch}: {loads}"
