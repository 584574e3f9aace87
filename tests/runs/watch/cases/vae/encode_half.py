import sys

import torch
from diffusers import AutoencoderKL
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

dtype = getattr(torch, sys.argv[1])
vae = AutoencoderKL.from_pretrained("sdxl-hot-encoder", subfolder="vae", torch_dtype=dtype)
picture = Image.radial_gradient("L").convert("RGB").resize((32, 32))
pixels = VaeImageProcessor().preprocess(picture).to(dtype)
with torch.no_grad():
    latents = vae.encode(pixels).latent_dist.sample()
