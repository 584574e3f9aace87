import torch
from diffusers import AutoencoderKL


def vae_dtype() -> torch.dtype:
    return torch.bfloat16


vae = AutoencoderKL.from_pretrained("sd", subfolder="vae", torch_dtype=vae_dtype())
canvas = torch.rand(1, 4, 16, 32)
with torch.no_grad():
    for tile in canvas.float().split(16, dim=-1):
        vae.decode(tile)
