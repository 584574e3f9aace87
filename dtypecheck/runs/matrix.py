"""Every sensible dtype plan of a pipeline rehearsed on one device, and the one to take: native, safe, cheapest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..checks.what_if import harmless, upcasts, usual
from ..dtypes import BF16, F16, F32, USUAL, DType
from ..knowledge import Knowledge
from ..loading import with_dtypes
from ..subjects import Pipeline
from ..subjects.shown import Run, Tried
from .rehearse import rehearse

PLANS: Final[tuple[tuple[DType, DType, DType], ...]] = (
    (F16, F16, F16),
    (BF16, BF16, BF16),
    (F32, F32, F32),
    (F16, F16, F32),
    (BF16, BF16, F32),
    (F32, F16, F16),
    (F32, BF16, BF16),
    (F32, F16, F32),
    (F32, BF16, F32),
    (BF16, F16, F16),
    (F16, BF16, BF16),
    (BF16, BF16, F16),
    (F16, F16, BF16),
    (F16, F32, F32),
    (BF16, F32, F32),
)
"""Text encoders, denoiser with all the rest, VAE: what people choose, the cheap first."""
_COSTS: Final = {"native": 0, "slow": 1, "emulated": 1, "absent": 2}


def matrix(
    pipeline: Pipeline,
    root: Path | None,
    known: Knowledge,
    device: str,
    given: Mapping[str, Any] | None = None,
    told: Callable[[str], None] | None = None,
    instead: Mapping[str, object] | None = None,
) -> tuple[Tried, ...]:
    """Each plan with what came of it, the recommended one first, then those that run, the cheapest first."""
    found = []
    for dtypes in plans(pipeline):
        planned = with_dtypes(pipeline, {"": F32, **dtypes}, known)
        if told:
            told(", ".join(f"{name} {dtype.short}" for name, dtype in dtypes.items()))
        found.append(tried(planned, rehearse(planned, root, known, device, given, instead), dtypes, known, device))
    order = {"runs": 0, "unknown": 1, "crashes": 2}
    found.sort(key=lambda row: (order[row.verdict], not row.safe, _cost(row, device, known), row.weight_bytes))
    best = next((row for row in found if row.verdict == "runs" and row.safe and _cost(row, device, known) < 2), None)
    if best is None:
        return tuple(found)
    return replace(best, recommended=True), *(row for row in found if row is not best)


def plans(pipeline: Pipeline) -> Iterator[dict[str, DType]]:
    """The dtype of each component, every plan once."""
    done: set[tuple[DType, ...]] = set()
    for te, denoiser, vae in PLANS:
        roles = {"text_encoder": te, "vae": vae}
        dtypes = {part.name: roles.get(part.role, denoiser) for part in pipeline.components if part.role != "unused"}
        key = tuple(dtypes.values())
        if key not in done:
            done.add(key)
            yield dtypes


def tried(planned: Pipeline, run: Run, dtypes: Mapping[str, DType], known: Knowledge, device: str) -> Tried:
    """One line of the matrix."""
    unsafe = [part for part in planned.components if not harmless(part, known)]
    notes = [f"{part.name} is documented not to be right in {dtypes[part.name].short}" for part in unsafe if part.name in dtypes]
    if run.verdict == "runs":
        vaes = (part for part in planned.of_role("vae") if part.loads().dtype is F16 and upcasts(part, known))
        notes += [f"{part.name} upcast by the pipeline while it decodes" for part in vaes]
    levels = known.row("devices", device)
    for dtype in dict.fromkeys(dtypes.values()):
        level = levels.get(dtype.name, "native")
        if level != "native":
            notes.append({"slow": f"{dtype.short} is slow on {device}", "emulated": f"{device} emulates {dtype.short}"}.get(
                level, f"{device} lacks {dtype.short}"
            ))  # fmt: skip
    return Tried(
        dtypes, run.verdict, run.crash, sum(run.weight_bytes.values()), "; ".join(notes), not unsafe, reason=run.reason,
        slow=any(levels.get(dtype.name) in ("slow", "emulated") for dtype in dtypes.values()),
    )  # fmt: skip


def remedies(
    pipeline: Pipeline,
    root: Path | None,
    known: Knowledge,
    device: str,
    given: Mapping[str, Any] | None = None,
    instead: Mapping[str, object] | None = None,
) -> tuple[Tried, ...]:
    """Usual requests, one dtype for all, rehearsed until one runs that nothing known speaks against; the likeliest first."""
    found: list[Tried] = []
    for dtype in dict.fromkeys(d for d in (usual(pipeline, known), *USUAL) if d is not None):
        planned = with_dtypes(pipeline, {"": dtype}, known)
        dtypes = {part.name: dtype for part in planned.components}
        found.append(tried(planned, rehearse(planned, root, known, device, given, instead), dtypes, known, device))
        if found[-1].verdict == "runs" and found[-1].safe and _cost(found[-1], device, known) < 2:
            break
    return tuple(found)


def _cost(row: Tried, device: str, known: Knowledge) -> int:
    """2: a dtype that the device lacks, 1: one that it emulates, 0: all native."""
    levels = known.row("devices", device)
    return max((_COSTS.get(levels.get(dtype.name, "native"), 0) for dtype in row.dtypes.values()), default=0)
