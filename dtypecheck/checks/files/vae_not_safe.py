"""A VAE that overflows in fp16 is loaded in fp16, and the pipeline does not run it in fp32 by itself."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import BF16, F16, F32, DType
from ...edits import SetKey
from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge, Row
from ...rule import Rule
from ...subjects import Component
from ..support import facts, force_upcast, layers, severity, why
from ..what_if import runs, upcasts
from .components_meet import call, swaps

RESULTS = {
    "error": "NaN and black pictures",
    "warning": "a risk of NaN and black pictures",
    "note": "not the dtype that its authors decode in",
}


class VaeNotSafe(Rule):
    """A VAE that is not safe in fp16 is loaded in fp16, and this pipeline does not upcast it by itself.

    Its activations pass 65504, become inf, then NaN, and the picture is black. Pipelines of the SDXL family run such a VAE in
    float32 while they decode, if `force_upcast` is true in its config; they are silent here. `force_upcast` alone proves
    nothing: it is true by class default. For a single file the picture depends on the application, so it is a note.

    ```bad
    $ --dtype float16
    model_index.json: {"_class_name": "LuminaPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    vae/config.json: {"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.13025, "force_upcast": true}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```

    ```good
    $ --dtype float16
    model_index.json: {"_class_name": "StableDiffusionXLPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    vae/config.json: {"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.13025, "force_upcast": true}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT107"
    severity = "error"

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """At most one finding a VAE."""
        load, row = component.loads(), facts(component, known)
        single = component.pipeline.kind == "single-file"
        wanted = F16 if single and not component.pipeline.request.dtypes else load.dtype
        checkpoint = known.row("checkpoints", _sha256(component))
        worst = "error" if wanted and checkpoint.get(wanted.name) == "bad" else severity(row, wanted) if wanted else None
        if component.role != "vae" or wanted is None or worst is None or checkpoint.get(wanted.name) == "ok":
            return
        if wanted is F16 and upcasts(component, known) and not single:
            return
        named = layers(component, row)
        yield self.finding(
            component.loaded_from,
            self._message(component, wanted.short, worst, named),
            severity=_how_bad(component, worst, known),
            against=component.config.where("force_upcast") if component.config and _unread(component, known) else None,
            because=_because(component, checkpoint if checkpoint.get(wanted.name) == "bad" else row, known),
            fix=_fix(component, row, known),
            alternatives=_others(component, row, known),
            source=f"{component.klass} {wanted.name}",
        )

    def _message(self, component: Component, dtype: str, worst: Severity, named: tuple[str, ...]) -> str:
        where = f", first around {named[0].rpartition('.')[0]}" if named else ""
        result = RESULTS[worst]
        if component.pipeline.kind == "single-file":
            return f"the {component.label} in this file gives {result} where an application runs it in {dtype}{where}"
        alone = f", and {component.pipeline.klass} does not upcast it" if component.pipeline.klass else ""
        return f"the {component.described} loads as {dtype}{alone}: {result}{where}"


def _sha256(component: Component) -> str:
    chosen = component.loads().chosen
    return (chosen.files[0].sha256 or "") if chosen and len(chosen.files) == 1 else ""


def _how_bad(component: Component, worst: Severity, known: Knowledge) -> Severity:
    """An error only in a pipeline that is known to leave the VAE in fp16, and only under a dtype that was asked for."""
    if component.pipeline.kind != "pipeline":
        return "note"
    known_pipeline = bool(known.row("pipelines", component.pipeline.klass or ""))
    return "warning" if worst == "error" and not (known_pipeline and component.pipeline.request.dtypes) else worst


def _reads(component: Component, known: Knowledge) -> bool:
    """True when the pipeline reads force_upcast and then decodes in float32."""
    row = known.row("pipelines", component.pipeline.klass or "")
    return bool(row.get("reads_force_upcast")) and "upcast" in row.get("decode", "").split("+")


def _unread(component: Component, known: Knowledge) -> bool:
    """True when the config says force_upcast and the pipeline never reads it."""
    row = known.row("pipelines", component.pipeline.klass or "")
    return bool(row) and force_upcast(component, known) and not row.get("reads_force_upcast", False)


def _because(component: Component, row: Row, known: Knowledge) -> str:
    dtype = component.loads().dtype or F16
    told = why(row, dtype if severity(row, dtype) else F16)
    if _unread(component, known):
        told += f" force_upcast is true, but {component.pipeline.klass} never reads it."
    elif dtype is F16 and _reads(component, known) and component.pipeline.kind == "single-file":
        told += f" {component.pipeline.klass} in diffusers decodes in fp32 by itself; other applications may not."
    elif dtype is F16 and _reads(component, known) and not force_upcast(component, known):
        told += " force_upcast is false, so the pipeline does not upcast it."
    return told


def _fix(component: Component, row: Row, known: Knowledge) -> Fix | None:
    """What is known to run: upcasting by the pipeline, a VAE of its own dtype, the whole pipeline in bf16, or the row's advice."""
    pipeline, loaded = component.pipeline, component.loads().dtype
    advice = Fix(row["fix"][0]) if row.get("fix") else None
    swap = next((code for code in swaps(component, known, F16)), None)
    if pipeline.kind != "pipeline" or severity(row, loaded or F16) == "note":
        return Fix(swap) if swap else advice
    if _reads(component, known) and component.config:
        edit = SetKey(component.config.path, "/force_upcast", "true")
        return Fix(f"set force_upcast to true in {component.config.path}: the pipeline then decodes in fp32", True, (edit,), True)
    apart: dict[str, DType] = {**pipeline.request.dtypes, component.name: F32}
    if pipeline.request.dtypes and runs(pipeline, apart, known):
        return Fix(f"load the {component.name} in fp32: this pipeline casts the latents to it", True, (), True)
    if loaded is not BF16 and runs(pipeline, {"": BF16}, known):
        return Fix(f"load all of it in bf16: {call(pipeline, BF16)}", True, (), True)
    return advice


def _others(component: Component, row: Row, known: Knowledge) -> tuple[str, ...]:
    """For a single file what to set in the applications; in a pipeline a drop-in replacement, else the row's first advice."""
    if component.pipeline.kind == "single-file":
        return tuple(
            f"{remedy['app']}: {remedy['set']}" for name, remedy in known.all("remedies") if name == "vae" and "set" in remedy
        )
    if component.pipeline.kind != "pipeline":
        return ()
    if swap := swaps(component, known, F16)[:1]:
        return swap
    return tuple(row.get("fix", ())[:1]) if severity(row, component.loads().dtype or F16) == "error" else ()
