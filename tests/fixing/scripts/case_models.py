"""What the scripts of script_cases.py need to be rehearsed: small models for their hub ids, and the names they use.

A case is the folders that its ids stand for (small_models.py makes them), and the
Python that defines what the script takes for granted (a picture, token ids), which it then imports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

SD: Final = "StableDiffusionPipeline"
XL: Final = "StableDiffusionXLPipeline"
SD3: Final = "StableDiffusion3Pipeline"
FLUX: Final = "FluxPipeline"
PICTURE: Final = "from PIL import Image\n{name} = Image.new('RGB', (64, 64))\n"
IDS: Final = "import torch\nids = torch.ones(1, 4, dtype=torch.long)\n"


@dataclass(frozen=True, slots=True)
class Needs:
    """models: folders by the ids of a script. given: the module `given`, with every name in it that the script uses.

    tail: lines behind the script, that call what it only defines. whole: what takes the place of what, in a call that is a
    fragment, or that would take long.
    """

    models: dict[str, str] = field(default_factory=dict)
    given: str = ""
    names: tuple[str, ...] = ()
    tail: str = ""
    whole: tuple[str, str] = ("", "")


NEEDS: Final[dict[str, Needs]] = {
    "DT-009": Needs({"maxin-cn/Latte-1": "LattePipeline"}),
    "DT-012": Needs(tail="RegionAttention()(64)\n"),
    "DT-021": Needs(
        {"google/t5-v1_1-base": "t5"},
        "data = [{'input_ids': [1, 2, 3], 'attention_mask': [1, 1, 1], 'labels': [1, 2, 3]}] * 4\n",
        ("data",),
    ),
    "DT-045": Needs({"google/t5-v1_1-large": "t5"}, tail="ids = torch.ones(1, 4, dtype=torch.long)\nembed(ids, ids)\n"),
    "DT-052": Needs({"stabilityai/sdxl-vae": XL}),
    "DT-053": Needs({"stabilityai/sd-vae-ft-mse": f"{SD}/vae"}),
    "DT-055": Needs(
        {"stabilityai/sd-vae-ft-mse": f"{SD}/vae", "x/inpainting": "StableDiffusionInpaintPipeline"},
        PICTURE.format(name="image") + "mask = image\n",
        ("image", "mask"),
    ),
    "DT-060": Needs(
        {
            "lllyasviel/sd-controlnet-canny": "StableDiffusionControlNetPipeline/controlnet",
            "stable-diffusion-v1-5/stable-diffusion-v1-5": "StableDiffusionControlNetPipeline",
        },
        PICTURE.format(name="image"),
        ("image",),
    ),
    "DT-078": Needs({"x": SD}),
    "DT-100": Needs({"Qwen/Qwen-Image": "QwenImagePipeline"}),
    "DT-115": Needs({"black-forest-labs/FLUX.1-dev": FLUX}),
    "DT-122": Needs({"meta-llama/Llama-2-7b-hf": "llama"}),
    "DT-134": Needs({"stabilityai/stable-diffusion-xl-base-1.0": XL}),
    "DT-135": Needs({"openai/whisper-large-v3": "whisper"}, "sound = [0.0] * 16000\n", ("sound",)),
    "DT-139": Needs(
        {"x": "sd3-medium"},
        "import torch\nsteps = torch.ones(2, 1, device='cuda')\n"
        "embeds = torch.zeros(1, 8, 4096, device='cuda', dtype=torch.float16)\n"
        "pooled = torch.zeros(1, 2048, device='cuda', dtype=torch.float16)\n",
        ("steps", "embeds", "pooled"),
        whole=("encoder_hidden_states=embeds", "encoder_hidden_states=embeds, pooled_projections=pooled"),
    ),
    "DT-148": Needs(
        {"x": "flux-dev"},
        "import torch\nt = torch.tensor([1.0], device='cuda')\n"
        "embeds = torch.zeros(1, 8, 4096, device='cuda', dtype=torch.float16)\n"
        "pooled = torch.zeros(1, 768, device='cuda', dtype=torch.float16)\n"
        "words, places = torch.zeros(8, 3, device='cuda'), torch.zeros(1024, 3, device='cuda')\n",
        ("t", "embeds", "pooled", "words", "places"),
        whole=("timestep=t", "timestep=t, guidance=t, pooled_projections=pooled, txt_ids=words, img_ids=places"),
    ),
    "DT-150": Needs({"black-forest-labs/FLUX.1-dev": FLUX}),
    "DT-158": Needs(),
    "DT-159": Needs({"x": SD}),
    "DT-160": Needs(),
    "DT-170": Needs({"stabilityai/sdxl-vae": f"{XL}/vae"}, tail="cache([torch.zeros(1, 3, 64, 64)])\n"),
    "DT-177": Needs(tail="StopWords(3)(8)\n"),
    "DT-178": Needs(),
    "DT-189": Needs({"THUDM/CogVideoX1.5-5B": "CogVideoXPipeline"}, whole=("num_frames=81", "num_frames=9")),
    "DT-190": Needs({"THUDM/CogVideoX1.5-5B-I2V": "CogVideoXImageToVideoPipeline"}, PICTURE.format(name="image"), ("image",)),
    "DT-191": Needs({"zai-org/CogVideoX1.5-5B": "CogVideoXPipeline"}),
    "DT-192": Needs({"THUDM/CogVideoX-5b": "CogVideoXPipeline"}),
    "DT-202": Needs({"x": SD3}),
    "DT-204": Needs({"google/gemma-2-27b-it": "gemma"}, IDS + "tokens = {'input_ids': ids}\n", ("tokens",)),
    "DT-208": Needs(
        {
            "InstantX/FLUX.1-dev-Controlnet-Canny": "FluxControlNetPipeline/controlnet",
            "black-forest-labs/FLUX.1-dev": "FluxControlNetPipeline",
        },
        PICTURE.format(name="image"),
        ("image",),
    ),
    "DT-213": Needs(),
    "DT-214": Needs({"Tongyi-MAI/Z-Image-Turbo": "ZImagePipeline"}),
    "DT-216": Needs({"stable-diffusion-v1-5/stable-diffusion-v1-5": SD}),
    "DT-218": Needs({"stabilityai/stable-diffusion-3-medium-diffusers": SD3}, tail="encode(2)\n"),
    "DT-220": Needs({"stabilityai/stable-diffusion-xl-base-1.0": XL}),
    "DT-224": Needs(
        {"stabilityai/sdxl-vae": f"{XL}/vae"},
        "import torch\npicture = torch.zeros(1, 3, 64, 64, device='cuda')\n",
        ("picture",),
    ),
    "DT-228": Needs({"x": SD}),
    "DT-241": Needs(
        {"stabilityai/stable-diffusion-xl-base-1.0": XL},
        "def watch(pipe, step, timestep, values):\n    return values\n",
        ("watch",),
    ),
    "DT-255": Needs({"x": SD}),
    "DT-258": Needs({"x": SD}),
    "DT-277": Needs(),
    "DT-295": Needs({"Efficient-Large-Model/Sana_1600M_1024px_diffusers": "SanaPipeline"}),
}
SEEN_BY_NOBODY: Final[dict[str, str]] = {
    "DT-021": "does not require grad",  # phantoms are not trained by a Trainer
    "DT-078": "Attempted unscale_ but _scale is None",  # the script never scales a loss
    "DT-135": "WhisperProcessor",  # the rehearsal has no stand-in for it
    "DT-150": "torchao",  # which is not installed
    "DT-214": "IndexError",  # the small model is too small for the size that the script takes by default
    "DT-277": "is not on this machine",  # there is no small pipeline of this class
}
"""Cases whose rehearsal ends before it comes to the fault, and what it says then."""
