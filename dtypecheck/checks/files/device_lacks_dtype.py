"""The device lacks a dtype that a component is loaded in, or only emulates it."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import BY_NAME, DType
from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge, Row
from ...rule import Rule
from ...subjects import Component, Pipeline
from ..what_if import usual

SEVERITY: dict[str, Severity] = {"absent": "error", "emulated": "warning", "slow": "note"}
SAYS = {"absent": "has no", "emulated": "only emulates", "slow": "is slow in"}


class DeviceLacksDtype(Rule):
    """The device it will run on lacks a dtype that components are loaded in, or only emulates it.

    Absent is an error: operators raise. Emulated (bf16 on a T4) runs, slowly and without some kernels: a warning. Slow
    (fp16 on a CPU) is a note. Nothing is said without --device; the machine that scans is never assumed.

    ```bad
    $ --dtype bfloat16 --device t4
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
    ```

    ```good
    $ --dtype float16 --device t4
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
    ```
    """

    code = "DT113"
    severity = "warning"

    def check(self, pipeline: Pipeline, known: Knowledge) -> Iterator[Finding]:
        """One finding a dtype and pipeline."""
        name = pipeline.request.device
        row = known.row("devices", name) if name else {}
        if not name or not row:
            return
        by_dtype: dict[DType, list[Component]] = {}
        for component in pipeline.components:
            dtype = component.loads().dtype
            if dtype and row.get(dtype.name, "native") != "native":
                by_dtype.setdefault(dtype, []).append(component)
        for dtype, components in by_dtype.items():
            how = row[dtype.name]
            whom = ", ".join(component.label for component in components)
            yield self.finding(
                components[0].loaded_from,
                f"{name} {SAYS[how]} {dtype.short}, in which {whom} {'is' if len(components) == 1 else 'are'} loaded",
                severity=SEVERITY[how],
                because=str(row.get("why", {}).get(dtype.name, "")),
                fix=_fix(pipeline, dtype, row, known),
                source=f"{name} {dtype.name}",
            )


def _fix(pipeline: Pipeline, dtype: DType, row: Row, known: Knowledge) -> Fix | None:
    """What is known to run this pipeline on a device without the dtype, else a dtype that the device has."""
    recipe = known.row("recipes", pipeline.klass or "")
    if dtype.name == "BF16" and recipe:
        if recipe.get("none"):
            return Fix(f"none known without bf16: {recipe['why']}")
        named = {name: BY_NAME[word].short for name, word in recipe.get("dtypes", {}).items()}
        plan = ", ".join(short if name == "default" else f"{name}={short}" for name, short in named.items())
        return Fix(f"load it in {plan}: {recipe['how']}" if plan else str(recipe["how"]))
    best = usual(pipeline, known)
    return Fix(f"load it in {best.short}") if best and best is not dtype and row.get(best.name, "native") == "native" else None
