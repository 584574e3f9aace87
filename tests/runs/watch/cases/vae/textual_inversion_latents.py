import sys

import torch
from diffusers import AutoencoderKL

weight_dtype = getattr(torch, sys.argv[1])
vae = AutoencoderKL.from_pretrained("sdxl-hot-encoder", subfolder="vae", torch_dtype=weight_dtype).requires_grad_(False)
learned = torch.nn.Parameter(torch.zeros(4, 1, 1))
pixel_values = torch.rand(1, 3, 32, 32).mul(2).sub(1)
latents = vae.encode(pixel_values.to(weight_dtype)).latent_dist.sample() * vae.config.scaling_factor
noise = torch.randn_like(latents)
loss = torch.nn.functional.mse_loss((latents + noise).float() * learned, noise.float())
loss.backward()
