"""What to do about a component whose numbers leave the range of its dtype: by its role, its pipeline, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..dtypes import BF16, F16, F32, DType
from ..findings import Fix
from ..knowledge import Knowledge, Row
from ..subjects import Component
from ..subjects.shown import Run
from .files.components_meet import call, swaps
from .shown import component_name, component_of, role_of
from .support import facts, force_upcast, severity

APPLICATIONS: Final = ("ComfyUI", "AUTOMATIC1111", "Forge")
"""The applications whose switches are named; remedies.toml knows more of them."""


def cures(run: Run, module: str, dtype: DType, known: Knowledge) -> tuple[Fix | None, tuple[str, ...]]:
    """The first thing to do and what else helps, for a module that left the range of `dtype`; nothing where no dtype reaches further."""
    if dtype.largest >= BF16.largest:
        return None, ()
    role = role_of(run, module, known)
    titles = list(dict.fromkeys((*_special(run, module, role, dtype, known), _wider(run, module, role, known))))
    switches = [text] if (text := _switches(role, known)) else []
    return Fix(titles[0]), (*titles[1:], *switches)


def _special(run: Run, module: str, role: str, dtype: DType, known: Knowledge) -> Iterator[str]:
    """What is known of this component in this pipeline, before the general advice."""
    component = component_of(run, module)
    if component is None:
        return
    if role == "vae":
        yield from _of_vae(run, component, dtype, known)
        return
    row = facts(component, known)
    if severity(row, dtype) and row.get("fix"):
        yield str(row["fix"][0])


def _of_vae(run: Run, vae: Component, dtype: DType, known: Knowledge) -> Iterator[str]:
    klass = run.pipeline.klass if run.pipeline else None
    row = known.row("pipelines", klass or "")
    name = vae.name or "vae"
    if "upcast" in _decode(row) and row.get("reads_force_upcast") and dtype is F16:
        if vae.config and not force_upcast(vae, known):
            yield f"{name}.register_to_config(force_upcast=True): {klass} then decodes in fp32 by itself"
        else:
            yield f"let {klass} decode: it runs its {name} in fp32 while it does, if force_upcast is on and no autocast is around it"
    elif "cast" in _decode(row):
        yield f"{name}.to(torch.float32): {klass} casts the latents to it"
    yield from swaps(vae, known, dtype)[:1]


def _decode(row: Row) -> list[str]:
    return str(row.get("decode", "unknown")).split("+")


def _wider(run: Run, module: str, role: str, known: Knowledge) -> str:
    """bf16, which has the range of fp32; of all of the pipeline where it does not cast what goes from part to part."""
    pipeline, component = run.pipeline, component_of(run, module)
    name = component_name(run, module) or "the model"
    to, why = _target(run, component, known)
    row = known.row("pipelines", pipeline.klass or "") if pipeline else {}
    together = {"vae": "cast" not in _decode(row), "text_encoder": row.get("embeds") != "cast"}.get(role, role == "denoiser")
    if pipeline and pipeline.klass and row and together:
        return f"load all of it in {to.short}{why}: {call(pipeline, to)}"
    return f"run {name} in {to.short}{why}, which has the range, and cast what goes into it"


def _target(run: Run, component: Component | None, known: Knowledge) -> tuple[DType, str]:
    """bf16, or fp32 where the device has no bf16 of its own or the class is known to be bad in it."""
    device = known.row("devices", run.device)
    native = device.get("BF16", "native") in ("native", "slow")
    if component and severity(facts(component, known), BF16):
        return F32, ""
    return (BF16, "") if native else (F32, f" ({run.device} has no bf16 of its own)")


def _switches(role: str, known: Knowledge) -> str:
    """What to set in the applications, in one line; the same switch of several is said once."""
    found: dict[str, list[str]] = {}
    for app in APPLICATIONS:
        for row in known.rows("remedies", role):
            if row.get("app") == app and "set" in row:
                found.setdefault(str(row["set"]), []).append(app)
    return ", ".join(f"in {' and '.join(apps)} {switch}" for switch, apps in found.items())
