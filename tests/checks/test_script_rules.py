"""The rules about scripts: what real bugs look like in code, and what looks like them and runs."""

from __future__ import annotations

from textwrap import dedent

import pytest

from dtypecheck.engine.scripts import Folders, scan_scripts
from dtypecheck.files import Memory
from dtypecheck.findings import Finding
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import make
from dtypecheck.testing import lay_out

KNOWN = Knowledge()
REQUEST = make(None, None, None, ["diffusers==0.42.1", "transformers==5.23.0"], KNOWN)
HEAD = "import torch\nfrom diffusers import *\nfrom transformers import T5EncoderModel, CLIPTextModel\n"
XL = '"stabilityai/stable-diffusion-xl-base-1.0"'


def findings(text: str, *arguments: str, model: str = "") -> tuple[Finding, ...]:
    """The findings of one script; its first line is line 4. model: a folder beside it, in the notation of the pages."""
    beside = lay_out(dedent(model)).files
    files = Memory({**beside.contents, "s.py": (HEAD + dedent(text).strip("\n") + "\n").encode()}, "x", beside.sizes)
    return scan_scripts(files, REQUEST, KNOWN, Folders(KNOWN, within=files), arguments).findings


def told(text: str, *arguments: str, model: str = "") -> list[tuple[str, int | None, str]]:
    """Code, line and severity of each, notes left out."""
    return [(f.code, f.where.line, f.severity) for f in findings(text, *arguments, model=model) if f.severity != "note"]


CASES = {
    # the id in the collection of real bugs: the script, code and line
    "DT-055, DT-052: a VAE of its own without a dtype": (
        """
        vae = AutoencoderKL.from_pretrained("stabilityai/sd-vae-ft-mse")
        pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", vae=vae, torch_dtype=torch.float16)
        pipe("a cat")
        """,
        ("DT201", 4, "error"),
    ),
    "DT-060: a ControlNet without a dtype": (
        """
        net = ControlNetModel.from_pretrained("lllyasviel/sd-controlnet-canny")
        pipe = StableDiffusionControlNetPipeline.from_pretrained("x/sd-v1-5", controlnet=net, dtype=torch.float16)
        pipe("a cat", image)
        """,
        ("DT201", 4, "error"),
    ),
    "DT-208: a ControlNet in fp32 in a bf16 Flux": (
        """
        net = FluxControlNetModel.from_pretrained("x", torch_dtype=torch.float32)
        pipe = FluxControlNetPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", controlnet=net, torch_dtype=torch.bfloat16)
        pipe("a cat", control_image=image)
        """,
        ("DT201", 4, "error"),
    ),
    "DT-053, DT-218: a half image into an fp32 VAE": (
        """
        vae = AutoencoderKL.from_pretrained("stabilityai/sd-vae-ft-mse")
        latents = vae.encode(torch.zeros(1, 3, 64, 64).type(torch.float16)).latent_dist.sample()
        """,
        ("DT208", 5, "error"),
    ),
    "DT-220: latents decoded by hand with a VAE put in fp32": (
        f"""
        pipe = StableDiffusionXLPipeline.from_pretrained({XL}, torch_dtype=torch.float16)
        latents = pipe("a cat", output_type="latent").images
        pipe.vae.to(torch.float32)
        pipe.vae.decode(latents / pipe.vae.config.scaling_factor)
        """,
        ("DT208", 7, "error"),
    ),
    "DT-115: Flux put in fp16 after loading": (
        """
        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-schnell", torch_dtype=torch.bfloat16)
        pipe.to(torch.half)
        """,
        ("DT205", 5, "warning"),
    ),
    "DT-202: T5 cast by hand": (
        """
        encoder = T5EncoderModel.from_pretrained("google/t5-v1_1-xxl").to(dtype=torch.float16)
        """,
        ("DT205", 4, "warning"),
    ),
    "DT-158, DT-160: bf16 to numpy": (
        """
        pred = torch.randn(3, dtype=torch.bfloat16)
        pred.detach().cpu().numpy().astype("float32")
        """,
        ("DT207", 5, "error"),
    ),
    "DT-214: Z-Image in fp16": (
        """
        pipe = ZImagePipeline.from_pretrained("Tongyi-MAI/Z-Image-Turbo", torch_dtype=torch.float16)
        pipe("a cat")
        """,
        ("DT206", 4, "error"),
    ),
    "DT-100: Qwen-Image in fp16": (
        """
        pipe = QwenImagePipeline.from_pretrained("Qwen/Qwen-Image", torch_dtype=torch.float16)
        pipe("a cat")
        """,
        ("DT206", 4, "warning"),
    ),
    "DT-277: Cascade's prior in fp16": (
        """
        pipe = StableCascadePriorPipeline.from_pretrained("stabilityai/stable-cascade-prior", torch_dtype=torch.float16)
        pipe("a cat")
        """,
        ("DT206", 4, "error"),
    ),
    "DT-078: a GradScaler over fp16 parameters": (
        """
        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet").to("cuda", dtype=torch.float16)
        optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4)
        scaler = torch.cuda.amp.GradScaler()
        scaler.unscale_(optimizer)
        """,
        ("DT209", 7, "error"),
    ),
    "DT-241: SDXL's VAE put in fp32": (
        f"""
        pipe = StableDiffusionXLPipeline.from_pretrained({XL}, torch_dtype=torch.float16)
        pipe.vae = pipe.vae.to(torch.float32)
        pipe("a cat")
        """,
        ("DT203", 5, "error"),
    ),
    "DT-228, DT-255, DT-258: fp16 parameters trained": (
        """
        encoder = CLIPTextModel.from_pretrained("x", torch_dtype=torch.float16)
        optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-4)
        """,
        ("DT214", 5, "warning"),
    ),
    "DT-178: the least number of fp32 put into bf16": (
        """
        scores = torch.zeros(4, dtype=torch.bfloat16)
        scores = scores.masked_fill(mask, torch.finfo(torch.float32).min)
        """,
        ("DT213", 5, "error"),
    ),
    "DT-224: an SDXL VAE in fp32 under an fp16 autocast": (
        """
        vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae", torch_dtype=torch.float32)
        with torch.autocast("cuda", dtype=torch.float16):
            latents = vae.encode(image).latent_dist.sample()
        """,
        ("DT215", 6, "error"),
    ),
    "DT-216: fp32 latents into a half UNet": (
        f"""
        pipe = StableDiffusionXLPipeline.from_pretrained({XL}, torch_dtype=torch.float16)
        pipe("a cat", latents=torch.randn(1, 4, 128, 128))
        """,
        ("DT216", 5, "error"),
    ),
    "DT-148: a GGUF that computes in fp32": (
        """
        config = GGUFQuantizationConfig()
        model = FluxTransformer2DModel.from_single_file("x.gguf", quantization_config=config, torch_dtype=torch.bfloat16)
        """,
        ("DT210", 5, "warning"),
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_a_real_bug_is_found_with_its_code_and_line(text: str, expected: tuple[str, int, str]) -> None:
    assert expected in told(text)


SILENT = {
    "the whole pipeline is cast afterwards": f"""
        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")
        pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=torch.float16)
        pipe.to("cuda", torch.float16)
        pipe("a cat")
        """,
    "the VAE hangs on the same condition as the pipeline": f"""
        dtype = torch.float16 if torch.cuda.is_available() else torch.float32
        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix", torch_dtype=dtype)
        pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=dtype)
        pipe("a cat")
        """,
    "the pipeline casts the latents": """
        vae = AutoencoderKLWan.from_pretrained("x", subfolder="vae", torch_dtype=torch.float32)
        pipe = WanPipeline.from_pretrained("x", vae=vae, torch_dtype=torch.bfloat16)
        pipe("a cat")
        """,
    "LTX casts the latents since it was mended": """
        vae = AutoencoderKLLTXVideo.from_pretrained("x", subfolder="vae", torch_dtype=torch.float32)
        pipe = LTXPipeline.from_pretrained("x", vae=vae, torch_dtype=torch.bfloat16)
        pipe("a cat")
        """,
    "the call stops at the latents": f"""
        pipe = StableDiffusionXLPipeline.from_pretrained({XL}, torch_dtype=torch.float16)
        pipe.vae.to(torch.float32)
        latents = pipe("a cat", output_type="latent").images
        pipe.vae.decode(latents.to(pipe.vae.dtype))
        """,
    "the prompt is encoded elsewhere": """
        encoder = T5EncoderModel.from_pretrained("x", torch_dtype=torch.float32)
        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", text_encoder_2=encoder, torch_dtype=torch.bfloat16)
        pipe(prompt_embeds=embeds, pooled_prompt_embeds=pooled)
        """,
    "the text encoder is left out": """
        pipe = FluxPipeline.from_pretrained("x", text_encoder=None, text_encoder_2=None, torch_dtype=torch.bfloat16)
        pipe(prompt_embeds=embeds)
        """,
    "the call stands in an autocast": """
        vae = AutoencoderKL.from_pretrained("x")
        pipe = StableDiffusionPipeline.from_pretrained("x", vae=vae, torch_dtype=torch.float16)
        with torch.autocast("cuda"):
            pipe("a cat")
        """,
    "the model was prepared by accelerate": """
        from accelerate import Accelerator
        accelerator = Accelerator(mixed_precision="fp16")
        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet")
        unet = accelerator.prepare(unet)
        pipe = StableDiffusionPipeline.from_pretrained("x", unet=accelerator.unwrap_model(unet), torch_dtype=torch.float16)
        pipe("a cat")
        """,
    "a packed transformer": """
        config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)
        model = FluxTransformer2DModel.from_pretrained("x", quantization_config=config, torch_dtype=torch.float16)
        pipe = FluxPipeline.from_pretrained("x", transformer=model, torch_dtype=torch.bfloat16)
        pipe("a cat")
        """,
    "Sana's parts in bf16, as its documentation asks": """
        pipe = SanaPipeline.from_pretrained("x", variant="fp16", torch_dtype=torch.float16)
        pipe.vae.to(torch.bfloat16)
        pipe.text_encoder.to(torch.bfloat16)
        pipe("a cat")
        """,
    "a bf16 optimizer without a scaler": """
        unet = UNet2DConditionModel.from_pretrained("x", torch_dtype=torch.bfloat16)
        optimizer = torch.optim.AdamW(unet.parameters())
        optimizer.step()
        """,
    "LoRA parameters on an fp16 base": """
        from peft import get_peft_model
        unet = UNet2DConditionModel.from_pretrained("x", torch_dtype=torch.float16)
        unet = get_peft_model(unet, config)
        scaler = torch.cuda.amp.GradScaler()
        scaler.step(torch.optim.AdamW(unet.parameters()))
        """,
    "numpy after a cast": """
        x = torch.randn(3, dtype=torch.bfloat16)
        x.float().numpy()
        x.to("cpu", torch.float32).numpy()
        x.to(torch.float16).numpy()
        """,
    "T5 loaded in fp16, then moved": """
        encoder = T5EncoderModel.from_pretrained("x", torch_dtype=torch.float16).to("cuda").eval()
        other = CLIPTextModel.from_pretrained("x").half()
        """,
    "torch_dtype and dtype mean the same": f"""
        pipe = StableDiffusionXLPipeline.from_pretrained({XL}, dtype=torch.float16, variant="fp16")
        pipe("a cat")
        """,
    "a dtype as text for transformers": """
        encoder = CLIPTextModel.from_pretrained("x", torch_dtype="float16")
        """,
    "an SDXL VAE that its pipeline upcasts": f"""
        vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae", torch_dtype=torch.float16)
        pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=torch.float16)
        pipe("a cat")
        """,
    "a user's own class": """
        class MyPipeline(FluxPipeline):
            pass
        pipe = MyPipeline.from_pretrained("x", torch_dtype=torch.bfloat16)
        pipe.vae.to(torch.float16)
        pipe("a cat")
        """,
}


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
def test_what_runs_is_left_alone(text: str) -> None:
    assert told(text) == []


def test_a_finding_says_under_which_condition_it_holds() -> None:
    (finding,) = findings(f"""
        dtype = torch.float16 if torch.cuda.is_available() else torch.float32
        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")
        pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=dtype)
        """)
    assert "(when torch.cuda.is_available())" in finding.message
    assert (finding.where.line, finding.against and finding.against.line) == (5, 6)
    assert finding.says == "Input type (c10::Half) and bias type (float) should be the same"


def test_two_conditions_that_nobody_can_relate_are_no_finding() -> None:
    text = f"""
        a = torch.float16 if first() else torch.float32
        b = torch.float16 if second() else torch.float32
        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix", torch_dtype=a)
        pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=b)
        """
    assert told(text) == []


def test_the_words_after_the_script_decide() -> None:
    text = f"""
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--mixed_precision", default="no")
        args = parser.parse_args()
        dtype = torch.float16 if args.mixed_precision == "fp16" else torch.float32
        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")
        pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=dtype)
        """
    assert told(text) == []
    assert told(text, "--mixed_precision", "fp16") == [("DT201", 9, "error")]


LOCAL = """
    m/model_index.json: {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": [KL]}
    m/unet/config.json: {"_class_name": "UNet2DConditionModel"}
    m/unet/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
    m/vae/config.json: {"_class_name": "AutoencoderKL", "scaling_factor": 0.13025, "force_upcast": FORCE}
    m/vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    """.replace("KL", '"diffusers", "AutoencoderKL"', 1)


@pytest.mark.parametrize(("force", "expected"), [("true", []), ("false", [("DT203", 5, "error")])])
def test_a_local_folder_says_what_a_hub_id_leaves_open(force: str, expected: list[tuple[str, int, str]]) -> None:
    text = """
        pipe = DiffusionPipeline.from_pretrained("./m", torch_dtype=torch.bfloat16)
        pipe.vae.half()
        pipe("a cat")
        """
    assert told(text, model=LOCAL.replace("FORCE", force)) == expected


def test_a_part_of_a_local_folder_is_loaded_by_its_subfolder() -> None:
    text = """
        import os
        vae = AutoencoderKL.from_pretrained(os.path.join("m"), subfolder="vae")
        pipe = DiffusionPipeline.from_pretrained("m", vae=vae, torch_dtype=torch.float16)
        pipe("a cat")
        """
    assert told(text, model=LOCAL.replace("FORCE", "true")) == [("DT201", 5, "error")]


def test_a_scaler_that_is_switched_off_refuses_nothing() -> None:
    text = """
        unet = UNet2DConditionModel.from_pretrained("x", torch_dtype=torch.float16)
        scaler = torch.cuda.amp.GradScaler(enabled=False)
        scaler.step(torch.optim.AdamW(unet.parameters()))
        """
    assert [code for code, _, _ in told(text)] == ["DT214"]
