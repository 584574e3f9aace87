"""A file that is all there is: a checkpoint, of which one component may be meant, a LoRA, an embedding, a ControlNet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ...edits import Remove, Store
from ...files import Files
from ...fixplan import Refused, Step
from ...knowledge import Knowledge
from ...loading.keep import keep_list, matcher
from ...subjects import Component, Pipeline, Tensor, WeightFile
from ..steps import step
from .names import bare, folder_of, inside_of
from .recipe import Recipe, exactly, untouched
from .wish import Wish
from .words import Tally, amount

_ALPHA: Final = r"(?:^|\.)alpha$"
"""A number beside a LoRA's pair of matrices. It says how strong the pair is, and bf16 has no 0.1 and no 257."""
_TABLES: Final = (
    r"^(?:betas|(?:sqrt_|log_)?(?:one_minus_)?(?:recipm?1?_)?alphas_cumprod(?:_prev)?|posterior_\w+|logvar|lvlb_weights|denoiser\.sigmas"
    r"|model_ema\.(?:decay|num_updates))$"
)
"""The noise schedule that training wrote beside the weights, 1,000 numbers a table, and the state of an average: 0.9999 is 1 in
half precision. diffusers reads none of it, other programs sample by it."""
_WEBUI: Final = "string_to_param."


def convert_file(pipeline: Pipeline, files: Files, wish: Wish, known: Knowledge) -> Step | Refused:
    """The step that converts a single file or an adapter, whole or the wished components of it, or why there is none."""
    place = pipeline.path
    parts = [c for c in pipeline.components if not wish.components or {c.name, c.role} & set(wish.components)]
    held = [file for c in pipeline.components for chosen in c.sets for file in chosen.files]
    if no := _refused(pipeline, wish, parts, held):
        return no
    tensors = [tensor for file in (*held, *pipeline.loose) for tensor in file.tensors or ()]
    recipe = _recipe(pipeline, parts, tensors, wish, known)
    tally = Tally.of(tensors, recipe)
    source = held[0]
    pickled = not source.path.endswith(".safetensors")
    cast = tally.wished(wish.dtype)
    if not cast and not (pickled and wish.whole_safetensors):
        return Refused(place, _nothing(tensors, parts, pipeline, wish), done=True)
    edits: list[Store | Remove] = [Store(source.path, recipe.takes(source.path), (), wish.clamp)]
    costs = [*tally.costs(recipe), *_costs(tensors, wish)]
    if pickled:
        new = inside_of(folder_of(source.path), bare(source.path).rpartition(".")[0] + ".safetensors")
        if any(entry.name == new for entry in files.entries()):
            return Refused(place, f"{new} is there already, and would be the name of the converted file")
        edits = [Store(new, recipe.takes(source.path), (), wish.clamp), Remove(source.path)]
    left = source.metadata.get("elsewhere", "") if pickled else ""
    costs += [f"what is no weight is left out: {left}"] if left else []
    whole = not wish.components or len(parts) == len(pipeline.components)
    named = "" if whole else " in " + ", ".join(part.name for part in parts)
    pieces = [tally.change(wish.dtype) + (named if cast else ""), "pickle -> safetensors" if pickled else ""]
    lossless = not tally.narrows and not left
    return step(files, place, ", ".join(filter(None, pieces)), edits, wish.dtype.short, lossless, costs)


def _refused(pipeline: Pipeline, wish: Wish, parts: Sequence[Component], held: Sequence[WeightFile]) -> Refused | None:
    place = pipeline.path
    if not held:
        return Refused(place, "it has no weights that can be read")
    if wish.variant:
        why = "a single file has no variants: no loader asks for one"
        return Refused(place, why, (), ("convert it in place, or --out DIR",))
    if broken := next((file for file in held if file.trouble or file.tensors is None), None):
        return Refused(place, f"{broken.path} cannot be read: {broken.trouble or 'its header was not kept'}")
    if any(file.format == "gguf" for file in held):
        return Refused(place, "GGUF files are written by their own tools", (), ("convert the weights that it was made from",))
    if packed := next((part for part in parts if part.quantised), None):
        method = packed.quantised.method if packed.quantised else ""
        plain = [part.name for part in pipeline.components if part.name and not part.quantised]
        why = f"{packed.name or 'it'} is quantised ({method}): packed numbers are not cast, only its own library can unpack them"
        return Refused(place, why, (), tuple(f"--component {name}" for name in plain))
    keys = [key for file in held for key in (file.tensors.keys if file.tensors else ())]
    if not held[0].path.endswith(".safetensors") and any(key.startswith(_WEBUI) or not key for key in keys):
        why = "the token that this embedding is for stands outside of its tensors, where a safetensors file has no place for it"
        return Refused(place, why)
    return None


def _nothing(tensors: Sequence[Tensor], parts: Sequence[Component], pipeline: Pipeline, wish: Wish) -> str:
    if not any(tensor.dtype.is_wide for tensor in tensors):
        stored = ", ".join(dict.fromkeys(tensor.dtype.short for tensor in tensors))
        return f"it is stored in {stored}: there is no tensor that would be cast"
    what = ", ".join(part.name for part in parts) if wish.components and len(parts) < len(pipeline.components) else "it"
    return f"{what} is already {wish.dtype.short}"


def _recipe(pipeline: Pipeline, parts: Sequence[Component], tensors: Sequence[Tensor], wish: Wish, known: Knowledge) -> Recipe:
    """What is no weight stays, then what T5 and the like keep in fp32, then the components, then all that is no component's."""
    numbers = (_ALPHA if pipeline.kind == "adapter" else _TABLES, "")
    rows = [*([numbers] if wish.dtype.is_half else []), *untouched(tensors)]
    kept: list[str] = []
    every = [tensor.key for tensor in tensors]
    limited = bool(wish.components) and len(parts) < len(pipeline.components)
    for part in parts:
        names = keep_list(part, wish.dtype, pipeline.request, known) if wish.keep else ()
        kept += names
        own = _pattern(part, pipeline, every, known) if limited or names else ""
        if names:
            rows.append((f"{_lookahead(own)}(?:{matcher(part, names, pipeline.request).pattern})", "F32"))
        if limited:
            rows.append((own, wish.dtype.name))
    rows.append(("", "" if limited else wish.dtype.name))
    there = [row for row in rows if any(re.search(row[0], key) for key in every)]
    return Recipe(tuple(there), tuple(dict.fromkeys(kept)))


def _lookahead(own: str) -> str:
    """A pattern that goes on anywhere in a key of these, nothing for all keys."""
    return f"^(?={own.removeprefix('^')}).*?" if own else ""


def _pattern(part: Component, pipeline: Pipeline, every: Sequence[str], known: Knowledge) -> str:
    """The shortest pattern that finds the keys of one component in the file and no others."""
    own = {tensor.key for chosen in part.sets for _, tensor in chosen.tensors()}
    if len(own) == len(every):
        return ""
    candidates = (*_by_prefix(own, every), exactly(sorted(own)))
    return next(pattern for pattern in candidates if {key for key in every if re.search(pattern, key)} == own)


def _by_prefix(own: Iterable[str], every: Iterable[str]) -> Iterator[str]:
    """What the keys begin with, and what the others begin with, up to the first, second and third dot."""
    own, others = set(own), set(every) - set(own)
    for dots in (1, 2, 3):
        mine, theirs = ({".".join(key.split(".")[:dots]) + "." for key in keys} for keys in (own, others))
        if len(mine) <= 3:
            yield f"^(?:{'|'.join(map(re.escape, sorted(mine)))})"
        if len(theirs) <= 3:
            yield f"^(?!{'|'.join(map(re.escape, sorted(theirs)))})"


def _costs(tensors: Sequence[Tensor], wish: Wish) -> Iterator[str]:
    tables = [t for t in tensors if re.search(_TABLES, t.key) and t.dtype.is_wide and t.dtype is not wish.dtype]
    if tables and wish.dtype.is_half:
        yield f"{amount(len(tables), 'tensor')} of the noise schedule and of the training stay {tables[0].dtype.short}"
    if wish.shard:
        yield "a single file is not split"
