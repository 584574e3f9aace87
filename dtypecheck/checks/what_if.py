"""Would another request run: the load plan under it has no crash at a boundary and no class documented bad in its dtype."""

from __future__ import annotations

from collections.abc import Mapping

from ..dtypes import F16, USUAL, DType
from ..knowledge import Knowledge
from ..loading import with_dtypes
from ..subjects import Component, Pipeline
from .meetings import crash_of_all, meetings
from .support import facts, force_upcast, severity


def runs(pipeline: Pipeline, dtypes: Mapping[str, DType], known: Knowledge) -> bool:
    """True when nothing known speaks against loading the pipeline so."""
    planned = with_dtypes(pipeline, dtypes, known)
    if any(component.loads().failure for component in planned.components):
        return False
    if next(meetings(planned, known), None) or crash_of_all(planned, known):
        return False
    return all(harmless(component, known) for component in planned.components)


def harmless(component: Component, known: Knowledge) -> bool:
    """True unless the class or checkpoint is said to give NaN or black in the dtype it is loaded in, and nothing upcasts it."""
    dtype = component.loads().dtype
    if dtype is None:
        return True
    row = facts(component, known)
    if severity(row, dtype) not in ("error", "warning"):
        return True
    return component.role == "vae" and dtype is F16 and upcasts(component, known)


def upcasts(vae: Component, known: Knowledge) -> bool:
    """True when the pipeline itself runs this fp16 VAE in float32 while it decodes."""
    decode = known.row("pipelines", vae.pipeline.klass or "").get("decode", "unknown")
    return "upcast" in decode.split("+") and force_upcast(vae, known)


def usual(pipeline: Pipeline, known: Knowledge) -> DType | None:
    """The usual request that runs: the one nearest to what is stored first, then float16, bfloat16, float32."""
    stored = [main for c in pipeline.of_role("denoiser") if (main := _main(c)) is not None and main.is_half]
    return next((dtype for dtype in dict.fromkeys((*stored, *USUAL)) if runs(pipeline, {"": dtype}, known)), None)


def _main(component: Component) -> DType | None:
    halves = [s.main for s in component.sets if s.main is not None]
    return next((dtype for dtype in halves if dtype.is_half), halves[0] if halves else None)
