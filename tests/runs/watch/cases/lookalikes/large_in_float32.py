import torch
from diffusers import AutoencoderKL

vae = AutoencoderKL.from_pretrained("sdxl-hot-encoder", subfolder="vae")
with torch.no_grad():
    latents = vae.encode(torch.rand(1, 3, 32, 32)).latent_dist.mode()
