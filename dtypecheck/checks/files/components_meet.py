"""Two components of a pipeline will meet in different dtypes where the pipeline does not cast."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F32, DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge, Row
from ...rule import Rule
from ...subjects import Component, Pipeline
from ..meetings import Meeting, meetings
from ..what_if import runs, usual

WORDS = {
    "text_encoder": "{giver} makes the prompt embeddings in {given}, and this pipeline does not cast them",
    "denoiser": "{giver} makes the latents in {given}, and this pipeline does not cast them for a {has} {taker}",
    "controlnet": "{giver} computes in {given}, and what it adds meets {has} weights",
    "image_encoder": "{giver} makes the image embeddings in {given}, and this pipeline does not cast them",
}


class ComponentsMeet(Rule):
    """Two components will meet in different dtypes where this pipeline does not cast: the call crashes.

    The load plan says which dtype each component gets. Where one hands tensors to another (prompt embeddings to the denoiser,
    latents to the VAE), some pipelines cast and some do not. An error when a real run of this pipeline class in these dtypes
    was recorded to crash; a warning when only its source says so. What runs is silent, whatever is stored.

    ```bad
    $ --dtype float16,vae=float32
    model_index.json: {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    unet/config.json: {"_class_name": "UNet2DConditionModel"}
    unet/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
    vae/config.json: {"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.13025, "force_upcast": true}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```

    ```good
    $ --dtype float16
    model_index.json: {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    unet/config.json: {"_class_name": "UNet2DConditionModel"}
    unet/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
    vae/config.json: {"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.13025, "force_upcast": true}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT110"
    severity = "error"

    def check(self, pipeline: Pipeline, known: Knowledge) -> Iterator[Finding]:
        """The first crash of each component that is given something; under a request, else DT111 judges the default load."""
        if not pipeline.request.dtypes:
            return
        told: set[str] = set()
        for met in meetings(pipeline, known):
            if met.taker.name not in told:
                told.add(met.taker.name)
                yield self._tell(met, pipeline, known)

    def _tell(self, met: Meeting, pipeline: Pipeline, known: Knowledge) -> Finding:
        message = (
            f"the call fails in {met.module}{_when(met)}: the {met.taker.name} loads as {met.has.short} "
            f"and is given {met.given.short} {_what(met)}"
        )
        because = WORDS[met.giver.role].format(giver=met.giver.name, given=met.given, has=met.has, taker=met.taker.name)
        if not met.recorded:
            because += "; expected from its source, not confirmed by a run"
        fix, others = _fixes(met, pipeline, known)
        return self.finding(
            met.taker.loaded_from,
            message,
            severity="error" if met.recorded else "warning",
            against=met.giver.loaded_from,
            because=because + (f" ({met.glue})" if met.glue else ""),
            says=met.says,
            fix=fix,
            alternatives=others,
            source=f"{met.given.name} {met.has.name}",
        )


def _when(met: Meeting) -> str:
    return {
        "decode": " after the last denoising step",
        "denoise": " at the first denoising step",
        "encode image": " while it encodes the image",
        "encode prompt": " while it encodes the prompt",
    }.get(met.stage, "")


def _what(met: Meeting) -> str:
    return {"text_encoder": "prompt embeddings", "denoiser": "latents", "image_encoder": "image embeddings"}.get(met.giver.role, "tensors")


def _fixes(met: Meeting, pipeline: Pipeline, known: Knowledge) -> tuple[Fix | None, tuple[str, ...]]:
    """A request that runs, tried in the order: the rest's dtype for all, then what usually runs; and a swap of the VAE."""
    request = pipeline.request.dtypes
    rest = request.get("", F32)
    best: DType | None = rest if runs(pipeline, {"": rest}, known) else usual(pipeline, known)
    fix = None
    if best:
        fix = Fix(f"load all of it in {best.short}: {call(pipeline, best)}", lossless=True, verified=True)
    return fix, swaps(met.taker, known, rest)[:1] if met.taker.role == "vae" else ()


def swaps(vae: Component, known: Knowledge, dtype: DType) -> tuple[str, ...]:
    """The Python lines that put a drop-in replacement for this VAE in its place, one that is safe in `dtype`."""
    return tuple(row["code"] for _, row in known.all("swaps") if row.get(dtype.name) == "ok" and _replaces(row, vae))


def _replaces(row: Row, vae: Component) -> bool:
    replaces = row.get("replaces", {})
    data = vae.config.data if vae.config else {}
    wanted = {key: value for key, value in replaces.get("config", {}).items() if key != "force_upcast"}
    return replaces.get("class") == vae.klass and bool(wanted) and all(data.get(key) == value for key, value in wanted.items())


def call(pipeline: Pipeline, dtype: DType) -> str:
    """The Python line that loads the pipeline in one dtype, with a variant of that dtype where every denoiser has one."""
    variants = {s.variant for c in pipeline.of_role("denoiser") for s in c.sets if s.variant}
    variant = pipeline.request.variant or next((name for name in (dtype.short, dtype.torch) if name in variants), None)
    words = ["MODEL" if pipeline.path == "." else f'MODEL + "/{pipeline.path}"', f"torch_dtype=torch.{dtype.torch}"]
    words += [f'variant="{variant}"'] if variant else []
    method = "from_single_file" if pipeline.kind == "single-file" else "from_pretrained"
    return f"{pipeline.klass or 'DiffusionPipeline'}.{method}({', '.join(words)})"
