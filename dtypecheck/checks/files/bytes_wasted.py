"""More bytes are stored and read than the dtype asked for can use."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Component, Pipeline


class BytesWasted(Rule):
    """Weights are read in a wider dtype than the one asked for, and no variant of that dtype is there.

    Every start reads, and every download fetches, bytes that the cast throws away. Told once a pipeline, and only when at
    least a megabyte is at stake; parts that are kept in float32 by design do not count.

    ```bad
    $ --dtype float16
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.safetensors: conv_in.weight F32 1024x1024
    ```

    ```good
    $ --dtype float16 --variant fp16
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.fp16.safetensors: conv_in.weight F16 1024x1024
    diffusion_pytorch_model.safetensors: conv_in.weight F32 1024x1024
    ```
    """

    code = "DT118"
    severity = "note"
    in_gate = False

    def check(self, pipeline: Pipeline, known: Knowledge) -> Iterator[Finding]:
        """One finding a pipeline, with the bytes that a narrower file would save."""
        if not pipeline.request.dtypes or pipeline.kind == "adapter":
            return
        wasting = [(component, saved) for component in pipeline.components if (saved := _saved(component)) >= 1 << 20]
        if not wasting:
            return
        largest = max(wasting, key=lambda pair: pair[1])[0]
        total = sum(saved for _, saved in wasting)
        names = ", ".join(component.label for component, _ in wasting)
        dtype = largest.loads().dtype
        has = {s.variant for c in pipeline.components for s in c.sets if s.variant and s.main is dtype}
        variant = sorted(has)[0] if has and not pipeline.request.variant else ""
        what = "the file" if pipeline.kind == "single-file" else "a variant"
        advice = f'pass variant="{variant}"' if variant else f"store {what} in {dtype.short if dtype else 'a narrower dtype'}"
        yield self.finding(
            largest.loaded_from,
            f"{names}: {total:,} bytes are read and then cast away; stored wider than asked for",
            fix=Fix(advice, lossless=bool(variant)),
            source=str(dtype),
        )


def _saved(component: Component) -> int:
    load = component.loads()
    if load.chosen is None or component.quantised:
        return 0
    return max(0, load.chosen.nbytes - load.nbytes)
