"""from_pretrained stops: the files that it looks for under this request are not there."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import parse
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...loading.choice import UNREADABLE
from ...rule import Rule
from ...subjects import Component, Pipeline


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
        """One finding a pipeline and cause, naming the components."""
        failing: dict[tuple[str | None, bool], list[Component]] = {}
        for component in pipeline.components:
            load = component.loads()
            if load.failure and component.sets and load.raises != UNREADABLE and "shards" not in load.failure:
                failing.setdefault((load.raises, bool(_variants(component))), []).append(component)
        for (raises, _), components in failing.items():
            yield self._tell(pipeline, components, raises or "")

    def _tell(self, pipeline: Pipeline, components: list[Component], raises: str) -> Finding:
        request, first = pipeline.request, components[0]
        names = ", ".join(component.label for component in components) if raises != "ValueError" else "the pipeline"
        many = "do not load" if len(components) > 1 and raises != "ValueError" else "does not load"
        more = f" (and so for {len(components) - 1} more)" if len(components) > 1 and raises != "ValueError" else ""
        fix = None
        if request.variant is None and (variants := _variants(first)):
            dtype = parse(variants[0])
            extra = f", torch_dtype=torch.{dtype.torch}" if dtype else ""
            fix = Fix(f'pass variant="{variants[0]}"{extra}')
        elif request.variant:
            has = sorted({name for component in pipeline.components for name in _variants(component)})
            fix = Fix(f"pass a variant that is there: {', '.join(has)}" if has else "leave variant out")
        return self.finding(
            first.where,
            f"{names} {many}: {first.loads().failure}{more}",
            severity="warning" if fix and not (request.dtypes or request.variant) else "error",
            says=raises,
            fix=fix,
            also=tuple(component.name for component in components[1:]),
            component=first.name,
            source=first.loads().failure or "",
        )


def _variants(component: Component) -> list[str]:
    return sorted({weights.variant for weights in component.sets if weights.variant and weights.spelling != "unread"})
