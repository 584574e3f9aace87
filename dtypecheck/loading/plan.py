"""The load plan: for each component the files that are read, the dtype its parameters get, and which witness decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from ..dtypes import BF16, F8_E4M3, F16, F32, I32, U8, DType
from ..findings import Where
from ..knowledge import Knowledge
from ..subjects import Claim, Component, Load, Pipeline, Request, WeightSet
from .choice import choose, no_variant
from .keep import keep_list, matcher

QUANTISED_DEFAULTS: Final = {"bitsandbytes_4bit": F16, "bitsandbytes_8bit": F16, "torchao": BF16, "gptq": F16, "awq": F16}
"""The dtype of what is not packed when none is asked for. source: diffusers 0.42.1 quantizers, transformers 5.23 quantizers"""
FORCED: Final = {"fbgemm_fp8": BF16, "fp_quant": BF16}
"""Methods that overwrite whatever dtype is asked for. source: transformers 5.23 quantizers/quantizer_fbgemm_fp8.py:90"""
_PACKED: Final = ("absmax", "quant_map", "nested_quant_map", "SCB", "weight_format", "qzeros", "scales", "g_idx", "weight_scale")


def plan(pipeline: Pipeline, request: Request, known: Knowledge) -> Pipeline:
    """The pipeline with a `Load` for each component, as the libraries of the request would load it."""
    failure = no_variant(pipeline, request.variant) if request.variant else None
    components = tuple(
        replace(component, load=Load(None, failure=failure, raises="ValueError"))
        if failure
        else replace(component, load=_load(component, request, pipeline, known))
        for component in pipeline.components
    )
    adapters = tuple(replace(a, load=_load(a, request, pipeline, known)) for a in pipeline.adapters)
    return replace(pipeline, components=components, adapters=adapters, request=request)


def with_dtypes(pipeline: Pipeline, dtypes: Mapping[str, DType], known: Knowledge) -> Pipeline:
    """The same pipeline under another request for dtypes: what if."""
    return plan(pipeline, replace(pipeline.request, dtypes=dtypes), known)


def parameter_dtype(component: Component, key: str, stored: DType, request: Request, known: Knowledge) -> DType:
    """The dtype that one parameter has after loading, by its key and stored dtype. Integers and packed weights stay as stored."""
    load = component.loads()
    if load.dtype is None or not _is_cast(component, key, stored, request):
        return stored
    names = keep_list(component, load.dtype, request, known)
    return F32 if names and matcher(component, names, request).search(key) else load.dtype


def _load(component: Component, request: Request, pipeline: Pipeline, known: Knowledge) -> Load:
    choice = choose(component, request.variant, pipeline.kind == "pipeline")
    if choice.chosen is None:
        return Load(None, failure=choice.failure, raises=choice.raises)
    claim = _claim(component, choice.chosen, request)
    if component.family == "transformers" and component.quantised is None and not claim.dtype.is_wide:
        failure = f"without a dtype it would be built in {claim.dtype.short}, in which torch builds no module"
        return Load(None, claim, failure=failure, raises="TypeError")
    names = () if _islands_lost(component, request) else keep_list(component, claim.dtype, request, known)
    counts, kept = _counts(component, choice.chosen, claim.dtype, names, request)
    packed = choice.chosen.nbytes if component.quantised else None
    return Load(claim.dtype, claim, counts, choice.chosen, names, kept, variant=choice.variant, packed=packed)


def _islands_lost(component: Component, request: Request) -> bool:
    """diffusers' keep list acts only when a dtype is asked for; without one all is float32 anyway."""
    return component.family == "diffusers" and request.dtype_for(component.name) is None


def _claim(component: Component, chosen: WeightSet, request: Request) -> Claim:
    """The witness that decides the dtype: the request, the config, the first tensor, or the library's default."""
    asked, packed = request.dtype_for(component.name), component.quantised
    if packed and packed.method in FORCED and component.family == "transformers":
        return Claim(FORCED[packed.method], packed.where, "loads")
    if asked and component.family != "adapter":
        return Claim(asked, Where("", component.name), "requests")
    if component.family == "transformers" and request.version("transformers") >= (5,):
        if component.declared:
            return component.declared
        if chosen.index and chosen.says:
            return Claim(chosen.says, chosen.where, "declares")
        first = _first(chosen)
        if first and (first.dtype.is_wide or component.quantised is None):
            return first
    if component.family == "adapter":
        return Claim(chosen.main or F32, chosen.where, "stores")
    if packed and packed.method == "gguf" and packed.compute:
        return packed.compute
    return Claim(QUANTISED_DEFAULTS.get(packed.method, F32) if packed else F32, chosen.where, "loads")


def _first(chosen: WeightSet) -> Claim | None:
    """The first floating tensor of the first file, fp8 and narrower left out; if it has none, the first tensor.

    A safetensors file gives its keys in sorted order, a pickle in its own. source: transformers 5.23 modeling_utils.py:258, 317
    """
    file = chosen.files[0] if chosen.files else None
    tensors = file.tensors or () if file else ()
    ordered = sorted(tensors, key=lambda tensor: tensor.key) if chosen.format == "safetensors" else list(tensors)
    found = next((tensor for tensor in ordered if tensor.dtype.is_wide), ordered[0] if ordered else None)
    return Claim(found.dtype, Where(file.path, found.key), "stores") if file and found else None


def _is_cast(component: Component, key: str, stored: DType, request: Request) -> bool:
    """True for what a loader casts: floating tensors; of a packed component only those that are not part of the packing.

    transformers 4 leaves float8_e4m3fn as it is stored, whatever is asked for. source: 4.57.6 modeling_utils.py:648
    """
    if stored is F8_E4M3 and component.family == "transformers" and request.version("transformers") < (5,):
        return False
    if component.quantised is None:
        return stored.is_float
    return stored.is_wide and not key.endswith(_PACKED)


def _counts(
    component: Component, chosen: WeightSet, dtype: DType, names: tuple[str, ...], request: Request
) -> tuple[Mapping[DType, int], int]:
    """Parameters by dtype after loading, and how many of them the keep list `names` holds in float32."""
    counts: dict[DType, int] = {}
    kept = 0
    if component.quantised is None and not names:
        for stored, amount in chosen.stock.items():
            final = dtype if _is_cast(component, "", stored, request) else stored
            counts[final] = counts.get(final, 0) + amount.parameters
    else:
        kept_keys = matcher(component, names, request) if names else None
        for _, tensor in chosen.tensors():
            key, elements = tensor.key, tensor.elements
            final = tensor.dtype
            if component.quantised and key.endswith(_PACKED):
                continue
            if component.quantised and not tensor.dtype.is_wide:
                elements *= _packing(component.quantised.method, tensor.dtype)
            elif _is_cast(component, key, tensor.dtype, request):
                held = kept_keys is not None and kept_keys.search(key) is not None
                kept += elements * held
                final = F32 if held else dtype
            counts[final] = counts.get(final, 0) + elements
    return _shared(tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0].name)))), kept


def _packing(method: str, stored: DType) -> int:
    """Logical numbers in one stored element of a packed weight."""
    if method in ("bitsandbytes_4bit", "nunchaku") and stored is U8:
        return 2
    return 8 if method in ("gptq", "awq") and stored is I32 else 1


@lru_cache(maxsize=4096)
def _shared(counts: tuple[tuple[DType, int], ...]) -> Mapping[DType, int]:
    """The counts as a mapping; equal ones are one object, because a report on thousands of models keeps them all."""
    return dict(counts)
