"""Without a dtype, from_pretrained gives components of different dtypes that crash where they meet."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Pipeline
from ..meetings import meetings
from ..what_if import usual
from .components_meet import call


class DefaultLoadMixes(Rule):
    """Loaded without torch_dtype, this pipeline gets components of different dtypes that crash where they meet.

    diffusers loads its own classes in float32 when no dtype is asked for, whatever is stored; transformers 5 follows the dtype
    in config.json, or the first stored tensor. A warning when some usual request (float16, bfloat16, float32) runs, which the
    fix names; an error when none does. transformers 4 loads in float32 too, and this rule is silent.

    ```bad
    $ --lib transformers==5.23 --lib diffusers==0.42
    model_index.json: {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "text_encoder": ["transformers", "CLIPTextModel"]}
    unet/config.json: {"_class_name": "UNet2DConditionModel"}
    unet/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
    text_encoder/config.json: {"architectures": ["CLIPTextModel"], "torch_dtype": "float16"}
    text_encoder/model.safetensors: text_model.final_layer_norm.weight F16 8
    ```

    ```good
    $ --lib transformers==4.57 --lib diffusers==0.35
    model_index.json: {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "text_encoder": ["transformers", "CLIPTextModel"]}
    unet/config.json: {"_class_name": "UNet2DConditionModel"}
    unet/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
    text_encoder/config.json: {"architectures": ["CLIPTextModel"], "torch_dtype": "float16"}
    text_encoder/model.safetensors: text_model.final_layer_norm.weight F16 8
    ```
    """

    code = "DT111"
    severity = "warning"

    def check(self, pipeline: Pipeline, known: Knowledge) -> Iterator[Finding]:
        """One finding about the default load of a pipeline, nothing when a dtype was asked for."""
        if pipeline.request.dtypes or pipeline.kind != "pipeline":
            return
        met = next(meetings(pipeline, known), None)
        if met is None:
            return
        best = usual(pipeline, known)
        claim = met.giver.loads().claim
        other = met.taker.loads().claim
        yield self.finding(
            claim.where if claim else met.giver.where,
            f"loaded without a dtype, {met.giver.name} comes in {met.given.short} and {met.taker.name} in {met.has.short}: "
            f"the call fails in {met.module}",
            severity="warning" if best or not met.recorded else "error",
            against=other.where if other else met.taker.where,
            because="without torch_dtype diffusers loads in fp32 and transformers 5 as config.json or the first tensor says",
            says=met.says,
            fix=Fix(f"ask for a dtype: {call(pipeline, best)}", verified=True) if best else None,
            source=f"{met.given.name} {met.has.name}",
            component=met.taker.name,
        )
