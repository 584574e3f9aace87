import sys

import torch
from diffusers import AutoencoderKL
from diffusers.image_processor import VaeImageProcessor

dtype = getattr(torch, sys.argv[1])
vae = AutoencoderKL.from_pretrained("sdxl-hot-decoder", subfolder="vae", torch_dtype=dtype)
latents = torch.randn(1, 4, 16, 16).to(dtype)
with torch.inference_mode():
    decoded = vae.decode(latents / vae.config.scaling_factor, return_dict=False)[0]
image = VaeImageProcessor().postprocess(decoded)[0]
