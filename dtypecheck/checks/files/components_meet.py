"""Two components of a pipeline will meet in different dtypes where the pipeline does not cast."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F32, DType
from ...findings import Finding, Fix, Where
from ...knowledge import Knowledge, Row
from ...rule import Rule
from ...subjects import Component, Pipeline
from ..meetings import Meeting, meetings
from ..what_if import runs, usual

GIVES = {
    "text_encoder": "prompt embeddings",
    "denoiser": "latents",
    "vae": "latents",
    "image_encoder": "image embeddings",
}
WHEN = {
    "decode": " after the last denoising step",
    "denoise": " at the first denoising step",
    "encode image": " while it encodes the image",
    "encode prompt": " while it encodes the prompt",
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
        what = "images" if met.stage == "encode image" else GIVES.get(met.giver.role, "tensors")
        message = (
            f"the call fails in {met.module}{WHEN.get(met.stage, '')}: the {met.taker.name} loads as {met.has.short} "
            f"and is given {met.given.short} {what}"
        )
        because = f"{met.giver.name} is loaded in {met.given.short}, and this pipeline does not cast what goes from it to {met.taker.name}"
        because += f" ({met.glue})" if met.glue else ""
        fix, others = _fixes(met, pipeline, known)
        return self.finding(
            Where(met.taker.loaded_from.path, met.module),
            message,
            severity="error" if met.recorded else "warning",
            against=met.giver.loaded_from,
            because=because if met.recorded else f"{because}; expected from its source, not confirmed by a run",
            says=met.says,
            fix=fix,
            alternatives=others,
            source=f"{met.given.name} {met.has.name}",
            component=met.taker.name,
        )


def _fixes(met: Meeting, pipeline: Pipeline, known: Knowledge) -> tuple[Fix | None, tuple[str, ...]]:
    """A request that runs, tried in the order: the rest's dtype for all, then what usually runs; and a swap of the VAE."""
    request = pipeline.request.dtypes
    rest = request.get("", F32)
    best: DType | None = rest if runs(pipeline, {"": rest}, known) else usual(pipeline, known)
    fix = None
    if best:
        fix = Fix(f"load all of it in {best.short}: {call(pipeline, best)}", lossless=True, verified=True)
    upcast = known.row("pipelines", pipeline.klass or "").get("reads_force_upcast", False)
    return fix, swaps(met.taker, known, rest)[:1] if met.taker.role == "vae" and upcast else ()


def swaps(vae: Component, known: Knowledge, dtype: DType) -> tuple[str, ...]:
    """The Python lines that put a drop-in replacement for this VAE in its place, one that is safe in `dtype`."""
    rows = (row for _, row in known.all("swaps") if row.get(dtype.name) == "ok" and row.get("quality") == "full")
    return tuple(row["code"] for row in rows if _replaces(row, vae))


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
