"""What is to be done about numbers that broke in a watched run: by role, pipeline, device, and what is known."""

from __future__ import annotations

import pytest

from dtypecheck.testing import findings

from .run_numbers import CONV, fix, one

SDXL = """
model_index.json: {"_class_name": "CLASS", "text_encoder": ["transformers", "CLIPTextModel"], "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
text_encoder/config.json: {"architectures": ["CLIPTextModel"]}
text_encoder/model.safetensors: a.weight F16 4x4
unet/config.json: {"_class_name": "UNet2DConditionModel"}
unet/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
vae/config.json: {"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.13025, "force_upcast": UPCAST}
vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4
$ --dtype float16
"""  # noqa: E501


def of(klass: str, upcast: bool = True) -> str:
    return SDXL.replace("CLASS", klass).replace("UPCAST", "true" if upcast else "false")


def test_an_upcasting_pipeline_is_told_to_upcast_and_which_vae_can_stand_in() -> None:
    found = one(f"{of('StableDiffusionXLPipeline', False)}producer: inf {CONV} F16 | reaches vae")
    assert found.fix
    assert found.fix.title == (
        "vae.register_to_config(force_upcast=True): StableDiffusionXLPipeline then decodes in fp32 by itself"
    )
    assert found.alternatives == (
        "vae = AutoencoderKL.from_pretrained('madebyollin/sdxl-vae-fp16-fix', dtype=torch.float16)",
        "load all of it in bf16: StableDiffusionXLPipeline.from_pretrained(MODEL, torch_dtype=torch.bfloat16)",
        "in ComfyUI --fp32-vae, in AUTOMATIC1111 --no-half-vae, in Forge --vae-in-fp32",
    )


def test_where_force_upcast_is_on_already_the_pipeline_is_to_decode() -> None:
    title = fix(f"{of('StableDiffusionXLPipeline')}producer: inf {CONV} F16 | reaches vae")
    assert title.startswith("let StableDiffusionXLPipeline decode: it runs its vae in fp32 while it does")


def test_a_pipeline_that_casts_latents_may_have_its_vae_alone_in_fp32() -> None:
    title = fix(f"{of('AllegroPipeline')}producer: inf {CONV} F16 | reaches vae")
    assert title == "vae.to(torch.float32): AllegroPipeline casts the latents to it"


def test_a_pipeline_that_casts_nothing_is_loaded_in_bf16_as_a_whole() -> None:
    found = one(f"{of('StableDiffusionPipeline')}producer: inf unet.mid F16 | reaches unet")
    assert found.fix
    assert found.fix.title.startswith("load all of it in bf16: StableDiffusionPipeline.from_pretrained(")


def test_a_device_without_bf16_of_its_own_gets_fp32() -> None:
    on_t4 = findings("run: watched runs on t4\nproducer: inf unet.a F16 | reaches unet")[0].fix
    assert on_t4
    assert on_t4.title.startswith("run unet in fp32 (t4 has no bf16 of its own)")


@pytest.mark.parametrize(
    ("module", "switches"),
    [
        ("transformer.x", "in ComfyUI --bf16-unet, in AUTOMATIC1111 --no-half, in Forge --unet-in-bf16"),
        ("text_encoder_2.x", "in ComfyUI --bf16-text-enc, in AUTOMATIC1111 --no-half, in Forge --clip-in-fp32"),
        ("movq.x", "in ComfyUI --fp32-vae, in AUTOMATIC1111 --no-half-vae, in Forge --vae-in-fp32"),
    ],
)
def test_the_switches_of_applications_follow_the_role(module: str, switches: str) -> None:
    assert one(f"producer: inf {module} F16 | reaches x").alternatives == (switches,)
    assert one(f"producer: inf {module} BF16 | reaches x").alternatives == ()


def test_the_class_decides_the_role_where_the_name_tells_nothing() -> None:
    found = one("module: net AutoencoderKLWan F16->F16\nproducer: inf net.x F16 | reaches net")
    assert found.alternatives == ("in ComfyUI --fp32-vae, in AUTOMATIC1111 --no-half-vae, in Forge --vae-in-fp32",)
    assert one("module: net Net F16->F16\nproducer: inf net.x F16 | reaches net").alternatives == ()
