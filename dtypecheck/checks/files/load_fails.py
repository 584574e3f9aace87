"""from_pretrained stops: the files that it looks for under this request are not there."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import parse
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Pipeline


class LoadFails(Rule):
    """from_pretrained stops, because the files that it looks for under this request are not there.

    Only variant files and no variant asked for, a variant that no component has, or a name without a dot in a component's
    folder, on which diffusers' search for variants stumbles. An error when a dtype or a variant was asked for; without
    either it is a warning that names the request which loads. Missing shards are DT006's, missing weights DT011's.

    ```bad
    $ --dtype float16
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.fp16.safetensors: conv_in.weight F16 4x4
    ```

    ```good
    $ --dtype float16 --variant fp16
    config.json: {"_class_name": "UNet2DConditionModel"}
    diffusion_pytorch_model.fp16.safetensors: conv_in.weight F16 4x4
    ```
    """

    code = "DT105"
    severity = "error"

    def check(self, pipeline: Pipeline, known: Knowledge) -> Iterator[Finding]:
        """One finding a pipeline and reason."""
        told: set[str] = set()
        request = pipeline.request
        for component in pipeline.components:
            load = component.loads()
            if not load.failure or not component.sets or load.failure in told or "shards" in load.failure:
                continue
            told.add(load.failure)
            variants = sorted({s.variant for s in component.sets if s.variant})
            asked = bool(request.dtypes or request.variant)
            fix = None
            if request.variant is None and variants:
                dtype = parse(variants[0])
                extra = f", torch_dtype=torch.{dtype.torch}" if dtype else ""
                fix = Fix(f'pass variant="{variants[0]}"{extra}')
            elif request.variant:
                has = sorted({s.variant for c in pipeline.components for s in c.sets if s.variant})
                fix = Fix(f"pass a variant that is there: {', '.join(has)}" if has else "leave variant out")
            what = component.label if load.raises != "ValueError" else "the pipeline"
            yield self.finding(
                component.where,
                f"{what} does not load: {load.failure}",
                severity="error" if asked else "warning",
                says=f"{load.raises}",
                fix=fix,
                source=load.failure,
            )
