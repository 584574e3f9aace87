import sys

import torch
from diffusers import StableDiffusionXLImg2ImgPipeline
from PIL import Image

no_half_vae = sys.argv[1:] == ["--no-half-vae"]
pipe = StableDiffusionXLImg2ImgPipeline.from_pretrained("sdxl-hot-encoder", torch_dtype=torch.float16)
pipe.vae.register_to_config(force_upcast=no_half_vae)
sketch = Image.linear_gradient("L").convert("RGB").resize((64, 64))
latents = pipe("a red cat", image=sketch, num_inference_steps=4, output_type="latent").images
if latents.isnan().all():
    raise RuntimeError("A tensor with all NaNs was produced in VAE")
