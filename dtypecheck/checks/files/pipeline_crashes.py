"""A real run of this pipeline class was recorded to crash with everything in the dtype asked for."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F32, USUAL, DType
from ...findings import Finding, Fix, Where
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Pipeline
from ..meetings import crash_of_all
from ..what_if import runs
from .components_meet import WHEN, call


class PipelineCrashes(Rule):
    """A real run of this pipeline class was recorded to crash with everything in the dtype asked for.

    All components agree, and the pipeline's own code still mixes dtypes: a VAE upcast in part, a float32 image that is never
    cast, a bfloat16 tensor handed to numpy. The record is of a run on the CPU with tiny weights.

    ```bad
    $ --dtype float16
    model_index.json: {"_class_name": "LucyEditPipeline", "transformer": ["diffusers", "WanTransformer3DModel"], "vae": ["diffusers", "AutoencoderKLWan"]}
    transformer/config.json: {"_class_name": "WanTransformer3DModel"}
    transformer/diffusion_pytorch_model.safetensors: proj_out.weight F16 4x4
    vae/config.json: {"_class_name": "AutoencoderKLWan"}
    vae/diffusion_pytorch_model.safetensors: encoder.conv_in.weight F16 4x4
    ```

    ```good
    $ --dtype float16
    model_index.json: {"_class_name": "WanPipeline", "transformer": ["diffusers", "WanTransformer3DModel"], "vae": ["diffusers", "AutoencoderKLWan"]}
    transformer/config.json: {"_class_name": "WanTransformer3DModel"}
    transformer/diffusion_pytorch_model.safetensors: proj_out.weight F16 4x4
    vae/config.json: {"_class_name": "AutoencoderKLWan"}
    vae/diffusion_pytorch_model.safetensors: encoder.conv_in.weight F16 4x4
    ```
    """

    code = "DT114"
    severity = "error"

    def check(self, pipeline: Pipeline, known: Knowledge) -> Iterator[Finding]:
        """At most one finding a pipeline, and none without a dtype asked for."""
        crash = crash_of_all(pipeline, known) if pipeline.request.dtypes else None
        if crash is None:
            return
        component = pipeline.named(crash["at"].partition(".")[0]) or pipeline.components[0]
        dtype = pipeline.request.dtypes.get("", F32)
        fix = _fix(pipeline, dtype, known)
        place = crash["at"] or crash["glue"]
        yield self.finding(
            Where(component.loaded_from.path, crash["at"]),
            f"the call fails in {place}{WHEN.get(crash['stage'], '')}, though all of {pipeline.klass} is loaded in {dtype.short}",
            because=f"a run was recorded to crash so ({crash['glue']})",
            says=crash.get("says", ""),
            fix=fix,
            source=f"{pipeline.klass} {dtype.name}",
            component=component.name,
        )


def _fix(pipeline: Pipeline, dtype: DType, known: Knowledge) -> Fix | None:
    """The VAE alone in float32, or another dtype for all of it, whichever is first known to run."""
    for vae in pipeline.of_role("vae"):
        if runs(pipeline, {"": dtype, vae.name: F32}, known):
            return Fix(
                f"load the {vae.name} in fp32 and the rest in {dtype.short}: --dtype {dtype.torch},{vae.name}=float32",
                verified=True,
            )
    best = next((other for other in USUAL if other is not dtype and runs(pipeline, {"": other}, known)), None)
    return Fix(f"load all of it in {best.short}: {call(pipeline, best)}", verified=True) if best else None
